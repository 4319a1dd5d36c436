import type { ProxyEvent } from "../../api/stats.ts";
import type { Clock } from "../../base/world.ts";

/** How many events are kept for `GET /stats`. */
const KEPT = 256;

/** Told at the log level `error` too. */
const TROUBLE: ReadonlySet<ProxyEvent["kind"]> = new Set<ProxyEvent["kind"]>([
  "snapshot-refused",
  "breaker-opened",
  "name-unresolved",
  "endpoint-ejected",
  "endpoint-unhealthy",
  "certificate-refused",
  "certificate-expires",
  "handshakes-failed",
  "overload-started",
  "redis-away",
  "malformed-response",
  "worker-ended",
]);

/** As the log has it. */
export function eventLine({ timeMs, kind, subject, text }: ProxyEvent): string {
  return JSON.stringify({ time: new Date(timeMs).toISOString(), event: kind, subject, text });
}

/** What happened to the proxy itself: kept, and told. */
export class EventLog {
  readonly #clock: Clock;
  readonly #tell: (event: ProxyEvent) => void;
  readonly #kept: ProxyEvent[] = [];
  /** Only trouble is told; kept is all. */
  onlyTrouble = false;

  constructor(clock: Clock, tell: (event: ProxyEvent) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  add(kind: ProxyEvent["kind"], subject: string, text: string): void {
    this.take({ timeMs: this.#clock.wallMs(), kind, subject, text });
  }

  take(event: ProxyEvent): void {
    if (this.#kept.length === KEPT) this.#kept.shift();
    this.#kept.push(event);
    if (!this.onlyTrouble || TROUBLE.has(event.kind)) this.#tell(event);
  }

  list(): readonly ProxyEvent[] {
    return [...this.#kept];
  }
}
