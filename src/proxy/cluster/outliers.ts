import type { OutlierPolicy } from "../../api/snapshot.ts";
import type { Clock, Timer } from "../../base/world.ts";
import type { Endpoint } from "./endpoint.ts";

export type EjectionReason = "5xx" | "gateway-error" | "success-rate";

/** What the set of endpoints is told. */
export interface OutlierListener {
  /** `detail` says what was seen. */
  ejected(endpoint: Endpoint, reason: EjectionReason, forMs: number, detail: string): void;
  returned(endpoint: Endpoint): void;
  /** A review that may have ejected several is over. */
  reviewed(): void;
}

/**
 * Ejects endpoints for a while by what their tries came to: failures in a row, or a success rate
 * far below that of the others. Each further ejection lasts longer; each quiet interval takes one
 * off.
 */
export class Outliers {
  readonly #clock: Clock;
  readonly #listener: OutlierListener;
  #policy: OutlierPolicy | null = null;
  #endpoints: readonly Endpoint[] = [];
  /** Who is ejected, with the timer of the return. */
  readonly #returns = new Map<Endpoint, Timer>();
  #interval: Timer | null = null;
  #stopped = false;

  constructor(clock: Clock, listener: OutlierListener) {
    this.#clock = clock;
    this.#listener = listener;
  }

  get isOn(): boolean {
    return this.#policy !== null;
  }

  /** Who is ejected stays so for its time, unless there is no policy any more. */
  setPolicy(policy: OutlierPolicy | null): void {
    if (JSON.stringify(policy) === JSON.stringify(this.#policy)) return;
    this.#policy = policy;
    this.#interval?.cancel();
    this.#interval = null;
    if (policy === null) for (const endpoint of [...this.#returns.keys()]) this.#return(endpoint);
    else if (!this.#stopped) {
      this.#interval = this.#clock.every(policy.intervalMs, () => this.#review());
    }
  }

  setEndpoints(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
    for (const [endpoint, timer] of this.#returns) {
      if (!endpoint.removed) continue;
      timer.cancel();
      this.#returns.delete(endpoint);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#interval?.cancel();
    this.#interval = null;
    for (const timer of this.#returns.values()) timer.cancel();
    this.#returns.clear();
  }

  /** How a try there ended; status 0 is no answer. */
  record(endpoint: Endpoint, status: number): void {
    const policy = this.#policy;
    if (policy === null || this.#stopped || endpoint.removed) return;
    const failed = status === 0 || status >= 500;
    const isGateway = status === 0 || (status >= 502 && status <= 504);
    endpoint.windowTries++;
    if (failed) endpoint.windowFailures++;
    endpoint.failuresInRow = failed ? endpoint.failuresInRow + 1 : 0;
    endpoint.gatewayErrorsInRow = isGateway ? endpoint.gatewayErrorsInRow + 1 : 0;
    if (!failed || endpoint.isEjected) return;
    const { consecutive5xx, consecutiveGatewayErrors } = policy;
    if (consecutiveGatewayErrors !== 0 && endpoint.gatewayErrorsInRow >= consecutiveGatewayErrors) {
      const detail = `${endpoint.gatewayErrorsInRow} gateway errors in a row`;
      this.#eject(endpoint, "gateway-error", detail);
    } else if (consecutive5xx !== 0 && endpoint.failuresInRow >= consecutive5xx) {
      this.#eject(endpoint, "5xx", `${endpoint.failuresInRow} failures in a row`);
    }
  }

  #eject(endpoint: Endpoint, reason: EjectionReason, detail: string): void {
    const { baseMs, maxMs, maxEjectedRatio } = this.#policy!;
    const count = this.#endpoints.length;
    if (count < 2) return;
    if (this.#returns.size >= Math.max(1, Math.floor(maxEjectedRatio * count))) return;
    endpoint.ejections++;
    endpoint.isEjected = true;
    const forMs = Math.min(maxMs, baseMs * endpoint.ejections);
    this.#returns.set(
      endpoint,
      this.#clock.after(forMs, () => this.#return(endpoint)),
    );
    this.#listener.ejected(endpoint, reason, forMs, detail);
  }

  #return(endpoint: Endpoint): void {
    this.#returns.get(endpoint)?.cancel();
    this.#returns.delete(endpoint);
    endpoint.isEjected = false;
    endpoint.failuresInRow = 0;
    endpoint.gatewayErrorsInRow = 0;
    endpoint.windowTries = 0;
    endpoint.windowFailures = 0;
    this.#listener.returned(endpoint);
  }

  /** Once an interval. */
  #review(): void {
    const { successRate } = this.#policy!;
    if (successRate !== null) {
      const { minEndpoints, minRequests, deviations } = successRate;
      const busy = this.#endpoints.filter(
        (one) => !one.isEjected && one.windowTries >= minRequests,
      );
      if (busy.length >= minEndpoints) this.#ejectBelow(busy, deviations);
    }
    for (const endpoint of this.#endpoints) {
      const wasWell = !endpoint.isEjected && endpoint.failuresInRow === 0;
      if (wasWell && endpoint.ejections > 0) endpoint.ejections--;
      endpoint.windowTries = 0;
      endpoint.windowFailures = 0;
    }
    this.#listener.reviewed();
  }

  #ejectBelow(endpoints: readonly Endpoint[], deviations: number): void {
    const rates = endpoints.map((one) => 1 - one.windowFailures / one.windowTries);
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
    const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
    const least = mean - deviations * Math.sqrt(variance);
    for (const [index, endpoint] of endpoints.entries()) {
      const rate = rates[index]!;
      if (rate >= least) continue;
      const [own, all] = [rate, mean].map((share) => `${Math.round(share * 100)}%`);
      this.#eject(endpoint, "success-rate", `${own} of its tries succeeded, of all ${all}`);
    }
  }
}
