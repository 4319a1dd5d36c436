import type { TracingPolicy } from "../../api/tracing.ts";
import { Failure } from "../../base/failure.ts";
import type { Timer } from "../../base/world.ts";
import { otlpJson, type SpanRecord, type SpanSource, zipkinJson } from "../../codec/spans.ts";
import { HttpClient, HttpError } from "../../http/client.ts";
import { retryAfterMs } from "../cluster/retry.ts";
import type { ProxyContext } from "../context.ts";

/** Spans that wait for the collector: at 300 bytes each some 600 KB. */
const MAX_WAITING = 2_048;
/** In one request: encoding them takes about a millisecond. */
const MAX_BATCH = 512;
const FLUSH_AFTER_MS = 1_000;
const TIMEOUT_MS = 5_000;
/** Of one batch. */
const ATTEMPTS = 4;
const BACKOFF_MS = 500;
const MAX_WAIT_MS = 10_000;
const MAX_ANSWER_BYTES = 65_536;
/** As OTLP/HTTP has it; any other refusal would be the same the next time. */
const WORTH_RETRYING: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Where spans go. */
export interface SpanTarget {
  readonly exporter: TracingPolicy["exporter"];
  /** An IP address or a name. */
  readonly host: string;
  readonly port: number;
  /** The Host header. */
  readonly authority: string;
  readonly path: string;
  readonly source: SpanSource;
}

/** @throws Failure `refused` where the URL is none of http. */
export function spanTarget(
  { exporter }: TracingPolicy,
  url: string,
  source: SpanSource,
): SpanTarget {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || parsed.protocol !== "http:") {
    throw new Failure("refused", `tracing: ${JSON.stringify(url)} is not a URL of http`);
  }
  return {
    exporter,
    host: parsed.hostname.replaceAll(/^\[|\]$/g, ""),
    port: Number(parsed.port || 80),
    authority: parsed.host,
    path: parsed.pathname + parsed.search,
    source,
  };
}

/** What became of spans. */
export interface SpanCounts {
  sent: number;
  /** Too many waited. */
  dropped: number;
  /** The collector refused them, or was away for all attempts. */
  failed: number;
}

type Outcome =
  | { readonly kind: "taken"; readonly rejected: number }
  | { readonly kind: "refused" | "again"; readonly reason: string; readonly afterMs?: number };

/**
 * Sends spans to a collector in batches, beside all requests: a collector that is slow or away costs
 * spans, which are counted, and nothing else. One batch is on its way at a time.
 */
export class SpanExporter {
  readonly counts: SpanCounts = { sent: 0, dropped: 0, failed: 0 };
  /** Null: nothing was ever to be sent. */
  target: SpanTarget | null = null;
  readonly #context: ProxyContext;
  readonly #client: HttpClient;
  readonly #waiting: SpanRecord[] = [];
  readonly #abort = new AbortController();
  /** Of the next batch, or of the pause before the next attempt. */
  #timer: Timer | null = null;
  #wake: (() => void) | null = null;
  #sending: Promise<void> | null = null;
  #attempts = 0;
  #isAway = false;
  #draining = false;
  #closed = false;

  constructor(context: ProxyContext) {
    this.#context = context;
    this.#client = new HttpClient(context.world, { maxIdle: 1 });
  }

  add(span: SpanRecord): void {
    if (this.#closed || this.#waiting.length >= MAX_WAITING) {
      this.counts.dropped++;
      return;
    }
    this.#waiting.push(span);
    if (this.#sending !== null) return;
    // Not at once: whoever adds it is in the middle of a request.
    if (this.#waiting.length === MAX_BATCH) this.#flushIn(0);
    else if (this.#timer === null) this.#flushIn(FLUSH_AFTER_MS);
  }

  #flushIn(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#context.clock.after(ms, () => {
      this.#timer = null;
      this.#start();
    });
  }

