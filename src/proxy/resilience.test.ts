import { afterEach, describe, expect, test } from "bun:test";
import type { BreakerPolicy } from "../api/snapshot.ts";
import { CALM } from "../base/simulated/faults.ts";
import { Rig } from "../sim/rig.ts";
import { RETRY, upstreamAt } from "../sim/snapshots.ts";
import { reply } from "../sim/upstream.ts";

/** Retries, last good answers, breakers and shedding: what keeps callers going. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

describe("retries", () => {
  /** How long after the first try the second one came; null without one. */
  async function secondTryAfterMs(retryAfter: string, maxRetryAfterMs: number, timeoutMs = 0) {
    const retry = { ...RETRY, attempts: 1, maxRetryAfterMs };
    rig = new Rig({ route: { retry, timeoutMs } });
    const times: number[] = [];
    rig.upstream(1, ({ peer }) => {
      times.push(rig.world.clock.now());
      peer.send(times.length === 1 ? reply(503, "ill", retryAfter) : reply(200, "well"));
    });
    const { status } = await rig.ask();
    expect(await rig.leaks()).toEqual([]);
    expect(status).toBe(times.length === 1 ? 503 : 200);
    return times.length === 1 ? null : times[1]! - times[0]!;
  }

  test("S1-25 Retry-After is waited for up to the policy's bound", async () => {
    const waited = await secondTryAfterMs("Retry-After: 3\r\n", 5_000);
    expect(waited).toBeGreaterThanOrEqual(3_000);
    expect(waited).toBeLessThan(3_100);
    expect(await secondTryAfterMs("Retry-After: 6\r\n", 5_000)).toBeNull();
    expect(await secondTryAfterMs("Retry-After: 6\r\n", 0)).toBeLessThan(100);
    expect(await secondTryAfterMs("Retry-After: soon\r\n", 5_000)).toBeLessThan(100);
  });

  test("S1-25 Retry-After as a date is waited for too", async () => {
    rig = new Rig();
    const inFourSeconds = new Date(rig.world.clock.wallMs() + 4_000).toUTCString();
    expect(await rig.leaks()).toEqual([]);
    const waited = await secondTryAfterMs(`Retry-After: ${inFourSeconds}\r\n`, 5_000);
    expect(waited).toBeGreaterThan(2_900);
    expect(waited).toBeLessThan(4_100);
  });

  test("a Retry-After beyond the request's own time is not waited for", async () => {
    expect(await secondTryAfterMs("Retry-After: 3\r\n", 5_000, 2_000)).toBeNull();
  });

  test("S1-25 409 is tried again where retriable-4xx is on, and is the app's word at the end", async () => {
    for (const on of [["5xx"], ["retriable-4xx"]] as const) {
      const fallback = { on: ["exhausted"], status: 200, headers: {}, body: "canned" } as const;
      rig = new Rig({ route: { retry: { ...RETRY, on }, fallback } });
      const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(409, "conflict")));
      expect(await rig.ask()).toEqual({ status: 409, body: "conflict" });
      expect(upstream.requests.length).toBe(on[0] === "5xx" ? 1 : 3);
      if (on[0] === "5xx") expect(await rig.leaks()).toEqual([]);
    }
  });

  test("S1-25 maxRetries bounds the retries of all callers, and counts what it refused", async () => {
    const limits = { maxConnections: 99, maxPendingRequests: 99, maxRequests: 99, maxRetries: 2 };
    const retry = { ...RETRY, attempts: 1, budgetRatio: 1, budgetMinimum: 99 };
    rig = new Rig({ route: { retry }, cluster: { limits } });
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(503, "ill")));
    const calls = Array.from({ length: 10 }, () => rig.client().get("/"));
    await rig.advance(2_000);
    expect(calls.every(({ status }) => status === 503)).toBe(true);
    expect(upstream.requests.length).toBe(12);
    expect(rig.metric("outrigger_upstream_overflow_total", { limit: "retries" })).toBe(8);
  });

  test("S1-25 a retry goes to another host than the one just tried", async () => {
    rig = new Rig({
      route: { retry: { ...RETRY, attempts: 1 } },
      cluster: { endpoints: [1, 2, 3].map(upstreamAt) },
    });
    const tried = new Map<string, number[]>();
    for (const index of [1, 2, 3]) {
      rig.upstream(index, ({ peer, target }) => {
        tried.set(target, [...(tried.get(target) ?? []), index]);
        peer.send(reply(503, "ill"));
      });
    }
    const calls = Array.from({ length: 30 }, (_, index) => rig.client().get(`/${index}`));
    await rig.advance(2_000);
    expect(calls.every(({ status }) => status === 503)).toBe(true);
    const twice = [...tried.values()].filter((hosts) => hosts.length === 2);
    expect(twice.length).toBeGreaterThanOrEqual(3);
    expect(twice.filter(([first, second]) => first === second)).toEqual([]);
  });

  test("S1-25 a retry that waited for a connection is not given one to the host just tried", async () => {
    const limits = { maxConnections: 1, maxPendingRequests: 9, maxRequests: 9 };
    rig = new Rig({
      route: { retry: { ...RETRY, attempts: 1 } },
      cluster: { endpoints: [1, 2].map(upstreamAt), limits },
    });
    const first = rig.upstream(1, ({ peer, target }) => {
      if (target === "/ill") peer.send(reply(503, "ill"));
      else rig.world.clock.plan(200, () => peer.send(reply(200, "u1")));
    });
    const second = rig.upstream(2);
    const ill = rig.client().get("/ill");
    const others = ["/a", "/b"].map((path) => rig.client().get(path));
    await rig.advance(1_000);
    expect(others.map(({ status }) => status)).toEqual([200, 200]);
    expect([ill.status, ill.answer!.body]).toEqual([200, "u2"]);
    expect(first.requests.filter(({ target }) => target === "/ill").length).toBe(1);
    expect(second.requests.map(({ target }) => target)).toContain("/ill");
  });

  test("S1-25 a host that is drained while its connection opens gets no request any more", async () => {
    const cluster = { connectTimeoutMs: 9_000 };
    rig = new Rig({ cluster: { ...cluster, endpoints: [upstreamAt(1)] } });
    const [first, second] = [rig.upstream(1), rig.upstream(2)];
    rig.world.net.setFaults({ ...CALM, latencyMs: [300, 300] });
    const call = rig.client().get("/");
    const open = (): number => rig.metric("outrigger_upstream_connections_active");
    expect(await rig.world.clock.until(() => open() === 1, 5_000)).toBe(true);
    rig.apply({ cluster: { ...cluster, endpoints: [upstreamAt(2)] } });
    await rig.advance(5_000);
    expect([call.status, call.answer?.body]).toEqual([200, "u2"]);
    expect([first.requests.length, second.requests.length]).toEqual([0, 1]);
    expect(open()).toBe(1);
    expect(rig.proxy.stats().clusters[0]!.triesTotal).toBe(1);
  });
});

