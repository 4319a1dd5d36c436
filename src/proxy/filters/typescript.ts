import type { UserFilterPolicy } from "../../api/snapshot.ts";
import { Failure } from "../../base/failure.ts";
import type { FilterComponent } from "./filter.ts";

/** A filter that a user wrote; `proxy/typescript/` loads and calls it. */
export const typescript: FilterComponent = {
  name: "typescript",
  summary: "Runs hooks of your own on requests and answers, from a file of TypeScript.",
  status: "beta",
  security:
    "The code is trusted: it runs in the sidecar's process with all of its rights. What it throws " +
    "is contained; an endless loop is caught by the watchdog only, which ends the process.",
  create: (config, { userFilter }) => {
    const policy = config as unknown as UserFilterPolicy;
    if (userFilter !== undefined) return userFilter(policy);
    throw new Failure("refused", `filter ${policy.name}: no code was loaded`);
  },
};
