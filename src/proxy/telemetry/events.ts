import type { ProxyEvent } from "../../api/stats.ts";
import type { Clock } from "../../base/world.ts";

/** How many events are kept for `GET /stats`. */
const KEPT = 256;

/** What happened to the proxy itself: kept, and told to the log. */
export class EventLog {
  readonly #clock: Clock;
  readonly #log: (line: string) => void;
  readonly #kept: ProxyEvent[] = [];

  constructor(clock: Clock, log: (line: string) => void) {
    this.#clock = clock;
    this.#log = log;
  }

  add(kind: ProxyEvent["kind"], subject: string, text: string): void {
    const event: ProxyEvent = { timeMs: this.#clock.wallMs(), kind, subject, text };
    if (this.#kept.length === KEPT) this.#kept.shift();
    this.#kept.push(event);
    this.#log(
      JSON.stringify({ time: new Date(event.timeMs).toISOString(), event: kind, subject, text }),
    );
  }

  list(): readonly ProxyEvent[] {
    return [...this.#kept];
  }
}
