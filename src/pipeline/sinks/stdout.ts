import type { Event } from "../../api/event.ts";
import type { Timer } from "../../base/world.ts";
import { object } from "../../schema/field.ts";
import type { Sink, SinkContext, SinkDefinition } from "../component.ts";
import { eventJson } from "../event_json.ts";
import { TextBuffer } from "../text_buffer.ts";

const config = object({});

/** One write holds at most so much. */
const MAX_EVENTS = 4096;
const MAX_BYTES = 512 * 1024;
const RETRY_MS = 1000;

export const stdout: SinkDefinition<object> = {
  name: "stdout",
  summary: "Writes each event as one line of JSON to standard output.",
  status: "beta",
  security:
    "A slow reader holds the pipeline back; nothing is buffered beyond the sink's bound. Newlines" +
    " in fields are escaped by JSON, so one event is always one line.",
  config,
  examples: [
    {
      title: "Lines that no step has parsed",
      config: {},
      lines: ["one", 'say "two"'],
      stdout: '{"message":"one"}\n{"message":"say \\"two\\""}\n',
    },
  ],
  create: (_, context) => new Stdout(context),
};

class Stdout implements Sink {
  #context: SinkContext;
  #lines = new TextBuffer();
  #isWriting = false;
  #isFailing = false;
  #retry: Timer | null = null;
  #closed = false;

  constructor(context: SinkContext) {
    this.#context = context;
  }

  wake(): void {
    if (this.#isWriting || this.#closed) return;
    const events = this.#context.queue.take(MAX_EVENTS, MAX_BYTES);
    if (events.length === 0) return;
    this.#isWriting = true;
    this.#lines.clear();
    for (const event of events) this.#lines.addLine(eventJson(event));
    this.#write(events);
  }

  drain(): void {
    this.wake();
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
  }

  #write(events: Event[]): void {
    this.#context.world.stdio.stdout.writeAll(this.#lines.bytes).then(
      () => {
        if (this.#closed) return;
        this.#isFailing = false;
        this.#isWriting = false;
        this.#context.queue.delivered(events);
        this.wake();
      },
      (error: unknown) => this.#failed(events, error),
    );
  }

  /** Written again as a whole: a part may come twice, none is lost. */
  #failed(events: Event[], error: unknown): void {
    if (this.#closed) return;
    this.#context.count("write_failures");
    if (!this.#isFailing) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#context.report(`standard output takes nothing: ${reason}; tried again every second`);
    }
    this.#isFailing = true;
    this.#retry = this.#context.world.clock.after(RETRY_MS, () => this.#write(events));
  }
}
