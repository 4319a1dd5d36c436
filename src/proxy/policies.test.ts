import { afterEach, describe, expect, test } from "bun:test";
import type { BreakerPolicy, FallbackPolicy } from "../api/snapshot.ts";
import { parsePrometheusText } from "../codec/prometheus_text.ts";
import { Rig } from "../sim/rig.ts";
import { RETRY, type RouteShape, upstreamAt } from "../sim/snapshots.ts";
import { type Received, reply } from "../sim/upstream.ts";

/** What a route and a cluster promise, through the whole proxy. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const under = (value: string): Pick<RouteShape, "path"> => ({ path: { kind: "prefix", value } });

test("S1-19 three prefixes lead to three services, and an unknown one is 404", async () => {
  rig = new Rig({
    listener: {
      routes: ["a", "b", "c"].map((name) => ({ name, to: name, ...under(`/service/${name}`) })),
    },
    clusters: {
      a: { endpoints: [upstreamAt(1)] },
      b: { endpoints: [upstreamAt(2)] },
      c: { endpoints: [upstreamAt(3)] },
    },
  });
  for (const index of [1, 2, 3]) rig.upstream(index);
  const asked = ["/service/a", "/service/b/x?y=1", "/service/c/", "/service/a/deep/er"];
  for (const [index, path] of asked.entries()) {
    expect(await rig.ask(path)).toEqual({ status: 200, body: ["u1", "u2", "u3", "u1"][index]! });
  }
  for (const path of ["/", "/service", "/service/d", "/service/ab", "/other"]) {
    expect((await rig.ask(path)).status).toBe(404);
  }
  expect(rig.upstreams.map(({ requests }) => requests.length)).toEqual([2, 1, 1]);
  expect(rig.metric("outrigger_requests_total", { route: "-", code: "404" })).toBe(5);
});

test("S1-20 round robin splits evenly over endpoints", async () => {
  rig = new Rig({ cluster: { endpoints: [1, 2, 3].map(upstreamAt) } });
  for (const index of [1, 2, 3]) rig.upstream(index);
  for (let count = 0; count < 100; count++) expect((await rig.ask()).status).toBe(200);
  const counts = rig.upstreams.map(({ requests }) => requests.length);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  expect(counts.reduce((sum, count) => sum + count)).toBe(100);
});

test("S1-20 strict DNS: a changed answer is in force when the old one's time is up", async () => {
  rig = new Rig(null);
  const name = { host: "api.example.com", port: 80 };
  rig.world.net.setName(name.host, { addresses: ["10.0.1.1"], ttlMs: 5_000 });
  rig.apply({ cluster: { dns: name } });
  for (const index of [1, 2, 3]) rig.upstream(index);
  expect((await rig.ask()).body).toBe("u1");
  rig.world.net.setName(name.host, { addresses: ["10.0.1.2", "10.0.1.3"], ttlMs: 5_000 });
  await rig.advance(4_000);
  expect((await rig.ask()).body).toBe("u1");
  await rig.advance(1_500);
  const bodies = [await rig.ask(), await rig.ask(), await rig.ask()].map(({ body }) => body);
  expect(new Set(bodies)).toEqual(new Set(["u2", "u3"]));
  expect(rig.log.filter((line) => line.includes("endpoints-changed")).length).toBe(2);
});

test("S1-20 a dead host fails at its connect timeout of 0.25 s", async () => {
  rig = new Rig({ cluster: { connectTimeoutMs: 250 } });
  rig.upstream();
  rig.world.net.partition("127.0.0.1", upstreamAt(1).host);
  const call = rig.client().get("/");
  await rig.advance(249);
  expect(call.answer).toBeNull();
  await rig.advance(2);
  expect(call.status).toBe(503);
  const reason = { reason: "connect-timeout" };
  expect(rig.metric("outrigger_upstream_failures_total", reason)).toBe(1);
});

describe("limits", () => {
  const slow = (request: Received): void => {
    rig.world.clock.after(50, () => request.peer.send(reply(200, "x")));
  };

  test("S1-24 with 1/1/1 a second request at once is 503 without waiting", async () => {
    const limits = { maxConnections: 1, maxPendingRequests: 1, maxRequests: 1 };
    rig = new Rig({ cluster: { limits } });
    const upstream = rig.upstream(1, slow);
    const [first, second] = [rig.client().get("/1"), rig.client().get("/2")];
    await rig.advance(2);
    expect([first.status, second.status].sort()).toEqual([0, 503]);
    expect(rig.metric("outrigger_upstream_overflow_total", { limit: "requests" })).toBe(1);
    await rig.advance(60);
    expect([first.status, second.status].sort()).toEqual([200, 503]);
    expect(upstream.requests.length).toBe(1);
    expect((await rig.ask()).status).toBe(200);
  });

  test("S1-24 requests wait for a connection up to the limit, oldest first", async () => {
    const limits = { maxConnections: 1, maxPendingRequests: 1, maxRequests: 9 };
    rig = new Rig({ cluster: { limits } });
    const upstream = rig.upstream(1, slow);
    const calls = ["/1", "/2", "/3"].map((path) => {
      const client = rig.client();
      return client.get(path);
    });
    await rig.advance(2);
    expect(calls.filter(({ status }) => status === 503).length).toBe(1);
    expect(rig.metric("outrigger_upstream_overflow_total", { limit: "pending" })).toBe(1);
    expect(rig.metric("outrigger_upstream_pending")).toBe(1);
    await rig.advance(200);
    expect(calls.filter(({ status }) => status === 200).length).toBe(2);
    expect(upstream.peers.length).toBe(1);
  });

  test("a stale connection's replacement stays within the limit of connections", async () => {
    const limits = { maxConnections: 1, maxPendingRequests: 5, maxRequests: 9 };
    rig = new Rig({ cluster: { limits } });
    let most = 0;
    const upstream = rig.upstream(1, ({ peer, ordinal }) => {
      most = Math.max(most, rig.proxy.stats().clusters[0]!.connectionsActive);
      if (ordinal === 2) peer.terminate();
      else peer.send(reply(200, "x"));
    });
    await rig.ask();
    const calls = [1, 2, 3].map((index) => rig.client().get(`/${index}`));
    await rig.advance(50);
    expect(calls.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(most).toBe(1);
    expect(upstream.open.length).toBe(1);
  });
});

describe("retries", () => {
  test("S1-25 an upstream that fails twice: 200 after three tries", async () => {
    rig = new Rig({ route: { retry: { ...RETRY, attempts: 3, perTryTimeoutMs: 5_000 } } });
    const upstream = rig.upstream(1, ({ peer }) =>
      peer.send(upstream.requests.length <= 2 ? reply(503, "ill") : reply(200, "well")),
    );
    expect(await rig.ask()).toEqual({ status: 200, body: "well" });
    expect(upstream.requests.length).toBe(3);
    expect(rig.metric("outrigger_upstream_retries_total")).toBe(2);
    expect(rig.metric("outrigger_upstream_tries_total", { code: "503" })).toBe(2);
    expect(rig.metric("outrigger_requests_total")).toBe(1);
  });

  test("S1-25 a try without an answer ends after per_try_timeout 5 s", async () => {
    rig = new Rig({ route: { retry: { ...RETRY, attempts: 3, perTryTimeoutMs: 5_000 } } });
    const upstream = rig.upstream(1, ({ peer }) => {
      if (upstream.requests.length > 1) peer.send(reply(200, "well"));
    });
    const call = rig.client().get("/");
    await rig.advance(4_900);
    expect(upstream.requests.length).toBe(1);
    await rig.advance(200);
    expect(call.answer?.body).toBe("well");
  });

  test("S1-25 attempts are counted, and the last answer is the caller's", async () => {
    rig = new Rig({ route: { retry: { ...RETRY, attempts: 3 } }, accessLog: "json" });
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
    expect(await rig.ask()).toEqual({ status: 500, body: "ill" });
    expect(upstream.requests.length).toBe(4);
    await rig.advance(200);
    expect(JSON.parse(rig.log.at(-1)!)).toMatchObject({ response_flags: "URX", tries: 4 });
  });

  test("S1-25 the budget bounds retries in flight", async () => {
    const retry = { ...RETRY, attempts: 5, budgetRatio: 0, budgetMinimum: 2 };
    rig = new Rig({ route: { retry } });
    let most = 0;
    let open = 0;
    const seen = new Map<string, number>();
    rig.upstream(1, ({ peer, target }) => {
      const before = seen.get(target) ?? 0;
      seen.set(target, before + 1);
      if (before > 0) most = Math.max(most, ++open);
      rig.world.clock.after(5, () => {
        if (before > 0) open--;
        peer.send(reply(500, "ill"));
      });
    });
    const calls = Array.from({ length: 20 }, (_, index) => rig.client().get(`/${index}`));
    await rig.advance(5_000);
    expect(calls.every(({ status }) => status === 500)).toBe(true);
    expect(most).toBe(2);
    expect(rig.metric("outrigger_upstream_retries_over_budget_total")).toBeGreaterThan(0);
  });

  test("S1-25 what is not idempotent is tried once, unless the file says otherwise", async () => {
    for (const [methods, tries] of [["idempotent", 1], ["all", 3]] as const) {
      rig = new Rig({ route: { retry: { ...RETRY, methods } } });
      const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
      const client = rig.client();
      client.send("POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\n\r\nbody");
      await rig.advance(2_000);
      expect(upstream.requests.map(({ body }) => body)).toEqual(Array(tries).fill("body"));
      if (methods === "idempotent") expect(await rig.leaks()).toEqual([]);
    }
  });

  test("a body above the limit is sent once", async () => {
    rig = new Rig({ route: { retry: { ...RETRY, maxBodyBytes: 10 } } });
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
    const client = rig.client();
    for (const [length, tries] of [[10, 3], [11, 4]] as const) {
      const body = "b".repeat(length);
      const head = `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
      const call = client.send(head + body);
      await rig.advance(2_000);
      expect([call.status, upstream.requests.length]).toEqual([500, tries]);
    }
  });
});

describe("the breaker", () => {
  const breaker: BreakerPolicy = {
    errorRate: 0.5,
    minRequests: 10,
    windowMs: 10_000,
    openMs: 5_000,
    halfOpenRequests: 1,
  };
  const fallback: FallbackPolicy = {
    on: ["open", "exhausted"],
    status: 200,
    headers: { "content-type": "application/json", "x-canned": "yes" },
    body: '{"items":[]}',
  };
  const state = (): number => rig.metric("outrigger_breaker_state", { cluster: "app" });

  test("S2-18 trips on its error rate: open, half-open, closed, in metrics and events", async () => {
    rig = new Rig({ cluster: { breaker } });
    let isIll = true;
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(isIll ? 500 : 200, "said")));
    for (let count = 0; count < 9; count++) expect((await rig.ask()).status).toBe(500);
    expect(state()).toBe(0);
    await rig.ask();
    expect(state()).toBe(2);
    expect((await rig.ask()).status).toBe(503);
    expect(upstream.requests.length).toBe(10);
    // A probe that fails opens it anew.
    await rig.advance(5_000);
    expect((await rig.ask()).status).toBe(500);
    expect(state()).toBe(2);
    isIll = false;
    await rig.advance(5_000);
    upstream.answer = ({ peer }) => {
      expect(state()).toBe(1);
      peer.send(reply(200, "well"));
    };
    expect((await rig.ask()).body).toBe("well");
    expect(state()).toBe(0);
    const events = rig.proxy.stats().events.map(({ kind }) => kind);
    expect(events.filter((kind) => kind.startsWith("breaker"))).toEqual([
      "breaker-opened",
      "breaker-half-open",
      "breaker-opened",
      "breaker-half-open",
      "breaker-closed",
    ]);
    const to = (name: string): number =>
      rig.metric("outrigger_breaker_transitions_total", { cluster: "app", to: name });
    expect([to("open"), to("half-open"), to("closed")]).toEqual([2, 2, 1]);
  });

  test("a probe whose caller leaves says nothing: the next one decides", async () => {
    rig = new Rig({ cluster: { breaker } });
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
    for (let count = 0; count < 10; count++) await rig.ask();
    await rig.advance(5_000);
    upstream.answer = () => {};
    const leaving = rig.client();
    leaving.get("/");
    await rig.advance(5);
    expect([state(), (await rig.ask()).status]).toEqual([1, 503]);
    leaving.peer.terminate();
    await rig.advance(5);
    expect(state()).toBe(1);
    upstream.answer = ({ peer }) => peer.send(reply(200, "well"));
    expect((await rig.ask()).status).toBe(200);
    expect(state()).toBe(0);
  });

  test("S2-19 while it is open the caller gets the canned status, headers and body", async () => {
    rig = new Rig({ cluster: { breaker }, route: { fallback } });
    rig.upstream(1, ({ peer }) => peer.send(reply(500, "stack trace")));
    const client = rig.client();
    for (let count = 0; count < 20; count++) {
      const call = client.get("/items");
      await rig.advance(5);
      expect(call.status).toBe(200);
      expect(call.answer!.body).toBe('{"items":[]}');
      expect(call.answer!.headers.get("x-canned")).toBe("yes");
      expect(call.answer!.headers.get("content-type")).toBe("application/json");
    }
    expect(rig.metric("outrigger_fallbacks_total", { trigger: "exhausted" })).toBe(10);
    expect(rig.metric("outrigger_fallbacks_total", { trigger: "open" })).toBe(10);
    expect(rig.metric("outrigger_requests_total", { code: "200" })).toBe(20);
  });

  test("S2-20 while it is open the upstream gets probes and nothing else", async () => {
    rig = new Rig({ cluster: { breaker }, route: { fallback } });
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
    const client = rig.client();
    const load = rig.world.clock.every(10, () => client.get("/"));
    await rig.advance(1_000);
    const before = upstream.requests.length;
    expect(before).toBe(10);
    await rig.advance(60_000);
    load.cancel();
    // 100 requests a second asked; one probe each 5 s arrived.
    expect(upstream.requests.length - before).toBeGreaterThanOrEqual(11);
    expect(upstream.requests.length - before).toBeLessThanOrEqual(12);
    expect(client.calls.length).toBeGreaterThan(6_000);
    await rig.advance(10);
    expect(client.calls.every(({ status }) => status === 200)).toBe(true);
  });
});

describe("a canned answer", () => {
  type Trigger = FallbackPolicy["on"][number];
  /** How each trigger comes about. */
  const causes: Readonly<Record<Trigger, () => void>> = {
    exhausted: () => rig.upstream(1, ({ peer }) => peer.terminate()),
    timeout: () => rig.upstream(1, () => {}),
    overflow: () => {
      const none = { maxConnections: 1, maxPendingRequests: 1, maxRequests: 0 };
      rig.apply({ route, cluster: { limits: none } });
    },
    "no-endpoint": () => rig.apply({ route, cluster: { endpoints: [] } }),
    open: () => {
      const breaker = { errorRate: 0.1, minRequests: 1, windowMs: 1e4, openMs: 1e6 };
      rig.apply({ route, cluster: { breaker: { ...breaker, halfOpenRequests: 1 } } });
    },
  };
  const triggers = Object.keys(causes) as Trigger[];
  let route: RouteShape;

  test.each(triggers)("is given for %s where it is named, and only there", async (trigger) => {
    for (const on of [[trigger], triggers.filter((other) => other !== trigger)]) {
      const fallback = { on, status: 218, headers: {}, body: "canned" };
      route = { timeoutMs: 100, fallback };
      rig = new Rig({ route });
      causes[trigger]();
      if (trigger === "open") await rig.ask();
      const isNamed = on.includes(trigger);
      expect((await rig.ask()).body === "canned").toBe(isNamed);
      expect(rig.metric("outrigger_fallbacks_total", { trigger })).toBe(isNamed ? 1 : 0);
      if (isNamed) expect(await rig.leaks()).toEqual([]);
    }
  });
});

