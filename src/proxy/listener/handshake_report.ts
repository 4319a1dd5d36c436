import type { TlsError, TlsFailure } from "../../base/world.ts";
import type { ProxyContext } from "../context.ts";

/** Anybody can make handshakes fail: the log gets one line a reason in this time, with a count. */
const REPORT_EVERY_MS = 60_000;

/** Tells the event log why handshakes fail, without being flooded. */
export class HandshakeReport {
  readonly #context: ProxyContext;
  readonly #told = new Map<TlsFailure, { atMs: number; since: number }>();

  constructor(context: ProxyContext) {
    this.#context = context;
  }

  add(listener: string, { reason, message }: TlsError): void {
    const nowMs = this.#context.clock.now();
    const before = this.#told.get(reason);
    if (before !== undefined && nowMs - before.atMs < REPORT_EVERY_MS) {
      before.since++;
      return;
    }
    const more = before === undefined || before.since === 0 ? "" : `; ${before.since} more before`;
    this.#told.set(reason, { atMs: nowMs, since: 0 });
    this.#context.events.add("handshakes-failed", listener, `${reason}: ${message}${more}`);
  }
}
