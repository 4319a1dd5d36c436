import type { Event } from "../../api/event.ts";
import type { Timer } from "../../base/world.ts";
import { PrometheusText } from "../../codec/prometheus_text.ts";
import { choice, duration, integer, list, map, number, object, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Sink, SinkContext, SinkDefinition } from "../component.ts";
import { condition, expression } from "../expression.ts";

const metric = object({
  kind: choice(["counter", "gauge", "histogram"]),
  help: text({ maxLength: 500 }).optional(),
  when: condition().about("Only events for which it is true; all without it.").optional(),
  of: expression("event.seconds")
    .about("The number that is added, set or observed. A counter counts events without it.")
    .optional(),
  labels: map(expression("event.method"), {
    keyName: "LABEL",
    key: /^(?!__|le$|pipeline$|sink$)[A-Za-z_][A-Za-z0-9_]*$/,
    keyExpected: "a label's name other than le, pipeline and sink",
    max: 10,
  })
    .about("Each one an expression; what an event does not have is an empty label.")
    .example({ method: "event.method", status: "event.status" })
    .default({}),
  buckets: list(number(), { min: 1, max: 100, unique: true })
    .about("Upper bounds of a histogram, rising; the one without an end is added.")
    .example([0.005, 0.05, 0.5, 5])
    .optional(),
}).check((value, report) => {
  const { kind, of, buckets } = value;
  if (kind !== "counter" && of === undefined) {
    report("of", `a ${kind} needs of: an expression that gives a number`);
  }
  if (kind === "histogram" && buckets === undefined) report("buckets", "a histogram needs buckets");
  if (kind !== "histogram" && buckets !== undefined) report("buckets", "only a histogram has them");
  if (buckets?.some((bound, i) => i > 0 && bound <= buckets[i - 1]!)) {
    report("buckets", "buckets have to rise");
  }
});

const config = object({
  metrics: map(metric, {
    keyName: "METRIC",
    key: /^(?!outrigger_)[a-zA-Z_:][a-zA-Z0-9_:]*$/,
    keyExpected: "a metric's name that does not begin with outrigger_",
    max: 100,
  })
    .about(
      "By their names. They stand in the process's `/metrics`, beside the pipeline's own: a sidecar's" +
        " is scraped already, `outrigger pipeline` has one with `--metrics`. Every series also has" +
        " the labels `pipeline` and `sink`.",
    )
    .example({ orders_total: { kind: "counter", labels: { level: "event.level" } } }),
  maxSeries: integer({ min: 1, max: 100_000 })
    .about(
      "Of each metric. Events that would make another one count in a series whose labels are all" +
        " `(other)`.",
    )
    .default(1000),
  forgetAfter: duration({ min: "1s", max: "366d" })
    .about("A series that no event has touched for so long is dropped. Kept for ever without it.")
    .optional(),
});

type Config = Infer<typeof config>;
type Metric = Config["metrics"][string];

const OTHER = "(other)";
const MAX_LABEL = 200;
const FORGET_LOOKS = 10;

export const prometheus: SinkDefinition<Config> = {
  name: "prometheus",
  summary: "Makes Prometheus metrics of events: counters, gauges and histograms with labels.",
  status: "beta",
  security:
    "Series are bounded by `maxSeries`, label values by 200 characters, whatever events hold. Values" +
    " of labels are shown to whoever may scrape: use no field that is secret. Metrics live in" +
    " memory: after a restart they begin at 0, as Prometheus expects of counters.",
  config,
  examples: [
    {
      title: "How many lines of each kind, and how long they are",
      config: {
        metrics: {
          lines_total: { kind: "counter", labels: { line: "event.message" } },
          line_length: { kind: "histogram", of: "length(event.message)", buckets: [1, 10] },
        },
      },
      lines: ["a", "bb", "a"],
      metrics:
        "# HELP lines_total Events of the sink out.\n" +
        "# TYPE lines_total counter\n" +
        'lines_total{pipeline="example",sink="out",line="a"} 2\n' +
        'lines_total{pipeline="example",sink="out",line="bb"} 1\n' +
        "# HELP line_length Events of the sink out.\n" +
        "# TYPE line_length histogram\n" +
        'line_length_bucket{pipeline="example",sink="out",le="1"} 2\n' +
        'line_length_bucket{pipeline="example",sink="out",le="10"} 3\n' +
        'line_length_bucket{pipeline="example",sink="out",le="+Inf"} 3\n' +
        'line_length_sum{pipeline="example",sink="out"} 4\n' +
        'line_length_count{pipeline="example",sink="out"} 3\n',
    },
  ],
  create: (settings, context) => new PrometheusSink(settings, context),
};

