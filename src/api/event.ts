/**
 * An event of a pipeline: a range of the bytes that its source read, or fields that a source or a
 * step made. Bytes are decoded when a step or a sink asks for the fields, and never before: an
 * event that nobody reads costs two numbers.
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
  /** Empty where the events were made of fields. */
  readonly chunk: Buffer;
  /** Position of the chunk's first byte in the stream, in bytes. */
  readonly offset: number;
  /** Wall-clock time at which the bytes were read, in milliseconds since 1970. */
  readonly receivedMs: number;
}

/** What a `classify` step says of an event; one object for all events of a class. */
export interface EventClass {
  readonly name: string;
  /** 0 is the most important class. */
  readonly rank: number;
  /**
   * From which fill of a sink's buffer (0.5 to 1) events of this class are shed there, so that the
   * room that is left is for those above; 1 for never, which is what a step without `shed` sets.
   */
  readonly shedFrom: number;
  /** The same where the buffer's `whenFull` is `dropLowest`, whether the step says `shed` or not. */
  readonly dropFrom: number;
}

/** The fill from which a class gives way: the lowest at half full, the highest only at the end. */
export function shedFill(rank: number, classes: number): number {
  return classes <= 1 ? 1 : 1 - 0.5 * (rank / (classes - 1));
}

/** What became of an event: one of these two words, or the reason for which it was dropped. */
export const DELIVERED = "delivered";
export const DEAD_LETTERED = "dead-lettered";

export class Event {
  /** What a step has decoded, or null: then the bytes are the event. Steps change it in place. */
  fields: Fields | null = null;
  /** Null where no step has classified it: then it is shed last. */
  class: EventClass | null = null;
  /**
   * Owners that have not settled it: sinks, a step that holds it, events that were made of it; -1
   * when it has found its end. Owned by the runner.
   */
  pending = 0;
  /** The worst that was made of it so far. Owned by the runner. */
  outcome: string = DELIVERED;
  /**
   * Where its books are: 0 for here (`pending`, `outcome`); where buffers on disk have a part in
   * it, -1 for the one stored copy, or the number of what its copies share. Owned by the runner.
   */
  slot = 0;

  constructor(
    readonly origin: EventOrigin,
    /** First byte in `origin.chunk`; of an event made of fields, its place in the stream. */
    readonly start: number,
    /** Behind the last byte, without the newline. */
    readonly end: number,
  ) {}

  /** What it counts against bounds. */
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

/**
 * An event that a step made of others: it stands where its first parent stood, and a parent is
 * acknowledged when all that was made of it has found its end. Steps make it by their context.
 */
export class DerivedEvent extends Event {
  constructor(
    readonly parents: readonly Event[],
    /** Among those that were made of the first parent. */
    readonly nth: number,
    fields: Fields,
    readonly ownBytes: number,
  ) {
    const first = parents[0]!;
    super(first.origin, first.start, first.end);
    this.fields = fields;
    this.class = first.class;
  }

  override get sizeBytes(): number {
    return this.ownBytes;
  }

  override get id(): string {
    const { id } = this.parents[0]!;
    return this.nth === 0 ? id : `${id}.${this.nth}`;
  }
}