  #start(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#sending ??= this.#sendWaiting().finally(() => {
      this.#sending = null;
      if (this.#closed || this.#waiting.length === 0) return;
      this.#flushIn(this.#waiting.length >= MAX_BATCH ? 0 : FLUSH_AFTER_MS);
    });
  }

  async #sendWaiting(): Promise<void> {
    do {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      if (batch.length > 0) await this.#deliver(this.target!, batch);
    } while (this.#draining && this.#waiting.length > 0);
  }

  async #deliver(target: SpanTarget, batch: readonly SpanRecord[]): Promise<void> {
    const { counts } = this;
    const encode = target.exporter === "otlp" ? otlpJson : zipkinJson;
    const body = encode(batch, target.source);
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#post(target, body);
      if (outcome.kind === "taken") {
        const rejected = Math.min(outcome.rejected, batch.length);
        counts.sent += batch.length - rejected;
        counts.failed += rejected;
        return this.#told(true, target, "spans are sent again");
      }
      if (outcome.kind === "refused" || attempt === ATTEMPTS || this.#closed) {
        counts.failed += batch.length;
        return this.#told(false, target, `spans are lost: ${outcome.reason}`);
      }
      const backoffMs = BACKOFF_MS * 2 ** (attempt - 1) * (0.5 + this.#context.random.next() / 2);
      await this.#pause(Math.min(MAX_WAIT_MS, Math.max(backoffMs, outcome.afterMs ?? 0)));
    }
  }

  /** Once when the first batch is lost, and once when one arrives again. */
  #told(arrived: boolean, { authority }: SpanTarget, text: string): void {
    if (this.#isAway !== arrived || this.#closed) return;
    this.#isAway = !arrived;
    this.#context.events.add(arrived ? "collector-back" : "collector-away", authority, text);
  }

  async #post(target: SpanTarget, body: string): Promise<Outcome> {
    try {
      const host = await this.#addressOf(target);
      const answer = await this.#client.request({
        method: "POST",
        address: { host, port: target.port },
        host: target.authority,
        path: target.path,
        headers: { "content-type": "application/json" },
        body,
        timeoutMs: TIMEOUT_MS,
        maxBodyBytes: MAX_ANSWER_BYTES,
        abort: this.#abort.signal,
      });
      const { status } = answer;
      if (status >= 200 && status < 300) {
        return { kind: "taken", rejected: target.exporter === "otlp" ? rejectedOf(answer.body) : 0 };
      }
      const reason = `${target.authority} answered ${status}`;
      if (!WORTH_RETRYING.has(status)) return { kind: "refused", reason };
      const asked = answer.headers.get("retry-after") ?? null;
      return { kind: "again", reason, afterMs: retryAfterMs(asked, this.#context.clock.wallMs()) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const mayRetry = !(error instanceof HttpError && error.code === "malformed");
      return { kind: mayRetry ? "again" : "refused", reason };
    }
  }

  /** A name may have several addresses: another one each time. */
  async #addressOf({ host }: SpanTarget): Promise<string> {
    if (/^[0-9.]+$/.test(host) || host.includes(":")) return host;
    const found = await this.#context.net.resolve(host);
    const address = found[this.#attempts++ % found.length]?.address;
    if (address === undefined) throw new Error(`${host} has no address`);
    return address;
  }

  #pause(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#timer = this.#context.clock.after(ms, () => {
        this.#timer = null;
        resolve();
      });
    });
  }

  /** Sends what waits, and closes; what is left after `withinMs` is lost. */
  async drain(withinMs: number): Promise<void> {
    this.#draining = true;
    await new Promise<void>((resolve) => {
      const timer = this.#context.clock.after(withinMs, resolve);
      void this.#sendAll().then(() => {
        timer.cancel();
        resolve();
      });
    });
    this.close();
  }

  async #sendAll(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    // A pause before the next attempt ends now.
    this.#wake?.();
    await this.#sending;
    if (this.#closed || this.#waiting.length === 0) return;
    this.#start();
    await this.#sending;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.counts.dropped += this.#waiting.splice(0).length;
    this.#abort.abort();
    this.#wake?.();
    this.#client.close();
  }
}

/** Of an ExportTraceServiceResponse: spans that the collector did not want after all. */
function rejectedOf(body: Uint8Array): number {
  if (body.length === 0) return 0;
  try {
    const answer = JSON.parse(Buffer.from(body).toString()) as {
      readonly partialSuccess?: { readonly rejectedSpans?: unknown };
    } | null;
    const count = Number(answer?.partialSuccess?.rejectedSpans ?? 0);
    return Number.isSafeInteger(count) && count > 0 ? count : 0;
  } catch {
    // A collector that answers in another way has taken them.
    return 0;
  }
}
