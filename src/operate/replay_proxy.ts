/**
 * A proxy in a world of its own: simulated time, a network in memory, and callees that answer as
 * they did then. Nothing of it reaches the machine.
 */
import type { CapturedRequest, CaptureHead } from "../api/capture.ts";
import { MAX_CAPTURE_MS } from "../api/capture_order.ts";
import type {
  ClusterBinding,
  ClusterPolicy,
  HostPort,
  ListenerPolicy,
  RoutePolicy,
  Snapshot,
} from "../api/snapshot.ts";
import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import type { DialHandler, Socket, SocketHandler } from "../base/world.ts";
import { parseAddress } from "../base/ip_address.ts";
import { ByteSender } from "../http/byte_sender.ts";
import { DECISIONS, type FailureCode } from "../proxy/errors.ts";
import { Proxy } from "../proxy/proxy.ts";

/** What depends on the time, on other requests or on a user's code is left out of a replay. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  rate_limit: "rate limits",
  fault: "faults",
  typescript: "users' filters",
};

/** Hosts of the simulated network. */
const PROXY_HOST = "10.255.0.1";
const CALLEE_HOST = "10.255.0.2";
const UNKNOWN_PEER = "192.0.2.1";
const FIRST_PORT = 1_000;
/** Of virtual time: longer than a request with all its tries may take. */
const PATIENCE_MS = 600_000;
/** A request goes without a body: what says how long it is would be wrong. */
const FRAMING: ReadonlySet<string> = new Set([
  ...["host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"],
  ...["expect", "te", "trailer", "proxy-connection"],
]);

export class ReplayProxy {
  readonly #world: SimulatedWorld = createSimulatedWorld({ seed: 1 });
  readonly #proxy: Proxy;
  readonly #addresses = new Map<string, HostPort>();
  readonly #endCapture: () => void;
  readonly #stopCallees: (() => void)[] = [];
  #answer: Uint8Array | null = null;
  #captured: CapturedRequest | null = null;

  /** @throws Failure "refused" where no proxy would take the Snapshot. */
  constructor(snapshot: Snapshot, { headers, query }: CaptureHead) {
    this.#proxy = new Proxy(this.#world, {});
    // Without users' filters a Snapshot comes into force at once.
    void this.#proxy.apply(this.#replayed(snapshot));
    const order = { ratio: 1, path: null, methods: [], headers, query };
    const bounds = { maxBytes: 1, durationMs: MAX_CAPTURE_MS };
    this.#endCapture = this.#proxy.capture({ ...order, ...bounds }, (requests) => {
      this.#captured = requests[0] ?? null;
    });
  }

  /** What becomes of the request here; null where nobody listens, or it is refused as malformed. */
  async ask(request: CapturedRequest): Promise<CapturedRequest | null> {
    const address = this.#addresses.get(request.listener);
    if (address === undefined) return null;
    this.#answer = answerOf(request);
    this.#captured = null;
    const caller = new Caller(bytesOf(request));
    const peer = parseAddress(request.peer) !== null ? request.peer : UNKNOWN_PEER;
    this.#world.at(peer).net.connect(address, caller);
    const { clock } = this.#world;
    await clock.until(() => this.#captured !== null || caller.isOver, PATIENCE_MS);
    // What was refused before it was a request is over without a word of it.
    if (this.#captured === null) await clock.advance(1_000);
    caller.leave();
    return this.#captured;
  }

  close(): void {
    this.#endCapture();
    this.#proxy.close();
    for (const stop of this.#stopCallees) stop();
  }

  #replayed(snapshot: Snapshot): Snapshot {
    const { policy } = snapshot;
    let port = FIRST_PORT;
    const clusters: Record<string, ClusterBinding> = {};
    for (const name of Object.keys(policy.clusters)) {
      const endpoint = { host: CALLEE_HOST, port: port++ };
      this.#listen(endpoint);
      const refresh = { minMs: 1_000, maxMs: 1_000 };
      clusters[name] = { discovery: "static", endpoints: [endpoint], refresh };
    }
    for (const name of Object.keys(policy.listeners)) {
      this.#addresses.set(name, { host: PROXY_HOST, port: port++ });
    }
    return {
      ...snapshot,
      policy: {
        listeners: mapped(policy.listeners, replayedListener),
        clusters: mapped(policy.clusters, replayedCluster),
        pipelines: {},
        accessLog: { format: "off" },
        drainMs: 0,
      },
      bindings: {
        listeners: Object.fromEntries(this.#addresses),
        clusters,
        admin: { readOnly: { host: PROXY_HOST, port: 1 }, socket: "/admin.sock" },
        pipelines: {},
        stateFolder: "/state",
      },
      origins: {},
    };
  }

  #listen(address: HostPort): void {
    const { net } = this.#world.at(CALLEE_HOST);
    const listener = net.listen({ address }, () => new Callee(() => this.#answer));
    this.#stopCallees.push(() => listener.stop());
  }
}

function replayedListener({ tls: _, ...policy }: ListenerPolicy): ListenerPolicy {
  return { ...policy, routes: policy.routes.map(replayedRoute) };
}

function replayedRoute({ mirror: _, ...route }: RoutePolicy): RoutePolicy {
  const filters = route.filters.filter(({ filter }) => !Object.hasOwn(LEFT_OUT, filter));
  return { ...route, filters };
}

/** Nothing that learns of one request what the next one meets. */
function replayedCluster(policy: ClusterPolicy): ClusterPolicy {
  const { outlier: _, health: __, limits, balance, ...rest } = policy;
  const { policy: name, hashBy } = balance;
  const { adaptive: ___, ...plain } = limits;
  return {
    ...rest,
    breaker: null,
    limits: plain,
    balance: hashBy === undefined ? { policy: name } : { policy: name, hashBy },
  };
}

function mapped<From, To>(
  from: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, map(value)]));
}

