import { afterEach, describe, expect, test } from "bun:test";
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
