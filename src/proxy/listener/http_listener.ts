import type { HostPort } from "../../api/snapshot.ts";
import type { Listener, Socket, SocketHandler } from "../../base/world.ts";
import type { ProxyContext } from "../context.ts";
import { Http1Downstream } from "../downstream/http1_connection.ts";
import type { ListenerConfig } from "./config.ts";

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

  /** @throws NetError where the address cannot be had. */
  constructor(config: ListenerConfig, address: HostPort, context: ProxyContext) {
    this.#config = config;
    this.address = address;
    this.#context = context;
    const reusePort = config.connections !== null;
    this.#listener = context.net.listen({ address, reusePort }, (socket) => this.#accept(socket));
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
    if (before.name === config.name) return;
    before.connections?.add(-size);
    config.connections?.add(size);
  }

  /** The port that was bound. */
  get port(): number {
    return this.#listener?.port ?? this.address.port;
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

  /** Accepts no more; resolves when the last connection has ended, or after `withinMs` ends them. */
  drain(withinMs: number): Promise<void> {
    return (this.#drained ??= this.#drain(withinMs));
  }

  async #drain(withinMs: number): Promise<void> {
    this.draining = true;
    this.#listener?.stop();
    this.#listener = null;
    for (const connection of [...this.#connections]) connection.drain();
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#context.clock.after(withinMs, resolve);
      this.#whenEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
    this.terminate();
  }

  terminate(): void {
    this.#listener?.stop();
    this.#listener = null;
    for (const connection of [...this.#connections]) connection.terminate();
  }
}