describe("the slow-call breaker", () => {
  const breaker: BreakerPolicy = {
    errorRate: 1,
    slowCallMs: 1_000,
    slowCallRate: 0.5,
    minRequests: 4,
    windowMs: 60_000,
    openMs: 5_000,
    halfOpenRequests: 1,
  };
  const state = (): number => rig.metric("outrigger_breaker_state", { cluster: "app" });

  test("S2-18 opens on slow answers, stays open on a slow probe, closes on a quick one", async () => {
    rig = new Rig({ cluster: { breaker } });
    let tookMs = 10;
    rig.upstream(1, ({ peer }) => {
      rig.world.clock.after(tookMs, () => peer.send(reply(200, "late")));
    });
    for (let count = 0; count < 3; count++) expect((await rig.ask()).status).toBe(200);
    tookMs = 1_100;
    for (let count = 0; count < 2; count++) expect((await rig.ask()).status).toBe(200);
    expect(state()).toBe(0);
    expect((await rig.ask()).status).toBe(200);
    expect([state(), (await rig.ask()).status]).toEqual([2, 503]);
    expect(rig.log.some((line) => line.includes("50% of tries were slow"))).toBe(true);
    await rig.advance(5_000);
    expect((await rig.ask()).status).toBe(200);
    expect(state()).toBe(2);
    tookMs = 10;
    await rig.advance(5_000);
    expect((await rig.ask()).status).toBe(200);
    expect(state()).toBe(0);
  });

  test("a try that ends by its timeout was slow too, and errors alone still open it", async () => {
    const retry = { ...RETRY, attempts: 1, on: ["connect-failure"] as const };
    const slowly = { ...retry, perTryTimeoutMs: 2_000 };
    rig = new Rig({ route: { retry: slowly }, cluster: { breaker: { ...breaker, errorRate: 0.5 } } });
    rig.upstream(1, () => {});
    for (let count = 0; count < 4; count++) expect((await rig.ask()).status).toBe(504);
    expect(state()).toBe(2);
    expect(rig.log.some((line) => line.includes("100% of tries failed"))).toBe(true);
  });
});

