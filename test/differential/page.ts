import { NAMES, type Name } from "./proxies.ts";

export interface Outcome {
  /** How many requests reached the upstream. */
  readonly passed: number;
  /** Of the first answer; 0 where there was none. */
  readonly status: number;
  /** What each connection to the upstream brought. */
  readonly recorded: readonly Buffer[];
}

export interface Seen {
  readonly title: string;
  readonly bytes: Buffer;
  readonly outcomes: Readonly<Record<Name, Outcome>>;
}

/** docs/odd_requests.md. */
export function oddRequestsPage(
  seen: readonly Seen[],
  explained: Readonly<Record<string, string>>,
): string {
  const differing = seen.filter(({ outcomes }) => {
    const passed = NAMES.map((name) => outcomes[name].passed > 0);
    return passed.some((one) => one !== passed[0]);
  });
  const list = Object.entries(explained).map(([title, why]) => `- ${code(title)}: ${why}`);
  const head = `| request | ${NAMES.join(" | ")} |\n|---|${"---|".repeat(NAMES.length)}`;
  const rows = differing.map(
    ({ title, outcomes }) =>
      `| ${code(title)} | ${NAMES.map((name) => inWords(outcomes[name])).join(" | ")} |`,
  );
  return `<!-- Written by test/differential.test.ts with UPDATE_GOLDENS=1. -->
# Odd requests

${seen.length} requests, most of them malformed, go through Outrigger, HAProxy, nginx and Envoy, each
in front of an upstream that records every byte (\`test/differential.test.ts\`). The test fails where
Outrigger passes on what two of the others refuse and the list below does not say why, and where what
it passed on could be read as other requests than it read itself.

## Passed on by Outrigger, refused by two of the others

${list.length === 0 ? "Nothing." : list.join("\n")}

## Where the four differ

${seen.length - differing.length} of ${seen.length} are passed on by all or refused by all. "passed"
means that the request's head reached the upstream; a number is the status of a refusal; "closed" is
one without an answer, or none within 350 ms.

${head}
${rows.join("\n")}
`;
}

export function inWords({ passed, status }: Outcome): string {
  if (passed > 0) return passed === 1 ? "passed" : `passed (${passed})`;
  return status === 0 ? "closed" : String(status);
}

export function code(title: string): string {
  const text = title.replace(/[^\x20-\x7e]/g, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
  return `\`${text.replaceAll("|", "\\|").replaceAll("`", "'")}\``;
}
