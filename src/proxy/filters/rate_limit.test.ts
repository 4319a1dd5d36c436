import { afterEach, expect, test } from "bun:test";
import type { RateLimitPolicy } from "../../api/rate_limit.ts";
import { ROUGH } from "../../base/simulated/faults.ts";
import { Rig } from "../../sim/rig.ts";
import type { SnapshotShape } from "../../sim/snapshots.ts";
import { FakeRedis } from "../limits/testdata/fake_redis.ts";

let rig: Rig;
let redis: FakeRedis | null = null;
afterEach(async () => {
  redis?.stop();
  redis = null;
  expect(await rig.leaks()).toEqual([]);
});

const LIMIT: RateLimitPolicy = {
  name: "route",
  requests: 2,
  perMs: 10_000,
  burst: 3,
  key: { by: "route" },
  maxKeys: 10,
};

const SHARED = { redis: "limits", timeoutMs: 20, whenAway: "deny" } as const;
const REDIS = { host: "10.0.9.1", port: 6379, database: 0 };

function shapeWith(policy: Partial<RateLimitPolicy>): SnapshotShape {
  const filters = [{ filter: "rate_limit", config: { ...LIMIT, ...policy } }];
  return { route: { filters }, accessLog: "json" };
}

/** RateLimit-Limit, -Remaining, -Reset. */
function rateFields(headers: ReadonlyMap<string, string>): (string | undefined)[] {
  return ["limit", "remaining", "reset"].map((name) => headers.get(`ratelimit-${name}`));
}

async function send(text: string): Promise<number> {
  const client = rig.client();
  const call = client.send(`GET ${text}\r\n\r\n`);
  await rig.advance(1);
  client.peer.close();
  return call.status;
}

async function statuses(count: number, text = "/ HTTP/1.1\r\nHost: a"): Promise<number[]> {
  const found: number[] = [];
  for (let index = 0; index < count; index++) found.push(await send(text));
  return found;
}

test("above the burst 429 with when to come again; the upstream hears of the rest only", async () => {
  rig = new Rig(shapeWith({}));
  const upstream = rig.upstream();
  expect(await statuses(5)).toEqual([200, 200, 200, 429, 429]);
  expect(upstream.requests.length).toBe(3);
  const refused = rig.client().get("/");
  await rig.advance(1);
  const { headers, body } = refused.answer!;
  expect([headers.get("retry-after"), body]).toEqual(["5", "too many requests\n"]);
  expect(rateFields(headers)).toEqual(["3, 2;w=10;burst=3", "0", "5"]);
  await rig.advance(5_000);
  expect(await statuses(2)).toEqual([200, 429]);
  const decided = { limit: "route", decided: "local" };
  expect(rig.metric("outrigger_rate_limited_total", decided)).toBe(4);
  const [route] = rig.proxy.stats().listeners[0]!.routes;
  const limited = { local: 4, shared: 0, away: 0 };
  expect(route!.rateLimits).toEqual({ route: { limited, unanswered: 0 } });
  await rig.advance(2_000);
  const flagged = rig.log.filter((line) => line.includes('"response_flags":"RL"'));
  expect(flagged.length).toBe(4);
  expect(flagged[0]).toContain('"response_code_details":"rate_limited"');
});

test("by header, path or source each value has a limit of its own", async () => {
  const one = { requests: 1, burst: 1 };
  rig = new Rig(shapeWith({ ...one, key: { by: "header", header: "x-user" } }));
  rig.upstream();
  const user = (name: string) => `/ HTTP/1.1\r\nHost: a\r\nX-User: ${name}`;
  expect(await statuses(2, user("ada"))).toEqual([200, 429]);
  expect(await statuses(2, user("bob"))).toEqual([200, 429]);
  expect(await statuses(2)).toEqual([200, 429]);
  rig.apply({ ...shapeWith({ ...one, name: "path", key: { by: "path" } }), version: "2" });
  expect(await statuses(2, "/a?x=1 HTTP/1.1\r\nHost: a")).toEqual([200, 429]);
  expect(await statuses(1, "/a?x=2 HTTP/1.1\r\nHost: a")).toEqual([429]);
  expect(await statuses(1, "/b HTTP/1.1\r\nHost: a")).toEqual([200]);
  rig.apply({ ...shapeWith({ ...one, name: "source", key: { by: "source" } }), version: "3" });
  expect(await statuses(2)).toEqual([200, 429]);
});