// ---------------------------------------------------------------- both ends

function bytesOf({ method, target, host, headers }: CapturedRequest): Uint8Array {
  const lines = [`${method} ${target} HTTP/1.1`, `host: ${host}`];
  for (const [name, value] of Object.entries(headers)) {
    if (!FRAMING.has(name)) lines.push(`${name}: ${value}`);
  }
  if (["POST", "PUT", "PATCH"].includes(method)) lines.push("content-length: 0");
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

/** As the callee answered then; null: it failed. */
function answerOf({ sent, status, detail, answerHeaders }: CapturedRequest): Uint8Array | null {
  const code = calleeStatus(sent === null ? "" : detail, status);
  if (code === null) return null;
  const lines = [`HTTP/1.1 ${code} Replayed`, "connection: close"];
  for (const [name, value] of Object.entries(answerHeaders)) {
    if (!FRAMING.has(name)) lines.push(`${name}: ${value}`);
  }
  if (code !== 204 && code !== 304) lines.push("content-length: 0");
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

/** 200 where it was not asked. */
function calleeStatus(detail: string, status: number): number | null {
  const given = /\{upstream_(\d{3})\}/.exec(detail)?.[1];
  if (given !== undefined) return Number(given);
  if (isCalleesFailure(detail)) return null;
  return detail === "via_upstream" && status >= 200 ? status : 200;
}

/** Whether a detail says that the callee gave no answer that could be used. */
export function isCalleesFailure(detail: string): boolean {
  const code = /^(?:(?:fallback|last_good)_[\w-]+\{)?([a-z-]+)/.exec(detail)?.[1] ?? "";
  return Object.hasOwn(DECISIONS, code) && DECISIONS[code as FailureCode].source === "upstream";
}

class Caller implements DialHandler {
  readonly #request: Uint8Array;
  readonly #sender = new ByteSender();
  #socket: Socket | null = null;
  isOver = false;

  constructor(request: Uint8Array) {
    this.#request = request;
  }

  onOpen(socket: Socket): void {
    this.#socket = socket;
    this.#sender.attach(socket);
    this.#sender.send(this.#request);
  }

  onData(): void {}

  onDrain(): void {
    this.#sender.flush();
  }

  onEnd(): void {
    this.isOver = true;
  }

  onClose(): void {
    this.isOver = true;
  }

  onConnectError(): void {
    this.isOver = true;
  }

  leave(): void {
    this.#socket?.terminate();
  }
}

/** Answers once a connection: no request has a body that would follow its head. */
class Callee implements SocketHandler {
  readonly #answer: () => Uint8Array | null;
  readonly #sender = new ByteSender();
  #socket: Socket | null = null;
  #text = "";
  #isDone = false;

  constructor(answer: () => Uint8Array | null) {
    this.#answer = answer;
  }

  onOpen(socket: Socket): void {
    this.#socket = socket;
    this.#sender.attach(socket);
  }

  onData(bytes: Uint8Array): void {
    if (this.#isDone) return;
    this.#text += Buffer.from(bytes).toString("latin1");
    if (!this.#text.includes("\r\n\r\n")) return;
    this.#isDone = true;
    const answer = this.#answer();
    if (answer === null) return this.#socket!.terminate();
    this.#sender.send(answer);
    this.#sender.whenEmpty(() => this.#socket!.close());
  }

  onDrain(): void {
    this.#sender.flush();
  }

  onEnd(): void {
    this.#socket?.close();
  }

  onClose(): void {}
}
