import { assert } from "../base/assert.ts";

/**
 * The Prometheus text exposition format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/): a writer for what we expose, and
 * a strict reader for tests, the console and load reports.
 */

/** The Content-Type that goes with the text. */
export const PROMETHEUS_TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type MetricType = "counter" | "gauge" | "histogram";

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
/** Names that start with two underscores belong to Prometheus itself. */
const LABEL_NAME = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Writes an exposition: each family once, followed by all of its samples. */
export class PrometheusText {
  #text = "";
  readonly #families = new Set<string>();
  #name = "";
  #type: MetricType = "gauge";

  /**
   * Starts a family; the samples that follow belong to it.
   * @throws AssertionError where the name was used before or is none.
   */
  family(name: string, type: MetricType, help: string): void {
    assert(METRIC_NAME.test(name), `${JSON.stringify(name)} is not a metric's name`);
    assert(!this.#families.has(name), `the metric ${name} is described twice`);
    this.#families.add(name);
    this.#name = name;
    this.#type = type;
    this.#text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
  }

  /** One value of the counter or gauge that `family` started. */
  sample(name: string, labels: Readonly<Record<string, string>>, value: number): void {
    assert(name === this.#name, `a sample of ${name} stands in the family ${this.#name}`);
    assert(this.#type !== "histogram", `${name} is a histogram: write it with histogram()`);
    this.#line(name, labelsText(labels), value);
  }

  /**
   * One histogram of the family that `family` started.
   * @param boundsSeconds upper bounds, ascending, without +Inf
   * @param counts observations in each bucket alone (not cumulative), the last one's bound is +Inf
   * @param exemplar what stands behind a bucket's sample; see `openmetrics.ts`
   */
  histogram(
    name: string,
    labels: Readonly<Record<string, string>>,
    boundsSeconds: ArrayLike<number>,
    counts: ArrayLike<number>,
    sum: number,
    exemplar: (bucket: number) => string = () => "",
  ): void {
    assert(name === this.#name, `a sample of ${name} stands in the family ${this.#name}`);
    assert(this.#type === "histogram", `${name} is not a histogram`);
    assert(counts.length === boundsSeconds.length + 1, `${name} needs one count more than bounds`);
    assert(labels["le"] === undefined, `${name} has the label le, which belongs to its buckets`);
    const own = labelsText(labels);
    const before = own === "" ? "" : `${own},`;
    let total = 0;
    for (let index = 0; index < counts.length; index++) {
      total += counts[index]!;
      const bound = index < boundsSeconds.length ? boundsSeconds[index]! : Infinity;
      const le = `${before}le="${prometheusNumber(bound)}"`;
      this.#line(`${name}_bucket`, le, total, exemplar(index));
    }
    this.#line(`${name}_sum`, own, sum);
    this.#line(`${name}_count`, own, total);
  }

  #line(name: string, labels: string, value: number, behind = ""): void {
    const braces = labels === "" ? "" : `{${labels}}`;
    this.#text += `${name}${braces} ${prometheusNumber(value)}${behind}\n`;
  }

  toString(): string {
    return this.#text;
  }
}

/** A number as Prometheus (Go's ParseFloat) reads it. */
export function prometheusNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  let text = "";
  for (const name in labels) {
    assert(LABEL_NAME.test(name), `${JSON.stringify(name)} is not a label's name`);
    text += `${text === "" ? "" : ","}${name}="${escapeLabel(labels[name]!)}"`;
  }
  return text;
}

function escapeHelp(text: string): string {
  return text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").toWellFormed();
}

function escapeLabel(text: string): string {
  if (!/["\\\n]|[\ud800-\udfff]/.test(text)) return text;
  const escaped = text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"');
  return escaped.toWellFormed();
}

// ---------------------------------------------------------------- reading

export interface PrometheusSample {
  /** With the suffix of a histogram's or summary's parts: `x_bucket`, `x_sum`, `x_count`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Unix time in ms; null where the line has none, as is usual. */
  readonly timestampMs: number | null;
  /** From 1. */
  readonly line: number;
}

export interface PrometheusFamily {
  readonly name: string;
  /** `untyped` where no TYPE line was seen. */
  readonly type: MetricType | "summary" | "untyped";
  /** Null where no HELP line was seen. */
  readonly help: string | null;
  readonly samples: readonly PrometheusSample[];
}

export interface PrometheusProblem {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export interface PrometheusExposition {
  /** In the order of the text. */
  readonly families: readonly PrometheusFamily[];
  /** Empty where the text is a valid exposition. At most 100. */
  readonly problems: readonly PrometheusProblem[];
}

interface OpenFamily {
  name: string;
  type: PrometheusFamily["type"];
  help: string | null;
  samples: PrometheusSample[];
  typed: boolean;
}

const MAX_PROBLEMS = 100;
const TYPES: readonly string[] = ["counter", "gauge", "histogram", "summary", "untyped"];
const NAME_AT = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_AT = /[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\\n]|\\[^\n])*)"[ \t]*/y;
const VALUE_AT = /[ \t]+([^ \t]+)(?:[ \t]+(-?\d{1,16}))?[ \t]*$/y;
const NUMBER = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)$/;

/**
 * Reads an exposition, and says what is wrong with it: besides the notation also families that come
 * twice or in parts, samples that come twice, counters below zero, histograms that do not add up.
 */
export function parsePrometheusText(text: string): PrometheusExposition {
  const reader = new ExpositionReader();
  const lines = text.split("\n");
  const last = lines.pop()!;
  for (let index = 0; index < lines.length; index++) reader.line(lines[index]!, index + 1);
  if (last !== "") {
    reader.line(last, lines.length + 1);
    reader.problem(lines.length + 1, "the last line does not end with a line feed");
  }
  return reader.finish();
}

class ExpositionReader {
  readonly #families = new Map<string, OpenFamily>();
  readonly #problems: PrometheusProblem[] = [];
  readonly #seen = new Set<string>();
  #current: OpenFamily | null = null;

  problem(line: number, message: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ line, message });
  }

  finish(): PrometheusExposition {
    const families = [...this.#families.values()].map(
      ({ name, type, help, samples }): PrometheusFamily => ({ name, type, help, samples }),
    );
    for (const family of families) {
      if (family.type === "histogram") this.#checkHistogram(family);
    }
    this.#problems.sort((one, other) => one.line - other.line);
    return { families, problems: this.#problems };
  }

  line(line: string, number: number): void {
    if (line.trim() === "") return;
    if (line.startsWith("#")) this.#comment(line, number);
    else this.#sample(line, number);
  }

  #comment(line: string, number: number): void {
    const match = /^#[ \t]+(HELP|TYPE)(?:[ \t]+(\S+))?(?:[ \t]+([^]*))?$/.exec(line);
    if (match === null) return;
    const [, keyword, name = "", rest = ""] = match;
    if (!METRIC_NAME.test(name)) {
      this.problem(number, `${JSON.stringify(name)} is not a metric's name`);
      return;
    }
    const family = this.#open(name, number);
    if (keyword === "HELP") {
      if (family.help !== null) this.problem(number, `a second HELP line for ${name}`);
      family.help = this.#unescape(rest, false, number);
      return;
    }
    if (family.typed) this.problem(number, `a second TYPE line for ${name}`);
    if (family.samples.length > 0) this.problem(number, `TYPE of ${name} comes after its samples`);
    family.typed = true;
    if (TYPES.includes(rest.trim())) family.type = rest.trim() as OpenFamily["type"];
    else this.problem(number, `${JSON.stringify(rest)} is no type, expected ${TYPES.join(", ")}`);
  }

  /** The family of that name, which must be the one in hand or a new one. */
  #open(name: string, number: number): OpenFamily {
    if (this.#current?.name === name) return this.#current;
    let family = this.#families.get(name);
    if (family === undefined) {
      family = { name, type: "untyped", help: null, samples: [], typed: false };
      this.#families.set(name, family);
    } else {
      this.problem(number, `the lines of ${name} do not stand together`);
    }
    this.#current = family;
    return family;
  }

  #sample(line: string, number: number): void {
    NAME_AT.lastIndex = 0;
    const name = NAME_AT.exec(line)?.[0];
    if (name === undefined) {
      this.problem(number, `a line starts with neither a metric's name nor #: ${quote(line)}`);
      return;
    }
    const labels: Record<string, string> = Object.create(null);
    let at = name.length;
    const brace = /[ \t]*\{/y;
    brace.lastIndex = at;
    if (brace.test(line)) {
      at = this.#labels(line, brace.lastIndex, labels, number);
      if (at < 0) return;
    }
    VALUE_AT.lastIndex = at;
    // Behind labels the blank may be missing, as Prometheus reads it.
    const spaced = line[at - 1] === "}" ? `${line.slice(0, at)} ${line.slice(at)}` : line;
    const match = VALUE_AT.exec(spaced);
    const value = match === null ? null : numberOf(match[1]!);
    if (match === null || value === null) {
      const found = `found ${quote(line.slice(at).trim())}`;
      this.problem(number, `expected a value and perhaps a time in ms after ${name}, ${found}`);
      return;
    }
    const timestampMs = match[2] === undefined ? null : Number(match[2]);
    this.#add({ name, labels, value, timestampMs, line: number });
  }

  /** Returns the position behind the closing brace, or -1 after telling a problem. */
  #labels(line: string, from: number, into: Record<string, string>, number: number): number {
    let at = from;
    for (;;) {
      const end = /[ \t]*\}/y;
      end.lastIndex = at;
      if (end.test(line)) return end.lastIndex;
      LABEL_AT.lastIndex = at;
      const match = LABEL_AT.exec(line);
      if (match === null) {
        this.problem(number, `expected name="value" or }, found ${quote(line.slice(at))}`);
        return -1;
      }
      const name = match[1]!;
      if (name.startsWith("__")) this.problem(number, `the label ${name} starts with __`);
      if (name in into) this.problem(number, `the label ${name} comes twice`);
      into[name] = this.#unescape(match[2]!, true, number);
      at = LABEL_AT.lastIndex;
      if (line[at] === ",") at++;
      else if (line[at] !== "}") {
        const found = quote(line.slice(at));
        this.problem(number, `expected , or } after the label ${name}, found ${found}`);
        return -1;
      }
    }
  }

  #unescape(text: string, quotes: boolean, number: number): string {
    if (!text.includes("\\")) return text;
    return text.replace(/\\([^]?)/g, (whole, escaped: string) => {
      if (escaped === "n") return "\n";
      if (escaped === "\\" || (quotes && escaped === '"')) return escaped;
      this.problem(number, `${whole} is no escape, expected \\\\, \\n${quotes ? ' or \\"' : ""}`);
      return whole;
    });
  }

  #add(sample: PrometheusSample): void {
    const family = this.#open(this.#familyName(sample), sample.line);
    family.samples.push(sample);
    const key = `${sample.name} ${labelsKey(sample.labels)}`;
    if (this.#seen.has(key)) {
      this.problem(sample.line, `${sample.name} comes twice with the same labels`);
    }
    this.#seen.add(key);
    if (family.type === "counter" && !(sample.value >= 0)) {
      this.problem(sample.line, `the counter ${sample.name} is ${sample.value}`);
    }
    if (family.type === "histogram" && sample.name === family.name) {
      this.problem(sample.line, `the histogram ${family.name} has a sample without suffix`);
    }
  }

  #familyName(sample: PrometheusSample): string {
    const suffix = /_(?:bucket|sum|count)$/.exec(sample.name)?.[0];
    if (suffix === undefined) return sample.name;
    const base = sample.name.slice(0, -suffix.length);
    const type = this.#families.get(base)?.type;
    const isPart = type === "histogram" || (type === "summary" && suffix !== "_bucket");
    return isPart ? base : sample.name;
  }

  #checkHistogram(family: PrometheusFamily): void {
    const groups = new Map<string, PrometheusSample[]>();
    for (const sample of family.samples) {
      const { le: _, ...own } = sample.labels;
      const key = labelsKey(own);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [sample]);
      else group.push(sample);
    }
    for (const group of groups.values()) this.#checkBuckets(family.name, group);
  }

  #checkBuckets(name: string, group: readonly PrometheusSample[]): void {
    const count = group.find((sample) => sample.name === `${name}_count`);
    const line = group[0]!.line;
    if (count === undefined) this.problem(line, `${name}_count is missing`);
    if (!group.some((sample) => sample.name === `${name}_sum`)) {
      this.problem(line, `${name}_sum is missing`);
    }
    let bound = -Infinity;
    let total = 0;
    for (const sample of group) {
      if (sample.name !== `${name}_bucket`) continue;
      const le = numberOf(sample.labels["le"] ?? "");
      if (le === null) {
        this.problem(sample.line, `a bucket of ${name} has no bound in its label le`);
        continue;
      }
      if (le <= bound) this.problem(sample.line, `the buckets of ${name} do not ascend`);
      if (!(sample.value >= total)) {
        this.problem(sample.line, `a bucket of ${name} counts less than the one before it`);
      }
      bound = le;
      total = sample.value;
    }
    if (bound !== Infinity) this.problem(line, `${name} has no bucket with le="+Inf"`);
    else if (count !== undefined && count.value !== total) {
      this.problem(count.line, `${name}_count is ${count.value}, its +Inf bucket ${total}`);
    }
  }
}

function numberOf(text: string): number | null {
  if (NUMBER.test(text)) return Number(text);
  switch (text.toLowerCase()) {
    case "nan":
      return NaN;
    case "inf":
    case "+inf":
      return Infinity;
    case "-inf":
      return -Infinity;
    default:
      return null;
  }
}

function labelsKey(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.keys(labels).sort().map((name) => [name, labels[name]]));
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

/** The sum of all samples of that name whose labels include the given ones. */
export function sumOfSamples(
  exposition: PrometheusExposition,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const wanted = Object.entries(labels);
  let sum = 0;
  for (const family of exposition.families) {
    for (const sample of family.samples) {
      if (sample.name !== name) continue;
      if (wanted.every(([key, value]) => sample.labels[key] === value)) sum += sample.value;
    }
  }
  return sum;
}
