import type { Event } from "../api/event.ts";
import { eventJson } from "./event_json.ts";

/** What became of one event, from its source to its sinks. */
export interface TracedEvent {
  readonly id: string;
  readonly source: string;
  readonly path: string;
  /** As it came: the line, or the fields as JSON. */
  readonly in: string;
  /** In the order in which it happened. */
  readonly happened: TraceLine[];
}

export interface TraceLine {
  /** The step or the sink. */
  readonly where: string;
  /** `passed`, `changed`, `made`, `dropped`, `held`, `replaced`, `dead-lettered`, `to-sink`, ... */
  readonly what: string;
  readonly reason?: string;
  /** The event as JSON behind it, where it changed. */
  readonly event?: string;
  /** Of an event that was made of the traced one. */
  readonly made?: string;
}

const MAX_TEXT = 4096;
/** What can happen to one event, with all that is made of it. */
const MAX_LINES = 200;

/** Follows a sample of events. There is none at work unless somebody asked for it. */
export class Trace {
  readonly events: TracedEvent[] = [];
  #left: number;
  #every: number;
  #seen = 0;
  #entries = new Map<Event, { readonly traced: TracedEvent; before: string }>();

  /** The next so many events, each n-th of those that come. */
  constructor(count: number, every: number) {
    this.#left = count;
    this.#every = every;
  }

  /** All that it wanted has been picked. */
  get isFull(): boolean {
    return this.#left === 0;
  }

  pick(events: readonly Event[]): void {
    for (const event of events) {
      if (this.#left === 0) return;
      this.#seen += 1;
      if ((this.#seen - 1) % this.#every !== 0) continue;
      this.#left -= 1;
      const { origin, id } = event;
      const before = shortened(event.fields === null ? event.text() : eventJson(event));
      const { source, path } = origin;
      const traced: TracedEvent = { id, source, path, in: before, happened: [] };
      this.events.push(traced);
      this.#entries.set(event, { traced, before });
    }
  }

  /** It came out of a step. */
  passed(event: Event, where: string): void {
    const entry = this.#entries.get(event);
    if (entry === undefined) return;
    const now = shortened(event.fields === null ? event.text() : eventJson(event));
    if (now === entry.before) return this.#add(entry.traced, { where, what: "passed" }, event);
    entry.before = now;
    this.#add(entry.traced, { where, what: "changed", event: now }, event);
  }

  note(event: Event, where: string, what: string, reason?: string): void {
    const entry = this.#entries.get(event);
    if (entry === undefined) return;
    this.#add(entry.traced, { where, what, ...(reason === undefined ? {} : { reason }) }, event);
  }

  /** It goes on in place of its parents. */
  made(event: Event, parents: readonly Event[], where: string): void {
    for (const parent of parents) {
      const entry = this.#entries.get(parent);
      if (entry === undefined) continue;
      const now = shortened(eventJson(event));
      this.#add(entry.traced, { where, what: "made", event: now }, event);
      this.#entries.set(event, { traced: entry.traced, before: now });
      return;
    }
  }

  #add(traced: TracedEvent, line: TraceLine, event: Event): void {
    if (traced.happened.length >= MAX_LINES) return;
    const { id } = event;
    traced.happened.push(id === traced.id ? line : { ...line, made: id });
  }
}

function shortened(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}...`;
}
