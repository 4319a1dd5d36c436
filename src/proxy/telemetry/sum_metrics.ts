import { newerExemplar, splitExemplar } from "../../codec/openmetrics.ts";
import { prometheusNumber } from "../../codec/prometheus_text.ts";

interface Family {
  readonly comments: string[];
  readonly type: string;
  /** By name and labels as they are written. */
  readonly samples: Map<string, number>;
  /** As they are written, of the samples that have one. */
  readonly exemplars: Map<string, string>;
}

/** Gauges that are the same thing seen by several, as all times are; the others are parts of a sum. */
const SEEN_BY_ALL: ReadonlyMap<string, (a: number, b: number) => number> = new Map([
  ["outrigger_build_info", Math.max],
  ["outrigger_breaker_state", Math.max],
  ["outrigger_overload_active", Math.max],
  ["outrigger_redis_ready", Math.min],
  ["outrigger_tls_certificate_not_after_seconds", Math.min],
]);

const ENDPOINTS = "outrigger_upstream_endpoints";

/**
 * The metrics of a group's workers, as `metricsText` writes them, as one text: counters and
 * histograms add up, and gauges by their meaning.
 */
export function sumMetrics(texts: readonly string[]): string {
  const families = new Map<string, Family>();
  for (const text of texts) addText(families, text);
  let sum = "";
  for (const { comments, samples, exemplars } of families.values()) {
    sum += `${comments.join("\n")}\n`;
    for (const [key, value] of samples) {
      sum += `${key} ${prometheusNumber(value)}${exemplars.get(key) ?? ""}\n`;
    }
  }
  return sum;
}

/**
 * What stays of a dead worker's metrics: what can only grow, of what the others still show.
 * `alive` has all families and labels that count.
 */
export function remainingMetrics(dead: string, alive: string): string {
  const families = new Map<string, Family>();
  addText(families, dead);
  const known = new Set(alive.split("\n").map((line) => subjectOf(line)));
  let text = "";
  for (const { comments, type, samples } of families.values()) {
    if (type === "gauge") continue;
    const kept = [...samples].filter(([key]) => known.has(subjectOf(key)));
    if (kept.length === 0) continue;
    text += `${comments.join("\n")}\n`;
    for (const [key, value] of kept) text += `${key} ${prometheusNumber(value)}\n`;
  }
  return text;
}

/** What a sample is about: its listener, route and cluster. */
function subjectOf(line: string): string {
  return (line.match(/(?:listener|route|cluster|redis|filter)="(?:[^"\\]|\\.)*"/g) ?? []).join();
}

function addText(families: Map<string, Family>, text: string): void {
  let help = "";
  let family: Family | null = null;
  let name = "";
  for (const whole of text.split("\n")) {
    const [line, exemplar] = splitExemplar(whole);
    if (line.startsWith("# HELP ")) help = line;
    else if (line.startsWith("# TYPE ")) {
      const [, , ofWhat = "", type = ""] = line.split(" ");
      name = ofWhat;
      family = families.get(name) ?? newFamily([help, line], type);
      families.set(name, family);
    } else if (line !== "" && family !== null) {
      const end = line.lastIndexOf(" ");
      const key = line.slice(0, end);
      addSample(family, name, key, Number(line.slice(end + 1)));
      if (exemplar === "") continue;
      family.exemplars.set(key, newerExemplar(family.exemplars.get(key) ?? "", exemplar));
    }
  }
}

function newFamily(comments: string[], type: string): Family {
  return { comments, type, samples: new Map(), exemplars: new Map() };
}

function addSample({ type, samples }: Family, name: string, key: string, value: number): void {
  const before = samples.get(key);
  if (before === undefined) samples.set(key, value);
  else samples.set(key, type === "gauge" ? ofGauge(name, key)(before, value) : before + value);
}

function ofGauge(name: string, key: string): (a: number, b: number) => number {
  // An endpoint counts as healthy where all workers find it so.
  if (name === ENDPOINTS) return key.includes('state="healthy"') ? Math.min : Math.max;
  if (name.endsWith("_seconds")) return Math.max;
  return SEEN_BY_ALL.get(name) ?? ((a, b) => a + b);
}