describe("the last good answer", () => {
  const lastGood = { maxAgeMs: 60_000, maxBytes: 100_000, maxEntries: 2 };
  const canned = { on: ["exhausted"], status: 503, headers: {}, body: "canned", lastGood } as const;
  let headers = "";
  let ill = false;

  function start(over: Partial<typeof lastGood> = {}): void {
    headers = "";
    ill = false;
    const fallback = { ...canned, lastGood: { ...lastGood, ...over } };
    rig = new Rig({ route: { fallback }, accessLog: "json" });
    let count = 0;
    rig.upstream(1, ({ peer, target }) => {
      peer.send(ill ? reply(500, "ill") : reply(200, `${target}#${++count}`, headers));
    });
  }

  async function get(path: string, fields = "", method = "GET") {
    const client = rig.client();
    const call = client.send(`${method} ${path} HTTP/1.1\r\nHost: shop\r\n${fields}\r\n`);
    await rig.advance(20);
    client.peer.close();
    return { body: call.answer!.body, headers: call.answer!.headers };
  }

  test("S2-19 is given while it is young enough, with its age; then the canned answer", async () => {
    start();
    headers = "Content-Type: text/x\r\nAge: 5\r\nX-Request-Id: old\r\n";
    expect((await get("/a?q=1")).body).toBe("/a?q=1#1");
    expect((await get("/a?q=1")).body).toBe("/a?q=1#2");
    ill = true;
    await rig.advance(10_000);
    const stale = await get("/a?q=1");
    expect(stale.body).toBe("/a?q=1#2");
    expect(stale.headers.get("content-type")).toBe("text/x");
    expect(stale.headers.get("age")).toBe("15");
    expect(stale.headers.get("x-outrigger-stale")).toBe("15");
    expect(stale.headers.get("x-request-id")).toBeUndefined();
    expect((await get("/a?q=2")).body).toBe("canned");
    expect(rig.metric("outrigger_last_good_total")).toBe(1);
    expect(rig.metric("outrigger_fallbacks_total")).toBe(2);
    await rig.advance(45_000);
    expect((await get("/a?q=1")).body).toBe("canned");
    expect(rig.log.some((line) => line.includes("last_good_exhausted{upstream_500}"))).toBe(true);
  });

  test.each([
    ["credentials", "Authorization: Basic eA==\r\n", ""],
    ["a cookie of the caller", "Cookie: a=b\r\n", ""],
    ["a part", "Range: bytes=0-1\r\n", ""],
    ["a caller who wants no copy", "Cache-Control: no-store\r\n", ""],
    ["a cookie of the answer", "", "Set-Cookie: a=b\r\n"],
    ["a private answer", "", 'Cache-Control: max-age=9, private="x"\r\n'],
    ["no-store", "", "Cache-Control: No-Store\r\n"],
    ["must-revalidate", "", "Cache-Control: max-age=9, must-revalidate\r\n"],
    ["Vary: *", "", "Vary: accept, *\r\n"],
  ])("is never kept of %s", async (_name, asked, answered) => {
    start();
    headers = answered;
    expect((await get("/a", asked)).body).toBe("/a#1");
    ill = true;
    expect((await get("/a", asked)).body).toBe("canned");
    expect((await get("/a")).body).toBe("canned");
  });

  test("is not given to who sends credentials, and is kept by what Vary names", async () => {
    start();
    headers = "Vary: Accept-Language\r\n";
    expect((await get("/a", "Accept-Language: de\r\n")).body).toBe("/a#1");
    expect((await get("/a", "Accept-Language: fr\r\n")).body).toBe("/a#2");
    ill = true;
    expect((await get("/a", "Accept-Language: de\r\n")).body).toBe("/a#1");
    expect((await get("/a", "Accept-Language: fr\r\n")).body).toBe("/a#2");
    expect((await get("/a", "Accept-Language: it\r\n")).body).toBe("canned");
    const own = "Accept-Language: de\r\nAuthorization: Basic eA==\r\n";
    expect((await get("/a", own)).body).toBe("canned");
  });

  test("the answer's own stale-if-error bounds it (RFC 5861)", async () => {
    start();
    headers = "Cache-Control: max-age=10, stale-if-error=5\r\n";
    await get("/a");
    ill = true;
    await rig.advance(14_000);
    expect((await get("/a")).body).toBe("/a#1");
    await rig.advance(2_000);
    expect((await get("/a")).body).toBe("canned");
  });

  test("a change of the address makes it void, and a new answer that may not be kept too", async () => {
    start();
    await get("/a");
    await get("/a", "Content-Length: 0\r\n", "PUT");
    await get("/b");
    headers = "Cache-Control: no-store\r\n";
    await get("/b");
    ill = true;
    expect([(await get("/a")).body, (await get("/b")).body]).toEqual(["canned", "canned"]);
  });

  test("is bounded: the least used of too many goes, and what is too large is not kept", async () => {
    start();
    for (const path of ["/a", "/b"]) await get(path);
    ill = true;
    expect((await get("/a")).body).toBe("/a#1");
    ill = false;
    await get("/c");
    ill = true;
    const bodies = [];
    for (const path of ["/a", "/b", "/c"]) bodies.push((await get(path)).body);
    expect(bodies).toEqual(["/a#1", "canned", "/c#3"]);
    expect(await rig.leaks()).toEqual([]);
    start({ maxBytes: 1_300 });
    const large = `/${"x".repeat(200)}`;
    await get(large);
    ill = true;
    expect((await get(large)).body).toBe("canned");
  });

  test("lives through a new Snapshot that leaves its route alone", async () => {
    start();
    await get("/a");
    rig.apply({ version: "2", route: { fallback: { ...canned, lastGood } }, drainMs: 1 });
    ill = true;
    expect((await get("/a")).body).toBe("/a#1");
    const elsewhere = { fallback: { ...canned, lastGood }, timeoutMs: 9_000 };
    rig.apply({ version: "3", route: elsewhere });
    expect((await get("/a")).body).toBe("canned");
  });
});

