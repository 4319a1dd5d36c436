import { choice, object, size } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Source, SourceContext, SourceDefinition } from "../component.ts";
import { EventBatch, addLines, pieceEnd } from "../event_batch.ts";

const config = object({
  maxLineBytes: size({ min: "64B", max: "1MiB" })
    .about("Bound of one line; an unfinished line is held in memory up to it.")
    .default("64KiB"),
  longLines: choice(["split", "cut"])
    .about("A line above the bound goes on as several events, or its rest is passed over.")
    .default("split"),
});

type Config = Infer<typeof config>;

const NEWLINE = 10;

export const stdin: SourceDefinition<Config> = {
  name: "stdin",
  summary: "Reads lines from standard input, to its end.",
  status: "beta",
  security:
    "Holds at most one chunk and one unfinished line; the writer waits while sinks push back.",
  config,
  examples: [
    {
      title: "The last line counts without a newline too",
      config: {},
      stdin: "one\ntwo\n\nthree",
      messages: ["one", "two", "three"],
    },
  ],
  create: (settings, context) => new Stdin(settings, context),
};

class Stdin implements Source {
  #config: Config;
  #context: SourceContext;
  #held: Buffer = Buffer.alloc(0);
  #offset = 0;
  #stream: string;
  #skipping = false;
  #stopped = false;
  #resume: (() => void) | null = null;

  constructor(settings: Config, context: SourceContext) {
    this.#config = settings;
    this.#context = context;
    // Input cannot be read twice: each run is a stream of its own.
    this.#stream = `${context.instance}.stdin.${context.world.clock.wallMs().toString(36)}`;
  }

  start(): void {
    this.#context.world.stdio.stdin.read(
      (bytes) => this.#take(bytes),
      () => this.#end(),
    );
  }

  resume(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  stop(): void {
    this.#stopped = true;
  }

  close(): void {
    this.#stopped = true;
  }

  #take(bytes: Uint8Array): void | Promise<void> {
    // Held back for ever: the bytes stay with their writer, and the program is about to end.
    if (this.#stopped) return new Promise(() => {});
    const joined = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const chunk = Buffer.from(joined.buffer, joined.byteOffset, joined.byteLength);
    this.#lines(chunk);
    if (this.#context.output.ready) return;
    return new Promise((resolve) => (this.#resume = resolve));
  }

  #lines(chunk: Buffer): void {
    let from = 0;
    if (this.#skipping) {
      const newline = chunk.indexOf(NEWLINE);
      if (newline < 0) return this.#keep(chunk, chunk.length);
      this.#skipping = false;
      from = newline + 1;
    }
    const batch = this.#batch(chunk);
    const counts = { empty: 0, long: 0 };
    const last = chunk.lastIndexOf(NEWLINE);
    if (last >= from) {
      addLines(batch, from, last + 1, this.#config, counts);
      from = last + 1;
    }
    const { maxLineBytes, longLines } = this.#config;
    while (chunk.length - from > maxLineBytes) {
      const end = pieceEnd(chunk, from, chunk.length, maxLineBytes);
      batch.add(from, end);
      counts.long += 1;
      from = end;
      if (longLines === "split") continue;
      this.#skipping = true;
      from = chunk.length;
    }
    this.#keep(chunk, from);
    if (counts.empty > 0) this.#context.count("empty_lines", counts.empty);
    if (counts.long > 0) this.#context.count("long_lines", counts.long);
    if (batch.count > 0) this.#context.output.emit(batch);
  }

  #keep(chunk: Buffer, from: number): void {
    this.#held = Buffer.from(chunk.subarray(from));
    this.#offset += from;
  }

  #batch(chunk: Buffer): EventBatch {
    const { name, world } = this.#context;
    const at = world.clock.wallMs();
    return new EventBatch(name, this.#stream, "", chunk, this.#offset, at, () => {});
  }

  #end(): void {
    const rest = this.#held;
    if (this.#stopped) return;
    if (rest.length === 0) return this.#context.ended();
    const batch = this.#batch(rest);
    batch.add(0, rest.length);
    this.#held = Buffer.alloc(0);
    this.#context.output.emit(batch);
    this.#context.ended();
  }
}
