import { DerivedEvent } from "../api/event.ts";
import type { Event, Fields } from "../api/event.ts";
import type { World } from "../base/world.ts";
import type { Transform, TransformContext } from "./component.ts";
import type { PlannedStep, Route } from "./plan.ts";

/** What a step asks of the runner. */
export interface StepHost {
  readonly world: World;
  readonly folder: string;
  report(text: string): void;
  count(component: string, counter: string, n: number): void;
  /** Ends the event, counted under the reason. */
  drop(event: Event, step: string, reason: string): void;
  /** Into the dead letters. */
  refuse(event: Event, step: string, reason: string): void;
  /** Buffered: by a step (+1), or no longer (-1). */
  buffered(event: Event, step: string, change: 1 | -1): void;
  /** It is counted as replaced. Where nothing was made of it, `end` follows. */
  replaced(event: Event, step: string): void;
  made(event: DerivedEvent, step: string): void;
  /** A replaced event of which nothing is left. */
  end(event: Event): void;
  /** Sends events on to the steps behind this one. */
  advance(step: RunningStep, events: readonly Event[]): void;
}

/** `outcome` of an event that a step made others of, or absorbed. */
const REPLACED = "replaced";
/** `outcome` of one that a step holds. */
const HELD = "held";

/**
 * A step at work. It keeps account of the events that are inside of it, so that none can be
 * forgotten by a step: what has no fate goes to the dead letters, with the step's name.
 */
export class RunningStep {
  readonly name: string;
  readonly route: Route;
  #host: StepHost;
  #transform: Transform;
  /** Events that came in or were made, and have neither gone on nor ended. */
  #inside = 0;
  /** Those that the step said it holds. */
  #held = 0;
  /** Made and not gone on, since `apply` was called last. */
  #made: DerivedEvent[] = [];
  #closed = false;

  constructor(host: StepHost, planned: PlannedStep) {
    this.#host = host;
    this.name = planned.name;
    this.route = planned.route;
    this.#transform = planned.definition.create(planned.config, this.#context(planned));
  }

  get held(): number {
    return this.#held;
  }

  /** Events of one source. Returns those that go on. */
  apply(events: Event[]): readonly Event[] {
    const { when } = this.route;
    if (when === null) return this.#apply(events);
    // In runs, so that the order stays as it is.
    const out: Event[] = [];
    let run: Event[] = [];
    for (const event of events) {
      if (when(event)) run.push(event);
      else {
        if (run.length > 0) {
          for (const one of this.#apply(run)) out.push(one);
          run = [];
        }
        out.push(event);
      }
    }
    if (run.length > 0) for (const one of this.#apply(run)) out.push(one);
    return out;
  }

  /** Lets go of all that is held; it goes on to the steps behind. */
  flush(): void {
    if (this.#held === 0 || this.#transform.flush === undefined) return;
    let events: readonly Event[] = [];
    try {
      events = this.#transform.flush();
    } catch (error) {
      this.#host.count(this.name, "errors", 1);
      this.#host.report(`step ${this.name}: flush failed: ${textOf(error)}`);
    }
    this.#emit(events);
  }

  close(): void {
    this.#closed = true;
    this.#transform.close?.();
  }

  /** A step that throws is a bug of the step: its events are kept, with the reason. */
  #apply(events: Event[]): readonly Event[] {
    this.#inside += events.length;
    const all = events.slice();
    let out: readonly Event[];
    let reason = "step-error: the step lost it";
    try {
      out = this.#transform.apply(events);
    } catch (error) {
      reason = `step-error: ${textOf(error)}`;
      this.#host.count(this.name, "errors", 1);
      out = [];
    }
    this.#left(out);
    if (this.#inside !== this.#held) this.#save(all, out, reason);
    this.#made.length = 0;
    return out;
  }

  /** Events without a fate: of a step that threw, or that forgot them. */
  #save(all: readonly Event[], out: readonly Event[], reason: string): void {
    const went = new Set(out);
    for (const event of [...all, ...this.#made]) {
      if (went.has(event) || event.pending !== 0 || event.outcome === REPLACED) continue;
      this.#inside -= 1;
      this.#host.refuse(event, this.name, reason);
    }
  }

  #left(events: readonly Event[]): void {
    this.#inside -= events.length;
    if (this.#held === 0) return;
    for (const event of events) if (event.outcome === HELD) this.#release(event);
  }

  #emit(events: readonly Event[]): void {
    if (events.length === 0 || this.#closed) return;
    this.#left(events);
    this.#made.length = 0;
    this.#host.advance(this, events);
  }

  #release(event: Event): void {
    this.#held -= 1;
    event.outcome = "delivered";
    event.pending = 0;
    this.#host.buffered(event, this.name, -1);
  }

  /** The event's fate is decided here. */
  #ends(event: Event): void {
    this.#inside -= 1;
    if (event.outcome === HELD) this.#release(event);
  }

  #replace(event: Event): void {
    this.#ends(event);
    event.outcome = REPLACED;
    this.#host.replaced(event, this.name);
  }

  #derive(parents: readonly Event[], fields: Fields, bytes: number): DerivedEvent {
    const first = parents[0];
    if (first === undefined) throw new Error(`bug: ${this.name} made an event of nothing`);
    const nth = first.outcome === REPLACED ? first.pending : 0;
    const event = new DerivedEvent(parents, nth, fields, bytes);
    for (const parent of parents) {
      if (parent.outcome !== REPLACED) this.#replace(parent);
      parent.pending += 1;
    }
    this.#inside += 1;
    this.#made.push(event);
    this.#host.made(event, this.name);
    return event;
  }

  #context({ onError, sheds }: PlannedStep): TransformContext {
    const host = this.#host;
    const { name } = this;
    return {
      world: host.world,
      name,
      folder: host.folder,
      sheds,
      report: (text) => host.report(`step ${name}: ${text}`),
      count: (counter, n = 1) => host.count(name, counter, n),
      drop: (event, reason) => {
        this.#ends(event);
        host.drop(event, name, reason);
      },
      failed: (event, reason) => {
        host.count(name, `failed_${reason}`, 1);
        if (onError === "keep") {
          event.decode()["parse_error"] = reason;
          return true;
        }
        this.#ends(event);
        if (onError === "drop") host.drop(event, name, reason);
        else host.refuse(event, name, reason);
        return false;
      },
      hold: (event) => {
        if (event.outcome === HELD) return;
        event.outcome = HELD;
        event.pending = 1;
        this.#held += 1;
        host.buffered(event, name, 1);
      },
      absorb: (event) => {
        this.#replace(event);
        host.end(event);
      },
      derive: (parents, fields) => {
        let bytes = 0;
        for (const parent of parents) bytes += parent.sizeBytes;
        return this.#derive(parents, fields, bytes);
      },
      split: (parent, list) => {
        const bytes = Math.ceil(parent.sizeBytes / Math.max(1, list.length));
        if (list.length === 0) throw new Error(`bug: ${name} made nothing of an event`);
        return list.map((fields) => this.#derive([parent], fields, bytes));
      },
      emit: (events) => this.#emit(events),
    };
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
