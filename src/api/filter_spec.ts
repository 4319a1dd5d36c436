import { basename } from "node:path";
import type { Infer } from "../schema/field.ts";
import { choice, duration, list, map, object, oneOf, size, text } from "../schema/field.ts";
import { anything } from "../schema/anything.ts";
import { LABEL_EXPECTED, LABEL_PATTERN } from "./names.ts";
import type { UserFilterPolicy } from "./snapshot.ts";

/** The field `filters` of an App and of a call: a user's own code on requests and answers. */

const file = text({
  maxLength: 4096,
  pattern: /\.(?:ts|mts|js|mjs)$/,
  expected: 'a file such as "filters/auth.ts"',
});

const whole = object({
  file: file
    .about(
      "A file of TypeScript whose default export has the hooks (docs/filters.md), from the folder " +
        "of this file. It is loaded again when it changes. Its code is trusted: it runs in the " +
        "sidecar with all of its rights.",
    )
    .example("filters/auth.ts"),
  name: text({ pattern: LABEL_PATTERN, expected: LABEL_EXPECTED })
    .about("What metrics and logs call it. By default the file's name without its ending.")
    .example("auth")
    .optional(),
  onError: choice(["closed", "open"])
    .about(
      "Where a hook throws, or takes too long: `closed` answers 500, `open` goes on without it. " +
        "Closed: a check that fails lets nobody through.",
    )
    .default("closed")
    .example("open"),
  timeout: duration({ min: "1ms", max: "10m" })
    .about("How long a hook's promise may take; then it has failed. 1s.")
    .default("1s"),
  maxBody: size({ min: "1Ki", max: "256Mi" })
    .about(
      "Of a hook that takes a whole body: it is kept in memory until then. A larger one is " +
        "answered 413, of an answer 502. 1Mi.",
    )
    .default("1Mi"),
  config: map(anything(), { max: 1000, keyName: "KEY" })
    .about("Anything that the code wants to know; it finds it as `ctx.config`. Nothing by default.")
    .default({})
    .example({ realm: "shop" }),
});

const DEFAULTS = {
  name: undefined,
  onError: "closed",
  timeout: 1_000,
  maxBody: 1_048_576,
  config: {},
} as const;

export const filters = list(oneOf(file.as((path) => ({ file: path, ...DEFAULTS })), whole), {
  max: 100,
});

export type UserFilterSpec = Infer<typeof filters>[number];

export function filterName({ name, file: path }: UserFilterSpec): string {
  if (name !== undefined) return name;
  const label = basename(path)
    .replace(/\.[^.]+$/, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 63);
  return label === "" ? "filter" : label;
}

export function userFilterPolicy(spec: UserFilterSpec): UserFilterPolicy {
  return {
    name: filterName(spec),
    onError: spec.onError,
    timeoutMs: spec.timeout,
    maxBodyBytes: spec.maxBody,
    config: { ...spec.config },
  };
}