test("by the first segments of the path, or by one of them", async () => {
  const one = { requests: 1, burst: 1 };
  const get = (path: string) => statuses(1, `${path} HTTP/1.1\r\nHost: a`);
  rig = new Rig(shapeWith({ ...one, key: { by: "segments", segments: 2 } }));
  rig.upstream();
  expect([await get("/a/b/c"), await get("/a/b?x"), await get("/a/c"), await get("/a")]).toEqual([
    ...[[200], [429], [200], [200]],
  ]);
  const key = { by: "parameter", parameter: "id", segment: 2 } as const;
  rig.apply({ ...shapeWith({ ...one, key }), version: "2" });
  expect(await get("/users/7/orders")).toEqual([200]);
  expect(await get("/users/7")).toEqual([429]);
  expect(await get("/users/8/orders")).toEqual([200]);
});

test("by source behind a trusted hop each of its callers has a limit of its own", async () => {
  const policy = { requests: 1, burst: 1, key: { by: "source" } } as const;
  const shape = shapeWith(policy);
  const from = (address: string) => `/ HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${address}`;
  rig = new Rig({ ...shape, listener: { trustedHops: ["10.0.2.1"] } });
  rig.upstream();
  expect(await statuses(2, from("203.0.113.7"))).toEqual([200, 429]);
  expect(await statuses(2, from("203.0.113.8"))).toEqual([200, 429]);
  // Whom nobody trusts may write what it likes: it is one caller.
  rig.apply({ ...shape, version: "2" });
  expect(await statuses(1, from("203.0.113.7"))).toEqual([200]);
  expect(await statuses(1, from("203.0.113.9"))).toEqual([429]);
});

test("keys are bounded: the one that was used longest ago starts anew", async () => {
  const key = { by: "header", header: "x-user" } as const;
  rig = new Rig(shapeWith({ requests: 1, burst: 1, key, maxKeys: 2 }));
  rig.upstream();
  const user = (name: string) => statuses(1, `/ HTTP/1.1\r\nHost: a\r\nX-User: ${name}`);
  expect([await user("a"), await user("b"), await user("a")]).toEqual([[200], [200], [429]]);
  expect([await user("c"), await user("a"), await user("b")]).toEqual([[200], [429], [200]]);
});

test("with headers: true answers that pass say what is left, wherever they come from", async () => {
  rig = new Rig(shapeWith({ headers: true }));
  const upstream = rig.upstream();
  const ask = async () => {
    const call = rig.client().get("/");
    await rig.advance(1);
    return [call.status, rateFields(call.answer!.headers)] as const;
  };
  expect(await ask()).toEqual([200, ["3, 2;w=10;burst=3", "2", "5"]]);
  expect(await ask()).toEqual([200, ["3, 2;w=10;burst=3", "1", "10"]]);
  upstream.stop();
  for (const { peer } of rig.clients) peer.close();
  for (const peer of upstream.peers) peer.terminate();
  await rig.advance(1);
  expect(await ask()).toEqual([503, ["3, 2;w=10;burst=3", "0", "15"]]);
  expect((await ask())[0]).toBe(429);
  rig.apply({ ...shapeWith({}), version: "2" });
  await rig.advance(100_000);
  rig.upstream();
  expect((await ask())[1]).toEqual([undefined, undefined, undefined]);
});

test("what was counted outlives a new Snapshot, unless the limit is another", async () => {
  rig = new Rig(shapeWith({}));
  rig.upstream();
  expect(await statuses(3)).toEqual([200, 200, 200]);
  rig.apply({ ...shapeWith({}), version: "2" });
  expect(await statuses(1)).toEqual([429]);
  rig.apply({ ...shapeWith({ burst: 4 }), version: "3" });
  expect(await statuses(5)).toEqual([200, 200, 200, 200, 429]);
});

