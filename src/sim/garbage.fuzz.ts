import { SimulatedRandom } from "../base/simulated/random.ts";
import { fuzzUntil } from "../codec/testdata/fuzzing.ts";
import { Rig } from "./rig.ts";
import { RETRY } from "./snapshots.ts";
import { chunked, reply } from "./upstream.ts";

/**
 * A whole proxy between callers and an upstream that send bytes that nobody would send: whatever
 * they are, nothing throws, hangs or stays behind.
 */

const REQUESTS = [
  "GET /a?b=c HTTP/1.1\r\nHost: shop\r\nConnection: keep-alive\r\n\r\n",
  "PUT /a HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello",
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: shop\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nearly",
  "HEAD http://shop/a/../b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
];
const ANSWERS = [
  reply(200, "hello"),
  reply(503, "ill"),
  chunked(["abc", "defg"], "X: y\r\n"),
  "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nhi",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
  "HTTP/1.1 200 OK\r\n\r\nuntil the end",
];
const NASTY = ["\r", "\n", "\r\n", "\0", " ", ":", ",", "\xff", "%", "/..", "-1", "fffffffff"];

/** The text with a few pieces cut out, doubled or put in. */
function garbled(text: string, random: SimulatedRandom): string {
  for (let edits = random.integer(0, 3); edits > 0; edits--) {
    const at = random.integer(0, text.length);
    const to = Math.min(text.length, at + random.integer(0, 6));
    const insert = [
      "",
      NASTY[random.integer(0, NASTY.length - 1)]!,
      text.slice(at, to).repeat(2),
      String.fromCharCode(random.integer(0, 255)),
    ][random.integer(0, 3)]!;
    text = text.slice(0, at) + insert + text.slice(to);
  }
  return text;
}

const pick = (from: readonly string[], random: SimulatedRandom): string =>
  garbled(from[random.integer(0, from.length - 1)]!, random);

/** What one run counted, and what was wrong; the same seed makes the same run. */
export interface GarbageRun {
  readonly requests: number;
  readonly malformed: number;
  /** Empty is right. */
  readonly problems: readonly string[];
}

export async function garbageRun(seed: number): Promise<GarbageRun> {
  const random = new SimulatedRandom(seed);
  const route = { retry: { ...RETRY, perTryTimeoutMs: 200 }, timeoutMs: 1_000, idleTimeoutMs: 500 };
  const rig = new Rig({ route, listener: { headerTimeoutMs: 500, idleTimeoutMs: 1_000 } }, seed);
  rig.world.net.setFaults({ partialRead: 0.4, partialWrite: 0.2 });
  const upstream = rig.upstream(1);
  upstream.onBytes = (peer) => {
    if (peer.input.length === 0) return true;
    peer.input = Buffer.alloc(0);
    peer.send(pick(ANSWERS, random));
    const end = random.integer(0, 9);
    if (end === 0) peer.close();
    if (end === 1) peer.terminate();
    return true;
  };
  for (let count = 0; count < 150; count++) {
    const { peer } = rig.client();
    for (let requests = random.integer(1, 3); requests > 0; requests--) {
      peer.send(pick(REQUESTS, random));
    }
    const end = random.integer(0, 3);
    if (end === 0) peer.shutdown();
    if (end === 1) rig.world.clock.after(random.between(0, 20), () => peer.terminate());
    await rig.advance(random.between(0, 30));
  }
  for (const client of rig.clients) client.peer.changed = () => {};
  await rig.advance(10_000);
  const problems: string[] = [];
  for (const name of ["requests_active", "connections_active", "upstream_requests_active"]) {
    const active = rig.metric(`outrigger_${name}`);
    if (active !== 0) problems.push(`${name} is ${active}`);
  }
  const requests = rig.metric("outrigger_requests_total");
  const malformed = rig.metric("outrigger_malformed_requests_total");
  for (const client of rig.clients) client.problem = "";
  problems.push(...(await rig.leaks()));
  return { requests, malformed, problems };
}

/** Runs until `Date.now()` passes `deadlineMs`, once at least; throws with the seed. */
export function fuzz(seed: number, deadlineMs: number): Promise<{ runs: number }> {
  return fuzzUntil(seed, deadlineMs, async (one) => {
    const { problems } = await garbageRun(one).catch((error: unknown) => {
      throw new Error(`seed ${one}`, { cause: error });
    });
    if (problems.length > 0) throw new Error(`seed ${one}: ${problems.join("; ")}`);
  });
}
