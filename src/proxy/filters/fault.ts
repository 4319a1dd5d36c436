import { type FaultPolicy, readFaultPolicy } from "../../api/fault.ts";
import { Failure } from "../../base/failure.ts";
import type { Random, Timer } from "../../base/world.ts";
import { Pace } from "../pace.ts";
import { releaseResponse } from "../process_response.ts";
import type { Stream } from "../stream.ts";
import { increment } from "../telemetry/counters.ts";
import type { DirectAnswer, Filter, FilterComponent, HeaderVerdict } from "./filter.ts";

/** Holds or refuses a part of the requests on purpose; Envoy's flags DI and FI tell which. */
export const fault: FilterComponent = {
  name: "fault",
  summary: "Delays or aborts a part of the requests, or slows answers, to see how callers bear it.",
  status: "stable",
  security: "A header of the caller's can only choose among faults that the file allows.",
  create: (config, { random }) => {
    const policy = readFaultPolicy(config);
    if (typeof policy === "string") throw new Failure("refused", `fault: ${policy}`);
    return new Fault(policy, random);
  },
};

class Fault implements Filter {
  readonly #policy: FaultPolicy;
  readonly #random: Random;
  readonly #headers: readonly (readonly [name: string, value: string])[];
  readonly #paced = new Set<Stream>();
  readonly #held = new Map<Stream, { readonly timer: Timer; readonly release: () => void }>();

  constructor(policy: FaultPolicy, random: Random) {
    this.#policy = policy;
    this.#random = random;
    this.#headers = Object.entries(policy.headers);
  }

  onRequestHeaders(stream: Stream): HeaderVerdict | Promise<HeaderVerdict> {
    for (const [name, value] of this.#headers) {
      if (stream.head.headers.get(name) !== value) return undefined;
    }
    const { delay, abort, bandwidth, maxHeld } = this.#policy;
    // One draw each, whatever the other says: so each share is exact by itself.
    if (bandwidth !== undefined && this.#random.next() < bandwidth.ratio) {
      this.#slowDown(stream, bandwidth.bytesPerSecond);
    }
    const delays = delay !== null && this.#random.next() < delay.ratio;
    const aborts = abort !== null && this.#random.next() < abort.ratio;
    const answer = (): DirectAnswer | undefined => (aborts ? this.#abort(stream) : undefined);
    if (!delays) return answer();
    const { faults } = stream.route!.counters;
    if (this.#held.size >= maxHeld) {
      increment(faults, "overflow");
      return answer();
    }
    increment(faults, "delay");
    stream.addFlag("DI");
    const span = delay.maxMs - delay.minMs;
    const delayMs = delay.minMs + (span === 0 ? 0 : this.#random.next() * span);
    return this.#hold(stream, delayMs).then(answer);
  }

  #hold(stream: Stream, delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const release = (): void => {
        this.#held.delete(stream);
        resolve();
      };
      const timer = stream.context.clock.after(delayMs, release);
      this.#held.set(stream, { timer, release });
    });
  }

  /** Its answer will come slowly, if it is the callee's own. */
  #slowDown(stream: Stream, bytesPerSecond: number): void {
    const { faults } = stream.route!.counters;
    if (this.#paced.size >= this.#policy.maxHeld) return increment(faults, "overflow");
    increment(faults, "bandwidth");
    this.#paced.add(stream);
    stream.pace = new Pace(stream, bytesPerSecond, releaseResponse);
  }

  #abort(stream: Stream): DirectAnswer | undefined {
    // It ended while it was held: nobody is left to answer.
    if (stream.finished) return undefined;
    const { status } = this.#policy.abort!;
    increment(stream.route!.counters.faults, "abort");
    stream.addFlag("FI");
    const headers = { "content-type": "text/plain" };
    return { status, headers, body: "fault injected\n", detail: "fault_filter_abort" };
  }

  /** The caller left, or a timeout ended it: its place is free. */
  onComplete(stream: Stream): void {
    if (stream.pace !== null && this.#paced.delete(stream)) {
      stream.pace.stop();
      stream.pace = null;
    }
    const held = this.#held.get(stream);
    if (held === undefined) return;
    held.timer.cancel();
    held.release();
  }
}