test.each([
  [{ requests: 0 }, "requests: a whole number"],
  [{ burst: 1.5 }, "burst: a whole number"],
  [{ perMs: 0 }, "perMs"],
  [{ name: "" }, "name"],
  [{ key: { by: "header" } }, "key.header"],
  [{ key: { by: "segments", segments: 0 } }, "key.segments"],
  [{ key: { by: "parameter", parameter: "id" } }, "key.parameter"],
  [{ key: { by: "moon" } }, "key.by"],
  [{ headers: "yes" }, "headers"],
  [{ shared: { ...SHARED, redis: "" } }, "shared.redis"],
  [{ shared: { ...SHARED, timeoutMs: 0 } }, "shared.timeoutMs"],
  [{ shared: { ...SHARED, whenAway: "wait" } }, "shared.whenAway"],
  [{ shared: SHARED }, "the Redis limits has no binding"],
] as const)("a config that makes no sense is refused: %j", (wrong, problem) => {
  rig = new Rig();
  expect(() => rig.apply(shapeWith(wrong as unknown as Partial<RateLimitPolicy>))).toThrow(problem);
});

// ---------------------------------------------------------------- shared

function shared(
  over: Partial<RateLimitPolicy["shared"]> = {},
  policy: Partial<RateLimitPolicy> = {},
): FakeRedis {
  const shape = shapeWith({ ...policy, shared: { ...SHARED, ...over } });
  rig = new Rig({ ...shape, redis: { limits: REDIS } });
  rig.upstream();
  redis = new FakeRedis(rig.world.at(REDIS.host), REDIS.host);
  return redis;
}

/** So many at the same instant, on connections of their own. */
async function burst(count: number, withinMs = 25): Promise<Record<number, number>> {
  const calls = Array.from({ length: count }, () => rig.client().get("/"));
  await rig.advance(withinMs);
  const found: Record<number, number> = {};
  for (const { status } of calls) found[status] = (found[status] ?? 0) + 1;
  for (const { peer } of rig.clients) peer.close();
  return found;
}

const limited = (decided: string) => rig.metric("outrigger_rate_limited_total", { decided });

test("a shared limit is Redis' word; a burst is asked in few writes", async () => {
  const server = shared();
  await rig.advance(1_000);
  server.chunks.length = 0;
  expect(await burst(40)).toEqual({ 200: 3, 429: 37 });
  expect(rig.upstreams[0]!.requests.length).toBe(3);
  expect(server.chunks.length).toBeLessThanOrEqual(3);
  expect(limited("shared")).toBe(37);
  expect(server.keys).toEqual(["outrigger:limit:default/shop:in:r0:route"]);
  expect(rig.proxy.stats().redis).toEqual([
    { name: "limits", state: "ready", answeredTotal: 40, failedTotal: NONE_FAILED },
  ]);
  expect(rig.metric("outrigger_redis_ready", { redis: "limits" })).toBe(1);
  expect(rig.metric("outrigger_redis_calls_total", { result: "answered" })).toBe(40);
});

const NONE_FAILED = { away: 0, overflow: 0, timeout: 0, error: 0 };

test("limits of one name are one limit; what callers write is not readable in Redis", async () => {
  const key = { by: "header", header: "x-user" } as const;
  const server = shared({ name: "everybody" }, { key });
  await rig.advance(1_000);
  await statuses(1, "/ HTTP/1.1\r\nHost: a\r\nX-User: s3cret");
  expect(server.keys.length).toBe(1);
  expect(server.keys[0]).toMatch(/^outrigger:limit:everybody:[0-9a-f]{32}$/);
});

test.each([
  ["allow", { 200: 10 }, { 200: 10 }, "away", 0],
  ["deny", { 503: 10 }, { 503: 10 }, "away", 20],
  ["local", { 200: 3, 429: 7 }, { 429: 10 }, "local", 17],
] as const)("Redis away: %s, at once; and back: shared again", async (whenAway, ...expected) => {
  const [first, then, by, count] = expected;
  const server = shared({ whenAway });
  await rig.advance(1_000);
  server.stop();
  await rig.advance(1);
  expect(await burst(10, 1)).toEqual({ ...first });
  expect(await burst(10, 1)).toEqual({ ...then });
  expect([limited(by), limited("shared")]).toEqual([count, 0]);
  expect(rig.metric("outrigger_rate_limit_unanswered_total")).toBe(20);
  expect(rig.metric("outrigger_redis_ready")).toBe(0);
  server.start();
  await rig.advance(3_000);
  expect(await burst(10)).toEqual({ 200: 3, 429: 7 });
  expect(limited("shared")).toBe(7);
  const kinds = rig.proxy.stats().events.map(({ kind }) => kind);
  expect(kinds.slice(-2)).toEqual(["redis-away", "redis-back"]);
  const flags = rig.log.filter((line) => line.includes('"response_flags":"RLSE"'));
  expect(flags.length).toBe(whenAway === "deny" ? 20 : 0);
});