test("S2-12 the metrics are a valid exposition, and count what was sent", async () => {
  rig = new Rig({
    listener: {
      routes: [
        { name: "all" },
        { name: "gone", ...under("/gone"), to: "gone" },
      ],
    },
    clusters: {
      app: {
        breaker: { errorRate: 1, minRequests: 999, windowMs: 1e4, openMs: 1, halfOpenRequests: 1 },
      },
      gone: { endpoints: [upstreamAt(9)] },
    },
  });
  rig.upstream(1, ({ peer, target }) => peer.send(reply(Number(target.slice(1)), "said")));
  const client = rig.client();
  const sent = { "/200": 30, "/201": 5, "/404": 7, "/500": 3, "/gone": 4 };
  for (const [path, count] of Object.entries(sent)) {
    for (let index = 0; index < count; index++) client.get(path);
  }
  await rig.advance(1_000);
  const exposition = parsePrometheusText(rig.proxy.metrics());
  expect(exposition.problems).toEqual([]);
  const requests = (labels: Record<string, string>): number =>
    rig.metric("outrigger_requests_total", { listener: "in", direction: "inbound", ...labels });
  expect(requests({})).toBe(49);
  for (const code of ["200", "201", "404", "500"] as const) {
    expect(requests({ route: "all", code })).toBe(sent[`/${code}`]);
    expect(rig.metric("outrigger_upstream_tries_total", { code })).toBe(sent[`/${code}`]);
  }
  expect(requests({ route: "gone", code: "503" })).toBe(4);
  expect(rig.metric("outrigger_request_duration_seconds_count")).toBe(49);
  expect(rig.metric("outrigger_upstream_try_duration_seconds_count")).toBe(45);
  expect(rig.metric("outrigger_requests_active")).toBe(0);
  expect(rig.metric("outrigger_connections_active")).toBe(1);
});

test("S1-17 an app without retry, metrics or limits of its own gets all of them", async () => {
  // The app: an HTTP/1.0-like toy that knows one answer at a time and nothing else.
  let atOnce = 0;
  let most = 0;
  let asked = 0;
  rig = new Rig({
    route: { retry: { ...RETRY, attempts: 3, budgetMinimum: 10 } },
    cluster: { limits: { maxConnections: 2, maxPendingRequests: 50, maxRequests: 100 } },
  });
  rig.upstream(1, ({ peer }) => {
    most = Math.max(most, ++atOnce);
    const fails = ++asked % 4 === 0;
    rig.world.clock.after(3, () => {
      atOnce--;
      peer.send(reply(fails ? 500 : 200, "plain"));
    });
  });
  const calls = Array.from({ length: 20 }, (_, index) => rig.client().get(`/${index}`));
  await rig.advance(5_000);
  expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 200));
  expect(most).toBe(2);
  expect(rig.metric("outrigger_requests_total", { code: "200" })).toBe(20);
  expect(rig.metric("outrigger_upstream_retries_total")).toBe(asked - 20);
  expect(asked).toBeGreaterThan(20);
});
