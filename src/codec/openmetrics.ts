/**
 * OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/), made of what
 * `PrometheusText` writes. Exemplars stand in that text already, behind the buckets that they are
 * for; a reader of the older format must not see them.
 */
import { prometheusNumber } from "./prometheus_text.ts";

/** One request that was counted, so that a bucket leads to a trace. */
export interface Exemplar {
  readonly traceId: string;
  /** In the unit of the histogram. */
  readonly value: number;
  /** Unix time in ms. */
  readonly wallMs: number;
}

/** The units that our names end with. */
const UNITS = ["seconds", "bytes", "ratio"] as const;
const TYPES: Readonly<Record<string, string>> = { untyped: "unknown" };
/** Labels may hold anything in quotes, what looks like an exemplar too. */
const WITH_EXEMPLAR = /^(\w+_bucket\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\} \S+)( # \{.*)$/;
const MARK = " # {";

/** As it stands behind a bucket's sample. */
export function exemplarText({ traceId, value, wallMs }: Exemplar): string {
  const seconds = (wallMs / 1000).toFixed(3);
  return `${MARK}trace_id="${traceId}"} ${prometheusNumber(value)} ${seconds}`;
}

/** A sample's line without its exemplar, and the exemplar as written, or "". */
export function splitExemplar(line: string): readonly [sample: string, exemplar: string] {
  if (!line.includes(MARK)) return [line, ""];
  const match = WITH_EXEMPLAR.exec(line);
  return match === null ? [line, ""] : [match[1]!, match[2]!];
}

/** Of two exemplars of one bucket the newer one; both as written. */
export function newerExemplar(one: string, other: string): string {
  return secondsOf(other) > secondsOf(one) ? other : one;
}

function secondsOf(exemplar: string): number {
  return exemplar === "" ? 0 : Number(exemplar.slice(exemplar.lastIndexOf(" ") + 1));
}

/** The text for a reader of the older format: without exemplars. */
export function withoutExemplars(text: string): string {
  if (!text.includes(MARK)) return text;
  return text.split("\n").map((line) => splitExemplar(line)[0]).join("\n");
}

/**
 * The text as OpenMetrics has it: a counter's family is its name without `_total`, units have their
 * line, bounds are written as floats, and the end is marked.
 */
export function openMetricsText(text: string): string {
  const lines: string[] = [];
  let type = "";
  let help = "";
  for (const line of text.split("\n")) {
    if (line === "") continue;
    if (line.startsWith("# HELP ")) help = line.slice("# HELP ".length);
    else if (line.startsWith("# TYPE ")) {
      const [, , name = "", written = ""] = line.split(" ");
      type = written;
      lines.push(...describe(name, type, help.startsWith(`${name} `) ? help : ""));
      help = "";
    } else if (!line.startsWith("#")) lines.push(sampleLine(line, type));
  }
  return `${lines.join("\n")}${lines.length === 0 ? "" : "\n"}# EOF\n`;
}

function describe(name: string, type: string, help: string): string[] {
  const family = type === "counter" ? name.replace(/_total$/, "") : name;
  const lines = [`# TYPE ${family} ${TYPES[type] ?? type}`];
  const unit = UNITS.find((one) => family.endsWith(`_${one}`));
  if (unit !== undefined) lines.push(`# UNIT ${family} ${unit}`);
  if (help !== "") {
    // Backslashes and line feeds are escaped already; here quotes are too.
    const words = help.slice(name.length + 1).replaceAll('"', '\\"');
    lines.push(`# HELP ${family} ${words}`);
  }
  return lines;
}

function sampleLine(line: string, type: string): string {
  if (type === "counter" && !/^\w+_total[{ ]/.test(line)) {
    return line.replace(/^\w+/, (name) => `${name}_total`);
  }
  // `le` is a bucket's last label. Written as 1 it would be another series than 1.0.
  return type === "histogram" ? line.replace(/le="(\d+)"(?=\} )/, 'le="$1.0"') : line;
}

// ---------------------------------------------------------------- which of the two

export const OPENMETRICS_TYPE = "application/openmetrics-text";
/** The version that is written; 0.0.1 was its draft, and reads the same. */
const VERSIONS = ["1.0.0", "0.0.1"] as const;

/**
 * Which version of OpenMetrics an Accept header (RFC 9110, 12.5.1) asks for; null where it wants
 * the older text: it must name OpenMetrics, and prefer nothing to it.
 */
export function acceptedOpenMetrics(accept: string): (typeof VERSIONS)[number] | null {
  let version: (typeof VERSIONS)[number] | null = null;
  let quality = 0;
  let textQuality = 0;
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const values = new Map(parameters.map((one) => parameterOf(one)));
    const q = qualityOf(values.get("q"));
    if (type === "text/plain" || type === "text/*" || type === "*/*") {
      textQuality = Math.max(textQuality, q);
    }
    if (type !== OPENMETRICS_TYPE || q <= quality) continue;
    const asked = values.get("version") ?? VERSIONS[0];
    const known = VERSIONS.find((one) => one === asked);
    if (known === undefined) continue;
    version = known;
    quality = q;
  }
  return quality >= textQuality ? version : null;
}

function parameterOf(written: string): [name: string, value: string] {
  const equals = written.indexOf("=");
  if (equals < 0) return [written, ""];
  return [written.slice(0, equals).trim(), written.slice(equals + 1).trim().replaceAll('"', "")];
}

/** RFC 9110, 12.4.2: from 0 to 1, three digits; what is no such number asks for nothing. */
function qualityOf(written: string | undefined): number {
  if (written === undefined) return 1;
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(written) ? Number(written) : 0;
}