test("S1-18 what comes in and what goes out both pass the proxy: counters, and every call seen", async () => {
  const outbound = { host: "10.0.0.1", port: 9_000 };
  rig = new Rig({
    listeners: {
      inbound: { routes: [{ to: "app" }] },
      "call:api": {
        direction: "outbound",
        at: outbound,
        routes: [{ to: "api", path: { kind: "prefix", value: "/v1" } }],
      },
    },
    clusters: { app: { endpoints: [upstreamAt(1)] }, api: { endpoints: [upstreamAt(2)] } },
  });
  // The app asks its callee, through its sidecar, before it answers.
  const app = rig.upstream(1, ({ peer }) => {
    const client = rig.client(outbound);
    client.whenDone = (call) => peer.send(reply(200, `app and ${call.answer!.body}`));
    client.get("/v1/items", "API.example:80");
  });
  const api = rig.upstream(2);
  for (let count = 0; count < 3; count++) expect((await rig.ask()).body).toBe("app and u2");
  const stray = rig.client(outbound).get("/other", "elsewhere.example");
  await rig.advance(10);
  expect(stray.status).toBe(404);
  const requests = (direction: string): number =>
    rig.metric("outrigger_requests_total", { direction, code: "200" });
  expect([requests("inbound"), requests("outbound")]).toEqual([3, 3]);
  expect([app.requests.length, api.requests.length]).toEqual([3, 3]);
  const { observed } = rig.proxy.stats();
  const from = { namespace: "default", name: "shop" };
  const seen = { lastSeenMs: expect.any(Number) };
  expect(observed).toEqual([
    { from: null, listener: "inbound", host: "shop", cluster: "app", count: 3, ...seen },
    { from, listener: "call:api", host: "api.example:80", cluster: "api", count: 3, ...seen },
    { from, listener: "call:api", host: "elsewhere.example", cluster: "", count: 1, ...seen },
  ]);
  const ages = observed!.map(({ lastSeenMs }) => rig.world.clock.wallMs() - lastSeenMs);
  expect(ages.every((age) => age >= 0 && age < 1_000)).toBe(true);
});