/** Events are delivered when they are counted. */
class PrometheusSink implements Sink {
  #context: SinkContext;
  #families: readonly Family[];
  #forgetting: Timer | null = null;

  constructor(settings: Config, context: SinkContext) {
    this.#context = context;
    const { maxSeries, forgetAfter } = settings;
    this.#families = Object.entries(settings.metrics).map(
      ([name, metric]) => new Family(name, metric, maxSeries, context),
    );
    if (forgetAfter === undefined) return;
    const { clock } = context.world;
    this.#forgetting = clock.every(Math.max(1000, forgetAfter / FORGET_LOOKS), () => {
      for (const family of this.#families) family.forget(clock.now() - forgetAfter);
    });
  }

  wake(): void {
    const { queue, world } = this.#context;
    const now = world.clock.now();
    for (;;) {
      const events = queue.take(MAX_EVENTS, Infinity);
      if (events.length === 0) return;
      for (const family of this.#families) for (const event of events) family.add(event, now);
      queue.delivered(events);
    }
  }

  drain(): void {
    this.wake();
  }

  close(): void {
    this.#forgetting?.cancel();
  }

  metrics(): string {
    const written = new PrometheusText();
    for (const family of this.#families) family.write(written);
    return written.toString();
  }
}

const MAX_EVENTS = 4096;

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  value: number;
  /** Each bucket alone; empty but for a histogram. */
  readonly buckets: number[];
  touchedMs: number;
}

class Family {
  #name: string;
  #metric: Metric;
  #maxSeries: number;
  #context: SinkContext;
  #labels: readonly (readonly [string, (event: Event) => unknown])[];
  #series = new Map<string, Series>();

  constructor(name: string, metric: Metric, maxSeries: number, context: SinkContext) {
    this.#name = name;
    this.#metric = metric;
    this.#maxSeries = maxSeries;
    this.#context = context;
    this.#labels = Object.entries(metric.labels);
  }

  add(event: Event, nowMs: number): void {
    const { kind, when, of } = this.#metric;
    if (when !== undefined && !when(event)) return;
    const value = of === undefined ? 1 : of(event);
    if (typeof value !== "number" || !Number.isFinite(value) || (kind === "counter" && value < 0)) {
      // An event that has no such number is nobody's failure; a counter never falls.
      return this.#context.count("passed_over");
    }
    const series = this.#seriesOf(event);
    series.touchedMs = nowMs;
    if (kind === "gauge") series.value = value;
    else series.value += value;
    if (kind === "histogram") series.buckets[bucketOf(this.#metric.buckets!, value)]! += 1;
  }

  forget(beforeMs: number): void {
    for (const [key, { touchedMs }] of this.#series) {
      if (touchedMs < beforeMs) this.#series.delete(key);
    }
  }

  write(written: PrometheusText): void {
    const { kind, help, buckets } = this.#metric;
    const name = this.#name;
    written.family(name, kind, help ?? `Events of the sink ${this.#context.name}.`);
    for (const { labels, value, buckets: counts } of this.#series.values()) {
      if (kind === "histogram") written.histogram(name, labels, buckets!, counts, value);
      else written.sample(name, labels, value);
    }
  }

  #seriesOf(event: Event): Series {
    const values = this.#labels.map(([, of]) => labelText(of(event)));
    const key = values.join("\u0000");
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size < this.#maxSeries) return this.#newSeries(key, values);
    this.#context.count("overflowed");
    const other = values.map(() => OTHER);
    const rest = other.join("\u0000");
    return this.#series.get(rest) ?? this.#newSeries(rest, other);
  }

  #newSeries(key: string, values: readonly string[]): Series {
    const { pipeline, name: sink } = this.#context;
    const own = Object.fromEntries(this.#labels.map(([name], i) => [name, values[i]!]));
    const labels = { pipeline, sink, ...own };
    const buckets = Array.from({ length: (this.#metric.buckets?.length ?? -1) + 1 }, () => 0);
    const series: Series = { labels, value: 0, buckets, touchedMs: 0 };
    this.#series.set(key, series);
    return series;
  }
}

/** The first bound that is not below; behind the last one where there is none. */
function bucketOf(bounds: readonly number[], value: number): number {
  let low = 0;
  for (let high = bounds.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (bounds[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function labelText(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length <= MAX_LABEL ? text : text.slice(0, MAX_LABEL);
}
