import { Failure } from "../base/failure.ts";
import { referenceRows } from "../schema/field.ts";
import type { ReferenceRow } from "../schema/reference.ts";
import { writtenText } from "../schema/reference.ts";
import { editDistance } from "../schema/spelling.ts";
import type { Kind } from "./document.ts";
import { KINDS } from "./document.ts";
import { envelope, specFields } from "./documents.ts";
import type { PipelineComponents } from "./pipeline.ts";
import { NO_COMPONENTS } from "./pipeline.ts";

/** As many characters of a path are looked at. */
const MAX_PATH = 200;

/**
 * What a field does, for `outrigger explain field PATH`. The path may be as short as it is clear:
 * `spec.calls.api.timeout`, `spec.calls.NAME.timeout`, `spec.calls.timeout`, `calls.timeout` and
 * `app.spec.calls.timeout` are the same.
 *
 * @throws Failure `usage` where no kind has such a field.
 */
export function explainField(path: string, components: PipelineComponents = NO_COMPONENTS): string {
  const specs = specFields(components);
  const wanted = steps(path.slice(0, MAX_PATH));
  const kind = KINDS.find((known) => known.toLowerCase() === wanted[0]?.toLowerCase());
  const inside = kind === undefined ? wanted : wanted.slice(1);
  const all: Entry[] = [];
  for (const known of kind === undefined ? KINDS : [kind]) {
    for (const row of referenceRows(envelope(known, specs[known]))) {
      all.push({ kind: known, row, steps: steps(row.path) });
    }
  }
  const found = mostExact(
    all.filter((entry) => matches(entry.steps, inside)),
    inside,
  );
  if (found.length > 0) return found.map((entry) => explain(entry, all)).join("\n");
  if (kind !== undefined && inside.length === 0) return listing(kind, all);
  throw new Failure(
    "usage",
    `no field is called "${path.slice(0, MAX_PATH)}"`,
    advice(inside, all),
  );
}

function advice(written: readonly string[], all: readonly Entry[]): string {
  const last = written.at(-1)?.toLowerCase();
  const same = all.filter((entry) => entry.steps.at(-1)?.toLowerCase() === last);
  const paths = [...new Set(same.map((entry) => entry.row.path))];
  if (paths.length > 0) return `fields of that name are ${paths.slice(0, 6).join(", ")}`;
  const meant = nearestPath(written, all);
  return meant === null ? "outrigger explain field spec lists them" : `did you mean ${meant}?`;
}

/**
 * `calls.timeout` is the field of each call rather than a call of that name, and what all kinds
 * have (metadata) is explained once.
 */
function mostExact(found: readonly Entry[], written: readonly string[]): readonly Entry[] {
  const literal = found.filter((entry) => entry.steps.at(-1) === written.at(-1));
  const best = literal.length > 0 ? literal : found;
  return best.filter((entry, index) => entry.row.path.startsWith("spec") || index === 0);
}

interface Entry {
  readonly kind: Kind;
  readonly row: ReferenceRow;
  readonly steps: readonly string[];
}

/** Without list marks: `ingress[].host`, `ingress[0].host` and `ingress.host` are the same. */
function steps(path: string): readonly string[] {
  return path
    .replaceAll(/\[\d*\]/g, "")
    .split(".")
    .filter((step) => step !== "");
}

const isChosen = (step: string): boolean => /^[A-Z]+$/.test(step);

/** Whether a written path means a field's. `spec` and names that users choose may be left out. */
function matches(field: readonly string[], written: readonly string[]): boolean {
  const [first, ...others] = field;
  if (first === undefined) return written.length === 0;
  const [word, ...rest] = written;
  if (word !== undefined && (word === first || isChosen(first)) && matches(others, rest))
    return true;
  // `spec.calls` means the map itself, not one call: a chosen name is skipped only on the way.
  return (first === "spec" || isChosen(first)) && others.length > 0 && matches(others, written);
}

function explain({ kind, row }: Entry, all: readonly Entry[]): string {
  const lines = [`${kind} ${row.path}`];
  if (row.later !== null) lines.push(`  Refused for now: ${row.later}.`);
  if (row.about !== "") lines.push(...wrap(row.about));
  lines.push("", `  value:    ${row.expected}${row.required ? " (required)" : ""}`);
  if (row.default !== undefined) lines.push(`  default:  ${writtenText(row.default)}`);
  if (row.onlyOn !== null) lines.push(`  only on:  ${row.onlyOn}`);
  for (const example of row.examples)
    lines.push(`  example:  ${lastStep(row)}: ${writtenText(example)}`);
  const inner = all.filter((entry) => entry.kind === kind && isInside(entry.row.path, row.path));
  if (inner.length > 0)
    lines.push("", "  fields:", ...inner.map((entry) => summary(entry.row, row)));
  return `${lines.join("\n")}\n`;
}

function listing(kind: Kind, all: readonly Entry[]): string {
  const own = all.filter((entry) => entry.kind === kind && entry.row.path.split(".").length <= 2);
  return `${[kind, ...own.map((entry) => `  ${entry.row.path}`)].join("\n")}\n`;
}

/** Whether a field is directly inside of another, chosen names and list marks aside. */
function isInside(path: string, parent: string): boolean {
  if (!path.startsWith(parent)) return false;
  const rest = path.slice(parent.length).replaceAll("[]", "");
  const names = rest.split(".").filter((step) => step !== "" && !isChosen(step));
  return (rest.startsWith(".") || path.startsWith(`${parent}[]`)) && names.length === 1;
}

function summary(row: ReferenceRow, parent: ReferenceRow): string {
  const name = row.path.slice(parent.path.length).replace(/^(?:\[\])?\.?/, "");
  const about = row.later === null ? row.about : `Refused for now: ${row.later}.`;
  const sentence = /^.*?[.;:](?= |$)/.exec(about)?.[0].replace(/[;:]$/, ".") ?? about;
  return `    ${name.padEnd(20)} ${sentence}`;
}

function lastStep(row: ReferenceRow): string {
  return steps(row.path).at(-1)!;
}

function nearestPath(written: readonly string[], all: readonly Entry[]): string | null {
  const bare = (parts: readonly string[]): string =>
    parts
      .filter((step) => step !== "spec" && !isChosen(step))
      .join(".")
      .toLowerCase();
  const wanted = bare(written);
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3));
  for (const { row, steps: own } of all) {
    // A chosen name in what was written (`calls.api.timeuot`) is not in the field's bare path.
    const distance = Math.min(
      editDistance(wanted, bare(own)),
      own.some(isChosen) ? editDistance(wanted, bare(withName(own, written))) : Infinity,
    );
    if (distance < bestDistance) {
      best = row.path;
      bestDistance = distance;
    }
  }
  return best;
}

/** The field's path with the names that stand in the written one at the same place. */
function withName(field: readonly string[], written: readonly string[]): readonly string[] {
  const shift = field[0] === "spec" && written[0] !== "spec" ? 1 : 0;
  return field.map((step, index) => {
    const own = written[index - shift];
    return isChosen(step) && own !== undefined ? own.toLowerCase() : step;
  });
}

const WIDTH = 92;

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + word.length + 1 > WIDTH) {
      lines.push(`  ${line}`);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, `  ${line}`];
}
