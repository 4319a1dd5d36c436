import type { Event } from "../../api/event.ts";
import type { Timer, World } from "../../base/world.ts";
import type { EventBatch } from "../event_batch.ts";
import { SinkQueue } from "../sink_queue.ts";
import type { DiskBufferOptions, DiskBufferOwner } from "./disk_buffer.ts";
import { DiskBuffer } from "./disk_buffer.ts";
import type { Recovery } from "./segments.ts";
import { Frame, StoredEvent } from "./stored_event.ts";

export interface OverflowOwner extends DiskBufferOwner {
  /** They get a copy on disk, and their books with it. */
  openSlots(events: readonly Event[]): void;
  /** So many were written to disk because the sink is behind. */
  overflowed(count: number): void;
}

/**
 * Of the bounds in memory: what waits beyond it goes to disk. At half, a source that has nearly all
 * of what it may have in flight at this one sink (16 MiB, as the queue) is not held back by it.
 */
const OVERFLOW_FILL = 0.5;

/**
 * What waits for one of several sinks: in memory as long as the sink keeps up, where it costs what
 * memory costs. When it does not, all that is not settled goes to disk and is acknowledged, and what
 * comes goes there too, until the sink has caught up: so neither the bound in memory nor what a
 * source may have in flight makes the other sinks wait. At the bound on disk the sources wait.
 */
export class OverflowBuffer {
  /** For the sink. */
  readonly queue: SinkQueue;
  /** It writes nothing as long as the sink keeps up. */
  readonly isEager = false;
  #world: World;
  #folder: string;
  #disk: DiskBuffer;
  #owner: OverflowOwner;
  #report: (text: string) => void;
  /** Events in memory alone, waiting or in the sink's hands. */
  #inMemory = 0;
  /** By the event that the sink has in hand. */
  #copies = new Map<Event, StoredEvent>();
  #relief: Timer | null = null;
  #saidFull = false;

  constructor(
    world: World,
    options: DiskBufferOptions,
    owner: OverflowOwner,
    report: (text: string) => void,
  ) {
    this.#world = world;
    this.#folder = options.folder;
    this.#owner = owner;
    this.#report = report;
    const settle = {
      delivered: (events: readonly Event[]) => this.#delivered(events),
      deliveredBatch: (batch: EventBatch) => this.#deliveredBatch(batch),
      refused: (event: Event, reason: string) => this.#refused(event, reason),
      roomAgain: () => this.#disk.load(),
    };
    this.queue = new SinkQueue(world.clock, options.memory, settle, true);
    this.#disk = new DiskBuffer(world, options, owner, report, this.queue);
  }

