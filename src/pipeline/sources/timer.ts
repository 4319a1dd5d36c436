import type { Timer } from "../../base/world.ts";
import { boolean, duration, integer, map, number, object, oneOf, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Source, SourceContext, SourceDefinition } from "../component.ts";
import { EventBatch } from "../event_batch.ts";

const config = object({
  interval: duration({ min: "10ms", max: "7d" })
    .about("The first event comes after one interval.")
    .example("10s"),
  fields: map(oneOf(text({ minLength: 0 }), number(), boolean()))
    .about("Of every event; `time` is the moment unless it is given here.")
    .default({})
    .example({ message: "still here", service: "heartbeat" }),
  count: integer({ min: 1, max: 1_000_000_000 })
    .about("As many events, then no more. Without end if not given.")
    .optional(),
});

type Config = Infer<typeof config>;

export const timer: SourceDefinition<Config> = {
  name: "timer",
  summary: "Makes an event at each interval: a heartbeat, or input for trying a pipeline.",
  status: "beta",
  security: "Opens and reads nothing. While sinks push back, events are left out and counted.",
  config,
  examples: [
    {
      title: "A heartbeat, twice",
      config: {
        interval: "500ms",
        count: 2,
        fields: { time: "now", message: "still here", weight: 1 },
      },
      events: [
        { time: "now", message: "still here", weight: 1 },
        { time: "now", message: "still here", weight: 1 },
      ],
    },
  ],
  create: (settings, context) => new TimerSource(settings, context),
};

const NO_BYTES = Buffer.alloc(0);

class TimerSource implements Source {
  readonly #config: Config;
  readonly #context: SourceContext;
  readonly #stream: string;
  readonly #sizeBytes: number;
  #timer: Timer | null = null;
  #made = 0;

  constructor(settings: Config, context: SourceContext) {
    this.#config = settings;
    this.#context = context;
    const { instance, name, world } = context;
    this.#stream = `${instance}.${name}.${world.clock.wallMs().toString(36)}`;
    this.#sizeBytes = JSON.stringify(settings.fields).length;
  }

  start(): void {
    this.#timer = this.#context.world.clock.every(this.#config.interval, () => this.#tick());
  }

  /** What was left out is not made up for. */
  resume(): void {}

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  close(): void {
    this.stop();
  }

  #tick(): void {
    const { world, name, output, count } = this.#context;
    if (!output.ready) return count("skipped");
    const wallMs = world.clock.wallMs();
    const offset = this.#made * this.#sizeBytes;
    const batch = new EventBatch(name, this.#stream, "", NO_BYTES, offset, wallMs, () => {});
    // Steps change an event in place, so each has its own.
    const time = new Date(wallMs).toISOString();
    batch.addFields({ time, ...this.#config.fields }, this.#sizeBytes);
    this.#made += 1;
    if (this.#made === this.#config.count) this.stop();
    output.emit(batch);
  }
}
