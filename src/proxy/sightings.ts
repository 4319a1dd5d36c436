import type { Sighting } from "../api/sighting.ts";
import type { Clock } from "../base/world.ts";
import { detached } from "../codec/ascii.ts";
import type { CodecError } from "../codec/message.ts";
import { type Repair, REPAIRS } from "../codec/http1/repair.ts";
import type { Stream } from "./stream.ts";

/** How many are kept for `GET /sightings`. */
export const KEPT_SIGHTINGS = 256;
/** The same is told again after so long at the earliest: one bad header is in every answer. */
const SAME_AFTER_MS = 1_000;
/** How many kinds are told apart for that; what is forgotten is told anew. */
const MAX_KINDS = 256;
/** Of one answer so many repairs are told; all are counted. */
const MAX_REPAIRS_TOLD = 8;
/** Longer paths are cut. */
const MAX_PATH = 256;
/** An event of the same kind comes once in so long ... */
const EVENT_AFTER_MS = 60_000;
/** ... and no more than this of all kinds: header names are an upstream's to choose. */
const MAX_EVENTS_A_MINUTE = 10;

/** Without what the log of them adds. */
export type Sighted = Omit<Sighting, "sequence" | "timeMs" | "count">;

/** What is remembered of one kind. */
interface Kind {
  toldMs: number;
  /** Since then. */
  silent: number;
  eventMs: number;
}

/** The malformed messages that came by lately, each kind at most once a second. */
export class Sightings {
  readonly #clock: Clock;
  readonly #tell: (cluster: string, text: string) => void;
  #kept: Sighting[] = [];
  readonly #kinds = new Map<string, Kind>();
  #sequence = 0;
  /** What was handed on by `take`. */
  #taken = 0;
  #minuteMs = -Infinity;
  #events = 0;

  /** @param tell says so of a response to whoever watches the proxy, seldom */
  constructor(clock: Clock, tell: (cluster: string, text: string) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** A message that could not be read. @param stream of its request, where there is one */
  refused(
    direction: Sighting["direction"],
    where: string,
    error: CodecError,
    stream: Stream | null,
  ): void {
    const { code, message, header } = error;
    this.#add({
      ...requestOf(stream),
      direction,
      where,
      header: header ?? "",
      reason: code,
      detail: message,
      action: "refused",
    });
  }

  /** A response's head that was repaired. */
  repaired(cluster: string, repairs: readonly Repair[], stream: Stream | null): void {
    for (const { kind, header } of repairs.slice(0, MAX_REPAIRS_TOLD)) {
      this.#add({
        ...requestOf(stream),
        direction: "response",
        where: cluster,
        header,
        reason: kind,
        detail: REPAIRS[kind].repair,
        action: "repaired",
      });
    }
  }

  /** The oldest first. A `since` that is not reached yet is a number of the process before this one. */
  list(since = 0): readonly Sighting[] {
    const from = since > this.#sequence ? 0 : since;
    return this.#kept.filter(({ sequence }) => sequence > from);
  }

  /** What has come since this was called last. */
  take(): readonly Sighting[] {
    const taken = this.list(this.#taken);
    this.#taken = this.#sequence;
    return taken;
  }

  /** Takes over what others saw; it gets this one's numbers. */
  addAll(sightings: readonly Sighting[]): void {
    const sorted = [...sightings].sort((one, other) => one.timeMs - other.timeMs);
    for (const sighting of sorted) this.#keep(sighting);
  }

  #add(sighted: Sighted): void {
    const { where, direction, header, reason, action } = sighted;
    const key = `${direction} ${where} ${action} ${reason} ${header}`;
    const now = this.#clock.now();
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      if (this.#kinds.size === MAX_KINDS) {
        for (const oldest of this.#kinds.keys()) {
          this.#kinds.delete(oldest);
          break;
        }
      }
      kind = { toldMs: -Infinity, silent: 0, eventMs: -Infinity };
      this.#kinds.set(key, kind);
    }
    kind.silent++;
    if (now - kind.toldMs < SAME_AFTER_MS) return;
    this.#keep({ ...sighted, sequence: 0, timeMs: this.#clock.wallMs(), count: kind.silent });
    kind.toldMs = now;
    kind.silent = 0;
    if (direction === "response" && now - kind.eventMs >= EVENT_AFTER_MS && this.#mayTell(now)) {
      kind.eventMs = now;
      this.#tell(where, inWords(sighted));
    }
  }

  #mayTell(now: number): boolean {
    if (now - this.#minuteMs >= EVENT_AFTER_MS) {
      this.#minuteMs = now;
      this.#events = 0;
    }
    return this.#events++ < MAX_EVENTS_A_MINUTE;
  }

  #keep(sighting: Sighting): void {
    if (this.#kept.length === KEPT_SIGHTINGS) this.#kept.shift();
    this.#kept.push({ ...sighting, sequence: ++this.#sequence });
  }
}

function requestOf(stream: Stream | null): Pick<Sighted, "requestId" | "method" | "path"> {
  if (stream === null) return { requestId: null, method: "", path: "" };
  const { requestId, head } = stream;
  return { requestId, method: head.method, path: detached(head.path.slice(0, MAX_PATH)) };
}

function inWords({ header, reason, detail, action }: Sighted): string {
  const which = header === "" ? "" : ` (header ${header})`;
  return `a malformed answer was ${action}: ${reason}${which}: ${detail}`;
}
