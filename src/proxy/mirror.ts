import type { MirrorPolicy, RoutePolicy } from "../api/snapshot.ts";
import type { MirrorOutcome } from "../api/stats.ts";
import { Failure } from "../base/failure.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { requestHeadSize, writeRequestHead } from "../codec/http1/encoder.ts";
import { RequestDecoder } from "../codec/http1/request_decoder.ts";
import type { RequestHead } from "../codec/message.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { ListenerConfig } from "./listener/config.ts";
import { failStream } from "./process_response.ts";
import { Route } from "./route/route.ts";
import { type Downstream, Stream } from "./stream.ts";
import { increment, RouteCounters } from "./telemetry/counters.ts";
import { startTry, streamTimedOut } from "./tries.ts";

/** A head that went through the listener's bounds once; filters may have added to it. */
const HEAD_LIMITS = { maxHeaderBytes: 4 * 1024 * 1024, maxHeaders: 100_000 };

/**
 * Sends a copy of a part of a route's requests to another cluster and throws the answers away. The
 * caller's request is never touched by it: the copy starts behind it, is tried once, has its own
 * time, and takes its connections from the other cluster, whose limits and breaker hold.
 *
 * A body is gathered, as a copy, up to the policy's bound, and the copy of the request starts when
 * it is whole: nothing has to keep up with anything. A larger body is not mirrored, and counted.
 * Trailers and upgrades are left out.
 */
export class Mirror {
  readonly policy: MirrorPolicy;
  readonly cluster: Cluster;
  /** What the copies are tried under; its counters are shown nowhere. */
  readonly route: Route;

  /** @throws Failure `refused` where there is no such cluster. */
  constructor(route: RoutePolicy, policy: MirrorPolicy, clusters: ReadonlyMap<string, Cluster>) {
    const cluster = clusters.get(policy.cluster);
    if (cluster === undefined) {
      const text = `route ${route.name}: no cluster is named ${policy.cluster}, to mirror to`;
      throw new Failure("refused", text);
    }
    this.policy = policy;
    this.cluster = cluster;
    const { name, hosts, path } = route;
    const { timeoutMs } = policy;
    const own: RoutePolicy = {
      name,
      hosts,
      path,
      backends: [{ cluster: policy.cluster, weight: 1 }],
      timeoutMs,
      idleTimeoutMs: 0,
      retry: null,
      fallback: null,
      filters: [],
    };
    this.route = new Route(own, clusters, new RouteCounters(), { random: NO_CHANCE });
  }

  /**
   * The request is about to be tried: a copy to `start` then, where it has no body; where it has
   * one, the stream gathers it. Null where there is nothing to start.
   */
  take(stream: Stream): MirroredRequest | null {
    const { ratio, maxInFlight, maxBodyBytes } = this.policy;
    const { head, context } = stream;
    if (ratio < 1 && context.random.next() >= ratio) return null;
    if (head.upgrade) return null;
    const { counters } = this.cluster;
    if (counters.mirrorsActive >= maxInFlight) return this.#skip("overflow");
    if (head.framing === "length" && head.contentLength > maxBodyBytes) {
      return this.#skip("body-too-large");
    }
    const copy = copyOf(head);
    if (copy === null) return this.#skip("failed");
    if (this.policy.shadowHost && copy.host !== "") copy.authority = shadowed(copy.host);
    counters.mirrorsActive++;
    const mirrored = new MirroredRequest(this, stream, copy);
    if (head.framing === "none") return mirrored;
    stream.mirrored = mirrored;
    return null;
  }

  #skip(outcome: MirrorOutcome): null {
    increment(this.cluster.counters.mirrored, outcome);
    return null;
  }
}

/** One copy, and the end of it where a caller would be. */
export class MirroredRequest implements Downstream {
  readonly #mirror: Mirror;
  readonly #stream: Stream;
  readonly #config: ListenerConfig;
  readonly #remoteAddress: string;
  readonly #requestId: string | null;
  readonly #body: Uint8Array[] = [];
  #bodyBytes = 0;
  #ended = false;

  constructor(mirror: Mirror, original: Stream, head: RequestHead) {
    this.#mirror = mirror;
    this.#stream = new Stream(original.context, this, head, streamTimedOut);
    this.#stream.isMirror = true;
    this.#config = original.config;
    this.#remoteAddress = original.remoteAddress;
    this.#requestId = original.requestId;
  }

  /** A slice of the body. False where it became too large: there will be no copy. */
  gather(bytes: Uint8Array, start: number, end: number): boolean {
    this.#bodyBytes += end - start;
    if (this.#bodyBytes > this.#mirror.policy.maxBodyBytes) {
      this.#end("body-too-large");
      return false;
    }
    // A slice would keep the whole read that it came in.
    this.#body.push(bytes.slice(start, end));
    return true;
  }

  /** The original ended before its body did. */
  drop(): void {
    this.#end("incomplete");
  }

  /** The request is whole. */
  start(): void {
    const stream = this.#stream;
    const { cluster, route } = this.#mirror;
    stream.begin(this.#config, this.#remoteAddress);
    // The copy carries the same header: what is told of it leads to the original.
    stream.requestId = this.#requestId;
    stream.route = route;
    route.counters.active++;
    stream.context.timeouts.list(route.policy.timeoutMs).arm(stream.requestTimeout);
    for (const bytes of this.#body.splice(0)) {
      stream.bodyParts.push({ bytes, start: 0, end: bytes.length });
    }
    stream.bodyKeptBytes = this.#bodyBytes;
    stream.requestEnded = true;
    const refusal = cluster.admit(stream.startedMs);
    if (refusal !== null) return failStream(stream, refusal);
    stream.cluster = cluster;
    startTry(stream);
  }

  #end(outcome: MirrorOutcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#body.length = 0;
    const { counters } = this.#mirror.cluster;
    counters.mirrorsActive--;
    increment(counters.mirrored, outcome);
  }

  // -------------------------------------------------------------- the answer

  endResponse(): void {
    this.#end(this.#stream.status < 500 ? "ok" : "error");
  }

  sendLocal(): void {
    this.#end("failed");
  }

  abort(): void {
    this.#end("failed");
  }

  readonly isBlocked = false;
  sendInterim(): void {}
  sendHead(): void {}
  sendBody(): boolean {
    return true;
  }
  sendTrailers(): void {}
  pauseRequest(): void {}
  resumeRequest(): void {}
  becomeTunnel(): void {}
  endTunnelSide(): void {}
}

/** As it would be sent upstream, and read again: so it hangs on nothing of the original. */
function copyOf(head: RequestHead): RequestHead | null {
  const out = new ByteWriter(requestHeadSize(head));
  writeRequestHead(out, head);
  let copy: RequestHead | null = null;
  const decoder = new RequestDecoder(HEAD_LIMITS, {
    onRequestHead: (read) => {
      copy = read;
    },
    onBody: () => {},
    onTrailers: () => {},
    onMessageEnd: () => {},
  });
  return decoder.feed(out.bytes.subarray(0, out.length)) === null ? copy : null;
}

/** `api-shadow`, `api-shadow:8080`: as Envoy marks it, so that the callee can tell. */
export function shadowed(host: string): string {
  const port = /:\d*$/.exec(host)?.[0] ?? "";
  return `${host.slice(0, host.length - port.length)}-shadow${port}`;
}

/** For filters, and there are none. */
const NO_CHANCE = { next: () => 0, uint32: () => 0, secureBytes: () => new Uint8Array(0) };
