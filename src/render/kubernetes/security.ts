/** What Pod Security's `restricted` asks for, and what an App loosens of it. */
import type { AppDocument } from "../../api/document.ts";
import type { Path } from "../../schema/node.ts";
import { because, from, type Tree } from "./sourced.ts";
import type { Target } from "./target.ts";

/** The sidecar's user, where the platform assigns none. */
export const SIDECAR_USER = 65532;

export interface SecurityWishes {
  readonly user?: number | undefined;
  readonly writable: boolean;
  readonly capabilities: readonly string[];
}

const TIGHT = {
  allowPrivilegeEscalation: because("no program gets more rights than it began with", false),
  seccompProfile: { type: "RuntimeDefault" },
};

export function sidecarSecurity({ assignsUser }: Target): Tree {
  return {
    ...TIGHT,
    runAsNonRoot: true,
    runAsUser: assignsUser ? undefined : because("of the sidecar's image", SIDECAR_USER),
    runAsGroup: assignsUser ? undefined : because("of the sidecar's image", SIDECAR_USER),
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  };
}

/**
 * A platform that assigns users refuses any that a file names, except root, for which it needs leave.
 *
 * @param path of the fields in the file
 */
export function containerSecurity(
  app: AppDocument,
  path: Path,
  wishes: SecurityWishes,
  { assignsUser }: Target,
): Tree {
  const { writable, capabilities } = wishes;
  const root = wishes.user === 0;
  const user = assignsUser && !root ? undefined : wishes.user;
  return {
    ...TIGHT,
    runAsNonRoot: root
      ? from(app, [...path, "user"], false)
      : because("an image that would run as root is refused; user: 0 lets it", true),
    runAsUser: user === undefined ? undefined : from(app, [...path, "user"], user),
    readOnlyRootFilesystem: from(
      app,
      [...path, "writable"],
      !writable,
      "what is broken into cannot change its own programs; writable: true lets it",
    ),
    capabilities: {
      drop: because("an app on a port above 1023 needs none", ["ALL"]),
      add:
        capabilities.length === 0
          ? undefined
          : from(app, [...path, "capabilities"], [...capabilities]),
    },
  };
}

/** The level of Pod Security that an App's pods fit in. */
export function securityLevel(app: AppDocument): "restricted" | "baseline" | "privileged" {
  const all = [app.spec.container, ...Object.values(app.spec.containers)];
  const added = all.flatMap(({ capabilities }) => capabilities);
  if (added.some((one) => !BASELINE.has(one))) return "privileged";
  if (all.some(({ user }) => user === 0)) return "baseline";
  return added.some((one) => one !== "NET_BIND_SERVICE") ? "baseline" : "restricted";
}

/** Pod Security Standards, baseline: capabilities that may be added. */
const BASELINE = new Set([
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
]);
