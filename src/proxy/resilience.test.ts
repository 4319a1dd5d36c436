import { afterEach, describe, expect, test } from "bun:test";
import type { BreakerPolicy } from "../api/snapshot.ts";
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
