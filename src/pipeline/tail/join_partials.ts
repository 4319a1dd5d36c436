import type { Fields } from "../../api/event.ts";
import { containerNames, parseContainerLine } from "../../codec/container_log.ts";
import type { ContainerFormat, ContainerNames } from "../../codec/container_log.ts";
import { isoTime } from "../../codec/time_text.ts";
import type { SourceContext, SourceOutput } from "../component.ts";
import { EventBatch } from "../event_batch.ts";

export interface JoinOptions {
  readonly format: ContainerFormat;
  /** A joined message is handed on when it has so many characters, and goes on as another. */
  readonly maxMessageLength: number;
  /** What is not whole for so long is handed on as it is. */
  readonly partialTimeoutMs: number;
}

/** A batch of lines that were read: acknowledged when all that they became is. */
class Hold {
  #open = 1;

  constructor(readonly done: () => void) {}

  keep(): void {
    this.#open += 1;
  }

  release(): void {
    this.#open -= 1;
    if (this.#open === 0) this.done();
  }
}

/** A message whose end has not come, of one stream of one container. */
interface Held {
  readonly fields: Fields;
  readonly parts: string[];
  length: number;
  readonly holds: Set<Hold>;
  readonly sinceMs: number;
  /** Of its last part: which file, and where in it. */
  file: string;
  path: string;
  at: number;
}

interface Made {
  readonly start: number;
  readonly end: number;
  readonly fields: Fields;
}

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const NO_BYTES = Buffer.alloc(0);
/** Paths whose names are remembered, and logs with a line that was split. */
const MAX_PATHS = 10_000;

/**
 * Between the tail and the pipeline: lines of container runtimes become events, partial ones joined
 * per stream. A part that waits for the rest is not acknowledged: after a kill it is read again.
 */
export class PartialLines implements SourceOutput {
  readonly #context: SourceContext;
  readonly #options: JoinOptions;
  /** By path and stream. */
  readonly #held = new Map<string, Held>();
  /** Where a line that was split at the bound goes on, and what it is a part of; by path. */
  readonly #split = new Map<string, { readonly at: number; readonly line: Line }>();
  readonly #names = new Map<string, ContainerNames>();

  constructor(context: SourceContext, options: JoinOptions) {
    this.#context = context;
    this.#options = options;
  }

  get ready(): boolean {
    return this.#context.output.ready;
  }

  drop(count: number, reason: string): void {
    this.#context.output.drop(count, reason);
  }

  emit(raw: EventBatch): void {
    const hold = new Hold(raw.done);
    // One for each release that is due: a hold may be kept for a part of either stream.
    const holds = [hold];
    const made: Made[] = [];
    const { ranges } = raw;
    for (let i = 0; i < ranges.length; i += 2) {
      const [start, end] = [ranges[i]!, ranges[i + 1]!];
      const fields = this.#take(raw, start, end, hold, holds);
      if (fields !== null) made.push({ start, end, fields });
    }
    if (made.length === 0) return hold.release();
    const { source, stream, path, chunk, offset, receivedMs } = raw;
    const batch = new EventBatch(source, stream, path, chunk, offset, receivedMs, () => {
      for (const one of holds) one.release();
    });
    for (const { start, end } of made) batch.add(start, end);
    for (const [i, event] of batch.events.entries()) event.fields = made[i]!.fields;
    this.#context.output.emit(batch);
  }

  /** Hands on what waited too long. */
  flushOld(): void {
    const { world } = this.#context;
    const bound = world.clock.now() - this.#options.partialTimeoutMs;
    for (const [key, held] of this.#held) {
      if (held.sinceMs > bound || !this.ready) continue;
      this.#held.delete(key);
      this.#context.count("partial_timeouts");
      const { name } = this.#context;
      const done = (): void => {
        for (const hold of held.holds) hold.release();
      };
      const wallMs = world.clock.wallMs();
      const batch = new EventBatch(name, held.file, held.path, NO_BYTES, held.at, wallMs, done);
      batch.addFields(finished(held), held.length);
      this.#context.output.emit(batch);
    }
  }

  /** The event that a line, or a piece of one, completes; null where more has to come. */
  #take(
    raw: EventBatch,
    start: number,
    end: number,
    hold: Hold,
    holds: Hold[],
  ): Fields | null {
    const { chunk, path } = raw;
    const behind = chunk[end];
    const isSplit = end === chunk.length || (behind !== NEWLINE && behind !== CARRIAGE_RETURN);
    const line = this.#line(raw, start, end);
    if (isSplit) {
      if (this.#split.size >= MAX_PATHS) this.#split.clear();
      this.#split.set(path, { at: raw.offset + end, line });
    } else this.#split.delete(path);
    if (line.problem !== null) {
      this.#context.count(`unparsed_${line.problem}`);
      const fields = { message: line.message, parse_error: line.problem };
      return { ...fields, ...this.#namesOf(path) };
    }
    const key = `${path}\0${line.stream}`;
    let held = this.#held.get(key);
    if (held === undefined) {
      if (!line.isPartial && !isSplit) return this.#fields(line, path);
      held = this.#hold(key, line, path);
    }
    held.parts.push(line.message);
    held.length += line.message.length;
    held.file = raw.stream;
    held.path = path;
    held.at = raw.offset + start;
    const isLong = held.length >= this.#options.maxMessageLength;
    if ((line.isPartial || isSplit) && !isLong) {
      if (!held.holds.has(hold)) hold.keep();
      held.holds.add(hold);
      return null;
    }
    if (isLong) this.#context.count("long_messages");
    this.#held.delete(key);
    for (const one of held.holds) {
      // This batch's own is released with it once; what was kept for the part goes now.
      if (one === hold) hold.release();
      else holds.push(one);
    }
    return finished(held);
  }

  #hold(key: string, line: Line, path: string): Held {
    const held: Held = {
      fields: this.#fields(line, path),
      parts: [],
      length: 0,
      holds: new Set(),
      sinceMs: this.#context.world.clock.now(),
      file: "",
      path,
      at: 0,
    };
    this.#held.set(key, held);
    return held;
  }

  /** A piece of a line that was split at the bound is a part of what the line's beginning said. */
  #line(raw: EventBatch, start: number, end: number): Line {
    const text = raw.chunk.toString("utf8", start, end);
    const split = this.#split.get(raw.path);
    if (split !== undefined && split.at === raw.offset + start && split.line.problem === null) {
      return { ...split.line, message: text };
    }
    const parsed = parseContainerLine(text, this.#options.format);
    if (typeof parsed !== "string") return { ...parsed, problem: null };
    return { stream: "stdout", time: "", isPartial: false, message: text, problem: parsed };
  }

  #fields(line: Line, path: string): Fields {
    const { time, stream, message } = line;
    return { time: isoTime(time) ?? time, stream, message, ...this.#namesOf(path) };
  }

  #namesOf(path: string): ContainerNames {
    let names = this.#names.get(path);
    if (names === undefined) {
      if (this.#names.size >= MAX_PATHS) this.#names.clear();
      this.#names.set(path, (names = containerNames(path)));
    }
    return names;
  }
}

interface Line {
  readonly stream: "stdout" | "stderr";
  readonly time: string;
  readonly isPartial: boolean;
  readonly message: string;
  readonly problem: string | null;
}

function finished(held: Held): Fields {
  held.fields["message"] = held.parts.join("");
  return held.fields;
}
