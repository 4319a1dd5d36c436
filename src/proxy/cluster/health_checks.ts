import type { HealthCheckPolicy } from "../../api/snapshot.ts";
import type { Dial, DialHandler, Socket, Timer, TlsClientOptions } from "../../base/world.ts";
import { HttpClient, HttpError } from "../../http/client.ts";
import type { ProxyContext } from "../context.ts";
import type { Endpoint } from "./endpoint.ts";

/** An interval is so much longer or shorter, at random. */
const JITTER = 0.1;

/** Tells that an endpoint is now well or ill, and what the last check saw. */
export type HealthChanged = (endpoint: Endpoint, isWell: boolean, detail: string) => void;

/** How a connection to an endpoint is secured; undefined for a plain one. */
export type TlsTo = (endpoint: Endpoint) => TlsClientOptions | undefined;

interface CheckTools {
  readonly context: ProxyContext;
  readonly client: HttpClient;
  readonly tlsTo: TlsTo;
}

/**
 * Asks each endpoint how it is, one check after the other. One that is new counts as well until its
 * checks say otherwise: nobody waits for the first.
 */
export class HealthChecks {
  /** Checks by their result. */
  passed = 0;
  failed = 0;
  readonly #context: ProxyContext;
  readonly #client: HttpClient;
  readonly #tlsTo: TlsTo;
  readonly #changed: HealthChanged;
  #policy: HealthCheckPolicy | null = null;
  #endpoints: readonly Endpoint[] = [];
  readonly #checks = new Map<Endpoint, EndpointCheck>();
  #stopped = false;

  constructor(context: ProxyContext, tlsTo: TlsTo, changed: HealthChanged) {
    this.#context = context;
    this.#tlsTo = tlsTo;
    this.#client = new HttpClient(context.world);
    this.#changed = changed;
  }

