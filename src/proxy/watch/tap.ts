import type { RequestRecord, TryRecord } from "../../api/request_record.ts";
import type { PathMatch } from "../../api/snapshot.ts";
import type { TapOrder } from "../../api/tap.ts";
import type { Clock, Timer } from "../../base/world.ts";
import type { HeaderBlock } from "../../codec/headers.ts";
import type { RequestHead, ResponseHead } from "../../codec/message.ts";
import { type FailureCode, isFailed } from "../errors.ts";
import type { AnswerHeaders } from "../filters/filter.ts";
import { normalizePath } from "../route/normalize_path.ts";
import { pathTest } from "../route/path_rules.ts";
import type { Stream } from "../stream.ts";
import { shownBlock, shownFields } from "./header_redaction.ts";
import { RateBound } from "./rate_bound.ts";
import { type Asked, askedOf, recordOf } from "./record.ts";
import type { RequestWatch, Watcher } from "./watch.ts";

/** Further ones are counted: who looks on must not slow down what it looks at. */
export const MAX_TAPPED_PER_SECOND = 1_000;
/** Records travel together. */
const BATCH_MS = 50;
/** A request with more tries than that shows its first ones. */
const MAX_TRIES = 32;

/** Takes what was seen, in order, and how many more there were. */
export type TapTaker = (records: readonly RequestRecord[], lost: number) => void;

/** Shows requests that match while it is among the proxy's watchers. */
export class Tap implements Watcher {
  readonly #order: TapOrder;
  readonly #clock: Clock;
  readonly #take: TapTaker;
  readonly #pathFits: ((path: string) => boolean) | null;
  readonly #rate: RateBound;
  #batch: RequestRecord[] = [];
  #lost = 0;
  #timer: Timer | null = null;
  #seen = 0;
  #ended = false;

  constructor(order: TapOrder, clock: Clock, take: TapTaker) {
    this.#order = order;
    this.#clock = clock;
    this.#take = take;
    this.#pathFits = order.path === null ? null : pathFilter(order.path);
    this.#rate = new RateBound(clock, MAX_TAPPED_PER_SECOND);
  }

  begin(stream: Stream): RequestWatch | null {
    if (stream.isMirror || !this.#wants(stream.head)) return null;
    return new TappedRequest(this, stream, this.#order.show);
  }

  /** What has not been handed on yet is handed on. */
  end(): void {
    this.#flush();
    this.#ended = true;
  }

  #wants(head: RequestHead): boolean {
    const { methods, headers } = this.#order;
    if (methods.length !== 0 && !methods.includes(head.method)) return false;
    for (const [name, value] of headers) {
      const sent = head.headers.get(name);
      if (sent === null || (value !== "" && sent !== value)) return false;
    }
    if (this.#pathFits === null) return true;
    const path = head.unusualPath ? normalizePath(head.path) : head.path;
    return path !== null && this.#pathFits(path);
  }

  /** For a request that has ended. */
  wantsOutcome(stream: Stream): boolean {
    const { statuses, flags, route, cluster, failed } = this.#order;
    const { status } = stream;
    if (failed && !isFailed(stream)) return false;
    if (route !== null && stream.route?.name !== route) return false;
    if (cluster !== null && stream.cluster?.name !== cluster) return false;
    if (flags.length !== 0) {
      const set = stream.flags.split(",");
      if (!flags.some((flag) => set.includes(flag))) return false;
    }
    if (statuses.length === 0) return true;
    const [text, group] = [String(status), `${Math.floor(status / 100)}xx`];
    return statuses.some((one) => one === text || one === group);
  }

  emit(makeRecord: (wallMs: number) => RequestRecord): void {
    const { limit } = this.#order;
    if (this.#ended || (limit !== 0 && this.#seen >= limit)) return;
    if (this.#rate.passes()) {
      this.#seen++;
      this.#batch.push(makeRecord(this.#clock.wallMs()));
    } else this.#lost++;
    this.#timer ??= this.#clock.after(BATCH_MS, () => this.#flush());
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const [records, lost] = [this.#batch, this.#lost];
    if (this.#ended || (records.length === 0 && lost === 0)) return;
    this.#batch = [];
    this.#lost = 0;
    this.#take(records, lost);
  }
}

/** Whether a path, normalised, is one of these. */
export function pathFilter(path: PathMatch): (path: string) => boolean {
  const { kind, value } = path;
  if (kind === "template" || kind === "regex") return pathTest(path).matches;
  if (kind === "exact") return (asked) => asked === value;
  const below = value.endsWith("/") ? value : `${value}/`;
  return (asked) => asked === value || asked.startsWith(below);
}

class TappedRequest implements RequestWatch {
  readonly #tap: Tap;
  readonly #show: TapOrder["show"];
  readonly #asked: Asked;
  readonly #requestHeaders: ReturnType<typeof shownBlock>;
  #responseHeaders: ReturnType<typeof shownBlock> = [];
  readonly #tries: TryRecord[] = [];
  /** Of the try in hand, from the request's start; below 0: there is none. */
  #tryStartMs = -1;

  constructor(tap: Tap, stream: Stream, show: TapOrder["show"]) {
    this.#tap = tap;
    this.#show = show;
    this.#asked = askedOf(stream, show.query);
    const { headers } = stream.head;
    this.#requestHeaders = show.headers === "none" ? [] : shownBlock(headers, show.headers);
  }

  onTry(stream: Stream): void {
    this.#tryStartMs = stream.tryStartedMs - stream.startedMs;
  }

  onTryEnd(stream: Stream, status: number, failure: FailureCode | null): void {
    this.#endTry(stream, stream.context.clock.now(), status, failure);
  }

  #endTry(stream: Stream, nowMs: number, status: number, failure: FailureCode | null): void {
    if (this.#tryStartMs < 0) return;
    const startMs = this.#tryStartMs;
    this.#tryStartMs = -1;
    if (this.#tries.length === MAX_TRIES) return;
    const upstream = stream.endpoint === null ? null : stream.endpoint.key;
    const durationMs = nowMs - stream.startedMs - startMs;
    this.#tries.push({ upstream, startMs, durationMs, status, failure });
  }

  onAnswer(_stream: Stream, { headers }: ResponseHead): void {
    const { headers: which } = this.#show;
    if (which !== "none") this.#responseHeaders = shownBlock(headers, which);
  }

  onLocalAnswer(_stream: Stream, headers: AnswerHeaders): void {
    const { headers: which } = this.#show;
    if (which !== "none") this.#responseHeaders = shownFields(headers, which);
  }

  onTrailers(_stream: Stream, _trailers: HeaderBlock): void {}

  onComplete(stream: Stream, nowMs: number): void {
    if (!this.#tap.wantsOutcome(stream)) return;
    this.#endTry(stream, nowMs, 0, null);
    this.#tap.emit((wallMs) => {
      const record = recordOf(stream, this.#asked, this.#tries, nowMs, wallMs);
      if (this.#show.headers === "none") return record;
      const headers = { request: this.#requestHeaders, response: this.#responseHeaders };
      return { ...record, headers };
    });
  }
}