test("a Redis that stands still holds a request for its time and no longer", async () => {
  const server = shared({ whenAway: "allow", timeoutMs: 20 });
  await rig.advance(1_000);
  server.answers = false;
  expect(await burst(5, 19)).toEqual({ 0: 5 });
  const call = rig.client().get("/");
  await rig.advance(19);
  expect(call.status).toBe(0);
  await rig.advance(3);
  expect(call.status).toBe(200);
});

test("a caller that leaves while it is held, or sends a body meanwhile, harms nobody", async () => {
  const server = shared({ whenAway: "allow" });
  await rig.advance(1_000);
  server.answers = false;
  const gone = rig.client();
  gone.get("/");
  const post = rig.client();
  const call = post.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
  await rig.advance(5);
  gone.peer.terminate();
  post.peer.send("cd");
  await rig.advance(30);
  expect(call.status).toBe(200);
  expect(rig.upstreams[0]!.requests.map(({ body }) => body)).toEqual(["abcd"]);
});

test("a new Snapshot keeps the connection, another binding makes another", async () => {
  const server = shared();
  await rig.advance(1_000);
  const shape = shapeWith({ requests: 7, shared: SHARED });
  rig.apply({ ...shape, redis: { limits: REDIS }, version: "2" });
  await rig.advance(10);
  expect([server.connections, server.open.size]).toEqual([1, 1]);
  rig.apply({ ...shape, redis: { limits: { ...REDIS, database: 1 } }, version: "3" });
  await rig.advance(10);
  expect([server.connections, server.open.size]).toEqual([2, 1]);
  expect(() => rig.apply({ ...shape, version: "4" })).toThrow("the Redis limits has no binding");
  await rig.advance(10);
  expect(server.open.size).toBe(1);
  rig.apply({ version: "5" });
  await rig.advance(10);
  expect(server.open.size).toBe(0);
});

test("over a net with faults every request ends, and no more pass than the limit", async () => {
  const seen = new Set<number>();
  for (let seed = 1; seed <= 40; seed++) {
    const limit = { requests: 5, perMs: 86_400_000, burst: 5, shared: SHARED };
    rig = new Rig({ ...shapeWith(limit), redis: { limits: REDIS } }, seed);
    const upstream = rig.upstream();
    redis = new FakeRedis(rig.world.at(REDIS.host), REDIS.host);
    const { random, net } = rig.world;
    for (const [from, to] of [["127.0.0.1", REDIS.host], [REDIS.host, "127.0.0.1"]] as const) {
      net.setLink(from, to, { ...ROUGH, latencyMs: [0.1, 12], reset: 0.02 });
    }
    const calls = [];
    for (let step = 0; step < 30; step++) {
      if (random.next() < 0.1) redis.stop();
      if (random.next() < 0.3) redis.start();
      redis.answers = random.next() < 0.8;
      for (let index = random.uint32() % 4; index > 0; index--) calls.push(rig.client().get("/"));
      await rig.advance(random.next() * 60);
    }
    await rig.advance(SHARED.timeoutMs + 1);
    const found = calls.map(({ status }) => status);
    for (const status of found) seen.add(status);
    const passed = found.filter((status) => status === 200).length;
    const name = `seed ${seed}`;
    expect(found.filter((status) => ![200, 429, 503].includes(status)), name).toEqual([]);
    expect([passed <= 5, passed], name).toEqual([true, upstream.requests.length]);
    redis.stop();
    expect(await rig.leaks(), name).toEqual([]);
  }
  expect([...seen].sort()).toEqual([200, 429, 503]);
});
