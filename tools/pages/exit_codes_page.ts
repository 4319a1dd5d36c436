import { EXIT_CODES, type FailureKind } from "../../src/base/failure.ts";

/** A kind without a line here does not compile. */
const MEANINGS: Readonly<Record<FailureKind, string>> = {
  "found-problems":
    "The command worked and found problems: `check`, `diff` with differences, `load` with errors.",
  usage: "The command line is wrong: an unknown option, a missing argument.",
  "input-not-found": "A file or folder that was named is not there.",
  "port-in-use":
    "Another process listens on a port that is needed; the message names it where it can.",
  "command-not-found": "A program that an App's `run.command` names is not there.",
  "upstream-unreachable": "Nobody answers at an address that was to be reached.",
  "disk-full": "A file could not be written: no space left.",
  permission: "The system refused access.",
  "not-running": "Nothing of that name runs.",
  "already-running": "Something of that name runs already.",
  "missing-part": "A program that this needs is not installed.",
  refused: "A configuration was refused; the last good one stays in force.",
  internal: "A bug in Outrigger. The message says where; please report it.",
  interrupted: "Ended by Ctrl-C.",
};

/** The reference page of exit codes. */
export function exitCodesPage(): string {
  const rows = (Object.keys(EXIT_CODES) as FailureKind[]).map(
    (kind) => `| ${EXIT_CODES[kind]} | ${kind} | ${MEANINGS[kind]} |`,
  );
  return `# Exit codes

They stay the same from version to version.

| status | kind | meaning |
|---|---|---|
| 0 | | The command worked. |
${rows.join("\n")}
`;
}