  /** What the old policy found out stays until the new one says otherwise. */
  setPolicy(policy: HealthCheckPolicy | null): void {
    if (JSON.stringify(policy) === JSON.stringify(this.#policy)) return;
    this.#policy = policy;
    for (const check of this.#checks.values()) check.stop();
    this.#checks.clear();
    if (policy !== null) return this.setEndpoints(this.#endpoints);
    for (const endpoint of this.#endpoints) {
      if (!endpoint.failsChecks) continue;
      endpoint.failsChecks = false;
      this.#changed(endpoint, true, "there are no checks any more");
    }
  }

  setEndpoints(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
    for (const [endpoint, check] of this.#checks) {
      if (!endpoint.removed) continue;
      check.stop();
      this.#checks.delete(endpoint);
    }
    if (this.#policy === null || this.#stopped) return;
    for (const endpoint of endpoints) {
      if (this.#checks.has(endpoint)) continue;
      const tools = { context: this.#context, client: this.#client, tlsTo: this.#tlsTo };
      const check = new EndpointCheck(endpoint, this.#policy, tools);
      check.onResult = (problem) => this.#judge(endpoint, check, problem);
      this.#checks.set(endpoint, check);
      check.start();
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const check of this.#checks.values()) check.stop();
    this.#checks.clear();
    this.#client.close();
  }

  #judge(endpoint: Endpoint, check: EndpointCheck, problem: string | null): void {
    const isWell = problem === null;
    if (isWell) this.passed++;
    else this.failed++;
    check.inRow = isWell === check.wasWell ? check.inRow + 1 : 1;
    check.wasWell = isWell;
    const { healthyAfter, unhealthyAfter } = this.#policy!;
    if (isWell === !endpoint.failsChecks) return;
    if (check.inRow < (isWell ? healthyAfter : unhealthyAfter)) return;
    endpoint.failsChecks = !isWell;
    this.#changed(endpoint, isWell, problem ?? "its checks succeed");
  }
}

/** The checks of one endpoint. */
class EndpointCheck {
  wasWell = true;
  inRow = 0;
  /** Null where it is well. */
  onResult: (problem: string | null) => void = () => {};
  readonly #endpoint: Endpoint;
  readonly #policy: HealthCheckPolicy;
  readonly #context: ProxyContext;
  readonly #client: HttpClient;
  readonly #tlsTo: TlsTo;
  readonly #abort = new AbortController();
  #timer: Timer | null = null;
  #dial: TcpCheck | null = null;
  #stopped = false;

  constructor(
    endpoint: Endpoint,
    policy: HealthCheckPolicy,
    { context, client, tlsTo }: CheckTools,
  ) {
    this.#endpoint = endpoint;
    this.#policy = policy;
    this.#context = context;
    this.#client = client;
    this.#tlsTo = tlsTo;
  }

  /** The first check comes at any time within an interval: not all at once. */
  start(): void {
    this.#plan(this.#policy.intervalMs * this.#context.random.next());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#dial?.abandon();
    this.#abort.abort();
  }

  #plan(delayMs: number): void {
    this.#timer = this.#context.clock.after(delayMs, () => {
      if (this.#policy.path === null) this.#connect();
      else void this.#get(this.#policy.path);
    });
  }

  #done(problem: string | null): void {
    if (this.#stopped) return;
    const spread = 1 + JITTER * (2 * this.#context.random.next() - 1);
    this.#plan(this.#policy.intervalMs * spread);
    this.onResult(problem);
  }

  async #get(path: string): Promise<void> {
    const { address: host, port } = this.#endpoint;
    const { statuses, timeoutMs, host: authority } = this.#policy;
    const tls = this.#tlsTo(this.#endpoint);
    try {
      const { status } = await this.#client.request({
        method: "GET",
        address: { host, port },
        ...(tls === undefined ? {} : { tls }),
        path,
        ...(authority === "" ? {} : { host: authority }),
        headers: { "user-agent": "outrigger-health" },
        timeoutMs,
        // What its headers look like is judged where they are passed on.
        repairsHeads: true,
        onBody: () => {},
        abort: this.#abort.signal,
      });
      this.#done(statuses.includes(status) ? null : `GET ${path} answered ${status}`);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#done(`GET ${path}: ${error.message}`);
    }
  }

  #connect(): void {
    const { timeoutMs } = this.#policy;
    const tls = this.#tlsTo(this.#endpoint);
    this.#dial = new TcpCheck(this.#context, this.#endpoint, tls, timeoutMs, (problem) => {
      this.#dial = null;
      this.#done(problem);
    });
    this.#dial.start();
  }
}

/** A connection that is opened and closed at once. */
class TcpCheck {
  readonly #context: ProxyContext;
  readonly #endpoint: Endpoint;
  readonly #tls: TlsClientOptions | undefined;
  readonly #timeoutMs: number;
  #done: ((problem: string | null) => void) | null;
  #timer: Timer | null = null;
  #dial: Dial | null = null;

  constructor(
    context: ProxyContext,
    endpoint: Endpoint,
    tls: TlsClientOptions | undefined,
    timeoutMs: number,
    done: (problem: string | null) => void,
  ) {
    this.#context = context;
    this.#endpoint = endpoint;
    this.#tls = tls;
    this.#timeoutMs = timeoutMs;
    this.#done = done;
  }

  start(): void {
    const { clock, net } = this.#context;
    this.#timer = clock.after(this.#timeoutMs, () => {
      this.#dial?.abort();
      this.#end(`no connection within ${this.#timeoutMs} ms`);
    });
    const { address: host, port } = this.#endpoint;
    const handler: DialHandler = {
      onOpen: (socket: Socket) => {
        socket.close();
        this.#end(null);
      },
      onConnectError: ({ message }) => this.#end(message),
      onData: () => {},
      onDrain: () => {},
      onEnd: () => {},
      onClose: () => {},
    };
    this.#dial = net.connect({ host, port }, handler, this.#tls);
  }

  abandon(): void {
    this.#done = null;
    this.#timer?.cancel();
    this.#dial?.abort();
  }

  #end(problem: string | null): void {
    const done = this.#done;
    this.#done = null;
    this.#timer?.cancel();
    done?.(problem);
  }
}
