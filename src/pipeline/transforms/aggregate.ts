import type { Event, Fields } from "../../api/event.ts";
import type { Timer } from "../../base/world.ts";
import { choice, duration, integer, list, map, number, object, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import { expression } from "../expression.ts";
import type { FieldPath } from "../expression/path.ts";
import { setAt, valueAt } from "../expression/path.ts";
import { fieldPath, keyText } from "./fields.ts";

const metric = object({
  kind: choice(["count", "sum", "min", "max", "mean", "histogram"]),
  of: expression("event.ms")
    .about("The number that counts; an event without one is passed over. `count` needs none.")
    .optional(),
  buckets: list(number(), { min: 1, max: 100, unique: true })
    .about("Upper bounds of a histogram, rising; the one without an end is added.")
    .example([10, 100, 1000])
    .optional(),
}).check((value, report) => {
  if (value.kind !== "count" && value.of === undefined) {
    report("of", `${value.kind} needs of: an expression that gives a number`);
  }
  const { buckets } = value;
  if (value.kind === "histogram" && buckets === undefined) {
    report("buckets", "histogram needs buckets");
  }
  if (buckets !== undefined && buckets.some((bound, i) => i > 0 && bound <= buckets[i - 1]!)) {
    report("buckets", "buckets have to rise");
  }
});

const config = object({
  by: list(fieldPath(), { max: 20 })
    .about("Fields whose values make a group; one group of all events if not given.")
    .example(["method", "status"])
    .default([]),
  window: duration({ min: "10ms", max: "1h" })
    .about("A group's events of so long become one event. The first one begins it.")
    .default("10s"),
  metrics: map(metric, {
    keyName: "METRIC",
    key: /^[A-Za-z_][\w]*$/,
    keyExpected: "a name",
    max: 50,
  })
    .about("The fields of the event that comes out. `histogram`: cumulative counts, sum and count.")
    .example({ requests: { kind: "count" }, ms_max: { kind: "max", of: "event.ms" } }),
  maxGroups: integer({ min: 1, max: 100_000 })
    .about("Events of further groups go into one that has `overflow: true` in place of the fields.")
    .default(1000),
  name: text({ maxLength: 200 })
    .about("Written into the field `name` of what comes out.")
    .optional(),
});

type Config = Infer<typeof config>;

export const aggregate: TransformDefinition<Config> = {
  name: "aggregate",
  summary: "Makes metrics of events: one event for each group and window in place of all.",
  status: "beta",
  security:
    "Keeps maxGroups groups in memory. Events are acknowledged when they are counted, but for the" +
    " first of each group: a kill loses the counts of the open windows.",
  config,
  examples: [
    {
      title: "How many lines of each kind, and how long they are",
      config: {
        by: ["message"],
        metrics: {
          lines: { kind: "count" },
          length: { kind: "sum", of: "length(event.message)" },
        },
        window: "1s",
      },
      lines: ["a", "bb", "a"],
      events: [
        { time: "2026-01-01T00:00:01.000Z", window_ms: 1000, message: "a", lines: 2, length: 2 },
        { time: "2026-01-01T00:00:01.000Z", window_ms: 1000, message: "bb", lines: 1, length: 2 },
      ],
    },
  ],
  create: (settings, context) => new Aggregate(settings, context),
};

type Metric = Config["metrics"][string];

interface Group {
  /** The window's first event: the others are counted and gone. */
  readonly first: Event;
  readonly values: readonly unknown[] | null;
  readonly sums: readonly Sum[];
}

/** What is known of one metric. */
class Sum {
  count = 0;
  sum = 0;
  min = Infinity;
  max = -Infinity;
  readonly buckets: number[];

  constructor(readonly metric: Metric) {
    this.buckets = (metric.buckets ?? []).map(() => 0);
  }

  add(event: Event): void {
    const { of, buckets } = this.metric;
    const value = of?.(event);
    if (of !== undefined && typeof value !== "number") return;
    this.count += 1;
    if (typeof value !== "number") return;
    this.sum += value;
    this.min = Math.min(this.min, value);
    this.max = Math.max(this.max, value);
    for (let i = 0; i < this.buckets.length; i++) if (value <= buckets![i]!) this.buckets[i]! += 1;
  }

  /** Null where no event had a value. */
  result(): unknown {
    const { count, sum, min, max } = this;
    switch (this.metric.kind) {
      case "count":
        return count;
      case "sum":
        return sum;
      case "min":
        return count === 0 ? null : min;
      case "max":
        return count === 0 ? null : max;
      case "mean":
        return count === 0 ? null : sum / count;
      case "histogram": {
        const bounds = this.metric.buckets!.map((bound, i) => [String(bound), this.buckets[i]]);
        return { buckets: Object.fromEntries([...bounds, ["+Inf", count]]), sum, count };
      }
    }
  }
}

class Aggregate implements Transform {
  #settings: Config;
  #context: TransformContext;
  #metrics: readonly (readonly [string, Metric])[];
  #groups = new Map<string, Group>();
  #overflow: Group | null = null;
  #timer: Timer | null = null;

  constructor(settings: Config, context: TransformContext) {
    this.#settings = settings;
    this.#context = context;
    this.#metrics = Object.entries(settings.metrics);
  }

  apply(events: Event[]): Event[] {
    for (const event of events) this.#add(event);
    if (this.#timer === null && (this.#groups.size > 0 || this.#overflow !== null)) {
      this.#timer = this.#context.world.clock.after(this.#settings.window, () => {
        this.#timer = null;
        this.#context.emit(this.flush());
      });
    }
    return [];
  }

  flush(): Event[] {
    const groups = [...this.#groups.values()];
    if (this.#overflow !== null) groups.push(this.#overflow);
    this.#groups.clear();
    this.#overflow = null;
    return groups.map((group) => this.#result(group));
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #add(event: Event): void {
    const group = this.#groupOf(event);
    for (const sum of group.sums) sum.add(event);
    if (group.first === event) this.#context.hold(event);
    else this.#context.absorb(event);
  }

  #groupOf(event: Event): Group {
    const { by, maxGroups } = this.#settings;
    const values = by.map((path) => placeOf(event, path));
    const key = values.map(keyText).join("\u0000");
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const sums = (): Sum[] => this.#metrics.map(([, metric]) => new Sum(metric));
    if (this.#groups.size >= maxGroups) {
      this.#context.count("overflowed");
      return (this.#overflow ??= { first: event, values: null, sums: sums() });
    }
    const group = { first: event, values, sums: sums() };
    this.#groups.set(key, group);
    return group;
  }

  #result({ first, values, sums }: Group): Event {
    const { by, window, name } = this.#settings;
    const time = new Date(this.#context.world.clock.wallMs()).toISOString();
    const fields: Fields = { time, window_ms: window };
    if (name !== undefined) fields["name"] = name;
    if (values === null) fields["overflow"] = true;
    else
      for (const [i, path] of by.entries())
        if (values[i] !== undefined) setAt(fields, path, values[i]);
    for (const [i, [metricName]] of this.#metrics.entries()) fields[metricName] = sums[i]!.result();
    return this.#context.derive([first], fields);
  }
}

/** Of an event that nothing has parsed, only the message is there; it stays undecoded. */
function placeOf(event: Event, path: FieldPath): unknown {
  if (event.fields !== null) return valueAt(event.fields, path);
  return path.length === 1 && path[0] === "message" ? event.text() : undefined;
}
