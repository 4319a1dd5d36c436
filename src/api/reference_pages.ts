import type { AnyField } from "../schema/field.ts";
import { referenceRows } from "../schema/field.ts";
import type { ReferenceRow } from "../schema/reference.ts";
import { writtenText } from "../schema/reference.ts";
import type { Kind } from "./document.ts";
import { KINDS } from "./document.ts";
import { envelope, specFields } from "./documents.ts";
import type { PipelineComponents } from "./pipeline.ts";
import { NO_COMPONENTS } from "./pipeline.ts";

export interface ReferencePage {
  /** `app`: the page is docs/reference/app.md. */
  readonly name: string;
  readonly path: string;
  /** Markdown. */
  readonly text: string;
}

const INTRODUCTIONS: Readonly<Record<Kind, string>> = {
  App:
    "One app: how it runs, where it listens, what it calls, and what is to hold for each call. " +
    "A field that nobody wrote means the plainest behaviour: no timeout, no retry, no breaker.",
  Mesh: "What the Apps of a set of files share. There is one at most.",
  Pipeline:
    "Events from sources through steps to sinks. Runs beside an app or alone, with " +
    "`outrigger pipeline FILE`.",
};

/** A page for each kind of document. */
export function referencePages(
  components: PipelineComponents = NO_COMPONENTS,
): readonly ReferencePage[] {
  const specs = specFields(components);
  return KINDS.map((kind) => {
    const name = kind.toLowerCase();
    return { name, path: `docs/reference/${name}.md`, text: page(kind, specs[kind]) };
  });
}

function page(kind: Kind, spec: AnyField): string {
  const rows = referenceRows(envelope(kind, spec)).filter((row) => row.path !== "spec");
  const now = rows.filter((row) => row.later === null);
  const later = rows.filter((row) => row.later !== null);
  const parts = [
    `# ${kind}`,
    INTRODUCTIONS[kind],
    "Durations are written `250ms`, `2s`, `5m`, `1h`, `30d`; percentages `25%`; sizes `256Mi`, " +
      "`1GiB`, `64KB`; paths `/items` (exact) or `/items/*` (all below). Capitals in a field's " +
      "name stand for a name that you choose, `[]` for each item of a list. " +
      "`outrigger explain field PATH` prints one.",
    "| field | value | default | what it does |\n| --- | --- | --- | --- |\n" +
      now.map(line).join("\n"),
  ];
  if (later.length > 0) {
    parts.push(
      "## Not there yet",
      "These are refused until they work, so that nobody relies on them by mistake.",
      later.map((row) => `- \`${row.path}\`: ${row.later}.`).join("\n"),
    );
  }
  return `${parts.join("\n\n")}\n`;
}

function line(row: ReferenceRow): string {
  const only = row.onlyOn === null ? "" : ` Only on ${row.onlyOn}.`;
  const examples = row.examples.map((example) => code(writtenText(example))).join(", ");
  const shown = examples === "" ? "" : ` For example ${examples}.`;
  const value = row.required ? `${row.expected} (required)` : row.expected;
  const fallback = row.default === undefined ? "" : code(writtenText(row.default));
  return `| \`${row.path}\` | ${cell(value)} | ${fallback} | ${cell(row.about + only)}${shown} |`;
}

/** A bar would end the cell, also inside of code. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}
