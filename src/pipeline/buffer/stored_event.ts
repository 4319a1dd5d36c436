import { Event } from "../../api/event.ts";
import type { EventOrigin } from "../../api/event.ts";
import { EventBatch } from "../event_batch.ts";

/** Where a frame lies: set once it is written. */
export interface FramePlace {
  readonly segment: number;
  /** Behind its last byte in the segment's file. */
  readonly end: number;
}

/** The copy of an event that a buffer on disk hands to its sink. Its id is the event's own. */
export class StoredEvent extends Event {
  constructor(
    readonly frame: Frame,
    start: number,
    end: number,
    slot: number,
    /** Behind the id of its place: of events that were made of one. */
    readonly suffix: string,
    /** As it was written down, where it has fields. */
    readonly json: string | null,
  ) {
    super(frame, start, end);
    this.slot = slot;
  }

  override get id(): string {
    return super.id + this.suffix;
  }
}

/** Events that were written at once, until all of them are settled. */
export class Frame extends EventBatch {
  place: FramePlace | null = null;
  /** Events that the sink has not settled. */
  left = 0;
  /** Of events for which there is no object yet. */
  slots: readonly number[] | null = null;

  constructor(origin: EventOrigin, chunk: Buffer, offset: number) {
    super(origin.source, origin.stream, origin.path, chunk, offset, origin.receivedMs, () => {});
  }

  #made = 0;

  protected override newEvent(start: number, end: number): Event {
    const slot = this.slots === null ? -1 : (this.slots[this.#made] ?? -1);
    this.#made += 1;
    return new StoredEvent(this, start, end, slot, "", null);
  }
}