  /** As of a `DiskBuffer`; nothing is made where nothing is there. @throws FileError */
  open(): Recovery {
    if (this.#world.files.stat(this.#folder) !== null) return this.#disk.open();
    return { events: new Map(), truncatedTails: 0, damagedFrames: 0, orphans: 0 };
  }

  get unsettled(): number {
    return this.#inMemory + this.#disk.unsettled;
  }

  /** What is on disk, or on its way there. */
  get unsettledBySource(): ReadonlyMap<string, number> {
    return this.#disk.unsettledBySource;
  }

  get diskBytes(): number {
    return this.#disk.diskBytes;
  }

  /** Something is not acknowledged. */
  get isUnwritten(): boolean {
    return this.#inMemory > 0 || this.#disk.isUnwritten;
  }

  get writeFailures(): number {
    return this.#disk.writeFailures;
  }

  get isFull(): boolean {
    const { isFull } = this.#disk;
    if (isFull && !this.#saidFull) {
      this.#report("it is far behind, and its buffer is full: its sources wait, nothing is lost");
    }
    if (isFull) this.#saidFull = true;
    else if (this.#saidFull && this.fill < 0.5) this.#saidFull = false;
    return isFull;
  }

  get fill(): number {
    return this.#disk.fill;
  }

  push(events: readonly Event[]): void {
    if (events.length === 0) return;
    if (this.#keepsUp) {
      this.#inMemory += events.length;
      this.queue.push(events);
      return;
    }
    this.#overflow();
    this.#owner.openSlots(events);
    this.#owner.overflowed(events.length);
    this.#disk.push(events);
  }

  pushBatch(batch: EventBatch): void {
    if (this.#keepsUp) {
      this.#inMemory += batch.count;
      this.queue.pushBatch(batch);
    } else if (batch.hasEvents || batch.pendingEach > 1) this.push(batch.events);
    else {
      this.#overflow();
      this.#owner.overflowed(batch.count);
      this.#disk.pushBatch(batch);
    }
  }

  /** A source waits for what it has in flight: what of it is here shall not be the reason. */
  relieve(): void {
    if (this.#inMemory === 0) return;
    this.#relief ??= this.#world.clock.after(0, () => {
      this.#relief = null;
      this.keepAll();
    });
  }

  /** Everything goes to disk now, and is acknowledged if the disk takes it. */
  keepAll(): void {
    this.#overflow();
    this.#disk.flush();
  }

  ended(event: Event): void {
    if (event instanceof StoredEvent) this.#disk.ended(event);
  }

  load(): void {
    this.#disk.load();
  }

  /** For a change of the file: what is on disk can wait there. */
  flush(): void {
    this.#disk.flush();
  }

  /** What is in memory alone, for another buffer: the sink is closed. */
  leftovers(): Event[] {
    this.#inMemory = 0;
    return this.queue.leftovers().filter((event) => !this.#isStored(event));
  }

  /** The last call. */
  close(): void {
    this.#relief?.cancel();
    this.#disk.close();
  }

  /** Nothing is on disk that the sink has not in memory, and memory has room. */
  get #keepsUp(): boolean {
    return !this.#disk.hasUnread && this.queue.fill < OVERFLOW_FILL;
  }

  #isStored(event: Event): boolean {
    return event instanceof StoredEvent || this.#copies.has(event);
  }

  /** What is in memory alone gets a copy on disk; what the sink has in hand stays there. */
  #overflow(): void {
    if (this.#inMemory === 0) return;
    const inHand = this.queue.handedOut.filter((event) => !this.#isStored(event));
    const waiting = this.queue.withdraw((batch) => batch instanceof Frame);
    this.#owner.overflowed(this.#inMemory);
    this.#inMemory = 0;
    this.#owner.openSlots(inHand);
    for (const [i, copy] of this.#disk.keep(inHand).entries()) this.#copies.set(inHand[i]!, copy);
    this.#owner.openSlots(waiting);
    this.#disk.push(waiting);
  }

  #delivered(events: readonly Event[]): void {
    if (this.#disk.unsettled === 0) {
      this.#inMemory -= events.length;
      return this.#owner.delivered(events);
    }
    const stored: Event[] = [];
    const inMemory: Event[] = [];
    for (const event of events) {
      const one = this.#storedOf(event);
      if (one !== null) stored.push(one);
      else inMemory.push(event);
    }
    if (inMemory.length > 0) {
      this.#inMemory -= inMemory.length;
      this.#owner.delivered(inMemory);
    }
    if (stored.length > 0) this.#disk.settle.delivered(stored);
  }

  #deliveredBatch(batch: EventBatch): void {
    if (batch instanceof Frame) return this.#disk.settle.deliveredBatch(batch);
    this.#inMemory -= batch.count;
    this.#owner.deliveredBatch(batch);
  }

  #refused(event: Event, reason: string): void {
    const stored = this.#storedOf(event);
    if (stored !== null) return this.#disk.settle.refused(stored, reason);
    this.#inMemory -= 1;
    this.#owner.refused(event, reason);
  }

  /** The copy on disk of an event that the sink settles; null where it has none. */
  #storedOf(event: Event): Event | null {
    if (event instanceof StoredEvent) return event;
    const copy = this.#copies.get(event);
    if (copy === undefined) return null;
    this.#copies.delete(event);
    return copy;
  }
}
