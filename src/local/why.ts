import type { FailedRequest } from "../api/request_record.ts";
import type { World } from "../base/world.ts";
import { type FailureWords, failureWords } from "./failure_words.ts";
import { type AdminPlace, askAll } from "./sidecars.ts";

/** One sidecar's part in a request that was refused or failed. */
export interface FailedHop extends FailedRequest, FailureWords {
  readonly app: string;
}

export interface Story {
  readonly id: string;
  /** In the order in which the request came by. */
  readonly hops: readonly FailedHop[];
  /** Sidecars that were asked and answered, and what is wrong with the others. */
  readonly asked: readonly string[];
  readonly silent: readonly string[];
}

interface Answer {
  readonly requests: readonly FailedRequest[];
}

/**
 * What all sidecars know of a request, by request id, trace id or `APP:KEY`. What belongs to the
 * same trace is found along with it, where the apps pass the trace on.
 */
export async function findStory(
  world: World,
  places: readonly AdminPlace[],
  id: string,
): Promise<Story> {
  const keyed = /^(.+):(f\d+-\d+)$/.exec(id);
  const at = keyed === null ? places : places.filter(({ workload }) => workload === keyed[1]);
  const first = at.length === 0 ? [] : await ask(world, at, keyed?.[2] ?? id);
  const found = [...first];
  const traces = new Set(first.flatMap(({ traceId }) => (traceId === null ? [] : [traceId])));
  for (const trace of traces) {
    if (trace === id) continue;
    for (const hop of await ask(world, places, trace)) {
      if (!found.some((one) => one.app === hop.app && one.key === hop.key)) found.push(hop);
    }
  }
  found.sort(inOrder);
  const { answers, silent } = await askAll<unknown>(world, places, "/log-level");
  const asked = answers.map(([{ workload }]) => workload);
  return { id, hops: found, asked, silent: silent.map(({ message }) => message) };
}

/** Wall clocks tell whole milliseconds. */
const CLOCK_GRAIN_MS = 2;

/** As the request came by: of two at the same time the longer one waited for the other. */
function inOrder(a: FailedHop, b: FailedHop): number {
  const apart = a.timeMs - b.timeMs;
  return Math.abs(apart) > CLOCK_GRAIN_MS ? apart : b.durationMs - a.durationMs;
}

/** The newest that were refused or failed, of all sidecars that answer. */
export async function newestFailures(
  world: World,
  places: readonly AdminPlace[],
  count: number,
): Promise<readonly FailedHop[]> {
  const { answers } = await askAll<Answer>(world, places, "/why");
  const all = answers.flatMap(([place, { requests }]) => hopsOf(place, requests));
  return all.sort((a, b) => b.timeMs - a.timeMs).slice(0, count);
}

async function ask(world: World, places: readonly AdminPlace[], id: string): Promise<FailedHop[]> {
  const path = `/why/${encodeURIComponent(id)}`;
  const { answers } = await askAll<Answer>(world, places, path);
  return answers.flatMap(([place, { requests }]) => hopsOf(place, requests));
}

function hopsOf({ workload: app }: AdminPlace, requests: readonly FailedRequest[]): FailedHop[] {
  return requests.map((request) => {
    return { app, ...request, ...failureWords(request, app) };
  });
}

/** What the request can be asked for by. */
export function idOf({ app, key, requestId, traceId }: FailedHop): string {
  return requestId ?? traceId ?? `${app}:${key}`;
}
