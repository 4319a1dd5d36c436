/**
 * An event of a pipeline: a range of the bytes that its source read. It is decoded when a step or a
 * sink asks for its fields, and never before: an event that nobody reads costs two numbers.
 */

export type Fields = Record<string, unknown>;

/** Where events come from; shared by all that were read at once. */
export interface EventOrigin {
  /** The source's name in its pipeline. */
  readonly source: string;
  /** Which stream of the source, for ever: a file's identity, a connection. Part of event ids. */
  readonly stream: string;
  /** For people: the file's path, the peer's address. Empty where there is nothing to say. */
  readonly path: string;
  readonly chunk: Buffer;
  /** Position of the chunk's first byte in the stream, in bytes. */
  readonly offset: number;
  /** Wall-clock time at which the bytes were read, in milliseconds since 1970. */
  readonly receivedMs: number;
}

export class Event {
  /** What a step has decoded, or null: then the bytes are the event. Steps change it in place. */
  fields: Fields | null = null;
  /** Sinks that have not settled it; -1 when it has found its end. Owned by the runner. */
  pending = 0;
  /** The worst that a sink made of it so far. Owned by the runner. */
  outcome: "delivered" | "dropped" | "dead-lettered" = "delivered";

  constructor(
    readonly origin: EventOrigin,
    /** First byte in `origin.chunk`. */
    readonly start: number,
    /** Behind the last byte, without the newline. */
    readonly end: number,
  ) {}

  get sizeBytes(): number {
    return this.end - this.start;
  }

  /** The bytes as UTF-8 text; what is no UTF-8 becomes U+FFFD. */
  text(): string {
    return this.origin.chunk.toString("utf8", this.start, this.end);
  }

  /** The fields; bytes that no step has parsed are `{ message }`. */
  decode(): Fields {
    return (this.fields ??= { message: this.text() });
  }

  /** The same for the same bytes of the same stream: a resend does not make a second document. */
  get id(): string {
    return `${this.origin.stream}-${(this.origin.offset + this.start).toString(36)}`;
  }
}
