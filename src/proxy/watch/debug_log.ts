import type { Clock } from "../../base/world.ts";
import type { FailureCode } from "../errors.ts";
import type { Stream } from "../stream.ts";
import { RateBound } from "./rate_bound.ts";
import { askedOf } from "./record.ts";
import type { RequestWatch, Watcher } from "./watch.ts";

/** Further lines are counted: a debug log must not be what is slow. */
const MAX_LINES_PER_SECOND = 1_000;

/** At the log level `debug`: a JSON line for each request as it comes, and each try's outcome. */
export class DebugLog implements Watcher, RequestWatch {
  readonly #clock: Clock;
  readonly #log: (line: string) => void;
  readonly #rate: RateBound;
  #lost = 0;

  constructor(clock: Clock, log: (line: string) => void) {
    this.#clock = clock;
    this.#log = log;
    this.#rate = new RateBound(clock, MAX_LINES_PER_SECOND);
  }

  begin(stream: Stream): RequestWatch {
    const { method, path, host } = askedOf(stream, false);
    const { listenerName: listener, remoteAddress } = stream;
    this.#say("request", { listener, method, path, host, remote_address: remoteAddress });
    return this;
  }

  onTry(): void {}

  onTryEnd(stream: Stream, status: number, failure: FailureCode | null): void {
    const { route, cluster, requestId, traceId } = stream;
    this.#say("try", {
      listener: stream.listenerName,
      route: route === null ? null : route.name,
      cluster: cluster === null ? null : cluster.name,
      upstream_host: stream.upstreamHost,
      try: stream.retries + 1,
      status,
      failure,
      duration_ms: Math.round((this.#clock.now() - stream.tryStartedMs) * 1000) / 1000,
      request_id: requestId,
      trace_id: traceId,
    });
  }

  onAnswer(): void {}
  onLocalAnswer(): void {}
  onTrailers(): void {}
  onComplete(): void {}

  #say(what: string, fields: Readonly<Record<string, unknown>>): void {
    if (!this.#rate.passes()) {
      this.#lost++;
      return;
    }
    const time = new Date(this.#clock.wallMs()).toISOString();
    const more = this.#lost === 0 ? {} : { lost_before: this.#lost };
    this.#lost = 0;
    this.#log(JSON.stringify({ time, debug: what, ...fields, ...more }));
  }
}
