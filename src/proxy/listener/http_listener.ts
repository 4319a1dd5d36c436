import type { HostPort } from "../../api/snapshot.ts";
import type { Listener, Socket, SocketHandler, TlsError, TlsState } from "../../base/world.ts";
import type { ProxyContext } from "../context.ts";
import { Http1Downstream } from "../downstream/http1_connection.ts";
import { increment } from "../telemetry/counters.ts";
import type { ListenerConfig } from "./config.ts";
import { RAISE_DESCRIPTORS } from "../process_limits.ts";
import { HandshakeReport } from "./handshake_report.ts";

const SAY_AGAIN_MS = 60_000;

/** An address that takes HTTP requests. Its configuration changes under live connections. */
export class HttpListener {
  readonly address: HostPort;
  draining = false;
  readonly #context: ProxyContext;
  readonly #connections = new Set<Http1Downstream>();
  #listener: Listener | null;
  #config: ListenerConfig;
  #whenEmpty: (() => void) | null = null;
  #drained: Promise<void> | null = null;
  readonly #failures: HandshakeReport;
  #noRoomSaidMs = Number.NEGATIVE_INFINITY;

  /** @throws NetError where the address cannot be had. */
  constructor(config: ListenerConfig, address: HostPort, context: ProxyContext) {
    this.#config = config;
    this.address = address;
    this.#context = context;
    this.#failures = new HandshakeReport(context);
    const reusePort = config.connections !== null;
    const tls = config.tls === null ? {} : { tls: config.tls.options };
    const onNoRoom = (): void => this.#turnedAway();
    const options = { address, reusePort, onNoRoom, ...tls };
    this.#listener = context.net.listen(options, (socket) => this.#accept(socket));
    this.#followTls();
  }

  get config(): ListenerConfig {
    return this.#config;
  }

  /** From the next request on. */
  set config(config: ListenerConfig) {
    // Under another name it has other counters: its connections go along.
    const { size } = this.#connections;
    const before = this.#config;
    before.counters.connectionsActive -= size;
    this.#config = config;
    config.counters.connectionsActive += size;
    if (before.tls !== config.tls) {
      this.#listener?.setTls(config.tls?.options ?? null);
      this.#followTls();
    }
    if (before.name === config.name) return;
    before.connections?.add(-size);
    config.connections?.add(size);
  }

  /** New certificates are for handshakes from then on. */
  #followTls(): void {
    const { tls } = this.#config;
    if (tls !== null) tls.changed = () => this.#listener?.setTls(tls.options);
  }

  /** A caller's handshake has ended well. */
  secured({ version, resumed }: TlsState): void {
    const { tls } = this.#config.counters;
    increment(tls.handshakes, version);
    if (resumed) tls.resumed++;
  }

  /** A caller's handshake failed, or its TLS later on. */
  tlsFailed(error: TlsError, remoteAddress: string): void {
    const { name, counters } = this.#config;
    increment(counters.tls.failures, error.reason);
    this.#context.accessLog.addHandshake(name, remoteAddress, error);
    this.#failures.add(name, error);
  }

  /** The port that was bound. */
  get port(): number {
    return this.#listener?.port ?? this.address.port;
  }

  /** The process has as many connections as its limit of descriptors lets it. */
  #turnedAway(): void {
    const { name, counters } = this.config;
    counters.connectionsRefused++;
    const now = this.#context.clock.now();
    if (now < this.#noRoomSaidMs + SAY_AGAIN_MS) return;
    this.#noRoomSaidMs = now;
    const { limit } = this.#context.net.room;
    const text = `callers are turned away: of ${limit ?? "?"} descriptors some are kept free`;
    this.#context.events.add("limits-reached", name, `${text}; ${RAISE_DESCRIPTORS}`);
  }

  #accept(socket: Socket): SocketHandler | null {
    const { counters, policy, connections } = this.config;
    const { maxConnections: most } = policy;
    if (connections === null ? this.#connections.size >= most : !connections.enter(most)) {
      counters.connectionsRefused++;
      return null;
    }
    counters.connectionsTotal++;
    counters.connectionsActive++;
    const connection = new Http1Downstream(this, socket, this.#context);
    this.#connections.add(connection);
    return connection;
  }

  closed(connection: Http1Downstream): void {
    if (!this.#connections.delete(connection)) return;
    this.config.counters.connectionsActive--;
    this.config.connections?.leave();
    if (this.#connections.size === 0) this.#whenEmpty?.();
  }

  /**
   * Accepts no more; resolves when the last connection has ended, or after `withinMs` ends them.
   * Answers from now on say `connection: close`. A caller that is idle may be sending its next
   * request just now, so its connection is closed only after `idleMs`.
   */
  drain(withinMs: number, idleMs: number): Promise<void> {
    return (this.#drained ??= this.#drain(withinMs, Math.min(idleMs, withinMs / 2)));
  }

  async #drain(withinMs: number, idleMs: number): Promise<void> {
    this.draining = true;
    this.#listener?.stop();
    this.#listener = null;
    if (this.#connections.size === 0) return;
    const { clock } = this.#context;
    const closeIdle = clock.after(idleMs, () => {
      for (const connection of [...this.#connections]) connection.drain();
    });
    await new Promise<void>((resolve) => {
      const timer = clock.after(withinMs, resolve);
      this.#whenEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
    closeIdle.cancel();
    this.terminate();
  }

  terminate(): void {
    this.#listener?.stop();
    this.#listener = null;
    for (const connection of [...this.#connections]) connection.terminate();
  }
}
