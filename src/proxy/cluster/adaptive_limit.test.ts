import { afterEach, describe, expect, test } from "bun:test";
import type { AdaptivePolicy } from "../../api/snapshot.ts";
import { Rig } from "../../sim/rig.ts";
import { reply } from "../../sim/upstream.ts";
import { AdaptiveLimit } from "./adaptive_limit.ts";

const POLICY: AdaptivePolicy = {
  min: 3,
  max: 100,
  percentile: 0.5,
  windowMs: 100,
  measureEveryMs: 60_000,
  jitterRatio: 0.1,
  measureSamples: 50,
  tolerance: 0.25,
};

describe("the limit by itself", () => {
  const random = { next: () => 0.5, uint32: () => 0, secureBytes: () => new Uint8Array() };
  let nowMs = 0;

  function limitOf(policy: Partial<AdaptivePolicy> = {}): AdaptiveLimit {
    nowMs = 0;
    return new AdaptiveLimit({ ...POLICY, ...policy }, random, nowMs);
  }

  /** So many tries, one a millisecond, with as many in flight as are admitted, at most `active`. */
  function run(limit: AdaptiveLimit, tries: number, tookMs: number, active = 1_000): void {
    for (let count = 0; count < tries; count++) {
      nowMs++;
      for (let one = 0; one <= active && limit.admits(one, nowMs); one++);
      limit.record(tookMs, nowMs);
    }
  }

  test("measures with min in flight, and leaves out what was on its way before", () => {
    const limit = limitOf();
    expect([limit.limit, limit.isMeasuring]).toEqual([3, true]);
    run(limit, 49, 200);
    expect([limit.isMeasuring, limit.minRttMs]).toEqual([true, 0]);
    run(limit, 50 + 9, 10);
    expect([limit.isMeasuring, limit.minRttMs]).toEqual([false, 10]);
  });

  test("grows while answers are quick and the limit is used, to max at most", () => {
    const limit = limitOf();
    run(limit, 60, 5);
    run(limit, 5_000, 5);
    expect(limit.limit).toBe(100);
    const quiet = limitOf();
    run(quiet, 5_060, 5, 0);
    expect(quiet.limit).toBe(3);
  });

  test("falls when answers take longer, and to min at least", () => {
    const limit = limitOf({ measureEveryMs: 1e9 });
    run(limit, 5_000, 5);
    run(limit, 101, 8);
    const after = limit.limit;
    expect(after).toBeLessThan(100);
    run(limit, 400, 50);
    expect(limit.limit).toBeLessThan(after / 2);
  });

  test("a millisecond more is no queue, however quick the callee is", () => {
    const limit = limitOf({ measureEveryMs: 1e9 });
    run(limit, 60, 0.1);
    run(limit, 2_000, 1);
    expect([limit.minRttMs, limit.limit]).toEqual([0.1, 100]);
    run(limit, 500, 4);
    expect(limit.limit).toBeLessThan(30);
  });

  test("measures again when its time has come, after the jitter, and when min is doubted", () => {
    const limit = limitOf();
    run(limit, 55, 5);
    const measuredMs = nowMs;
    run(limit, 62_000, 5);
    expect(limit.isMeasuring).toBe(false);
    nowMs = measuredMs + 60_000 * 1.05 - 10;
    run(limit, 1, 5);
    expect(limit.isMeasuring).toBe(false);
    run(limit, 20, 5);
    expect([limit.isMeasuring, limit.limit]).toEqual([true, 3]);
    run(limit, 60, 5);
    expect([limit.isMeasuring, limit.limit]).toEqual([false, 100]);
    // Slower for good: it would stay at the minimum for ever.
    run(limit, 3_000, 40);
    expect(limit.minRttMs).toBe(40);
    expect(limit.limit).toBeGreaterThan(20);
  });

  test("a window of enough quicker answers is the new minimum", () => {
    const limit = limitOf();
    run(limit, 100, 40);
    expect(limit.minRttMs).toBe(40);
    run(limit, 250, 5);
    expect(limit.minRttMs).toBe(5);
  });
});

describe("before a callee with so many workers", () => {
  let rig: Rig;
  afterEach(async () => {
    expect(await rig.leaks()).toEqual([]);
  });

  const WORKERS = 8;
  let serviceMs = 10;
  let busy = 0;
  let queue: (() => void)[] = [];

  function begin(adaptive: AdaptivePolicy | undefined): void {
    [serviceMs, busy, queue] = [10, 0, []];
    const limits = { maxConnections: 9_999, maxPendingRequests: 0, maxRequests: 9_999 };
    rig = new Rig({
      cluster: { limits: { ...limits, ...(adaptive === undefined ? {} : { adaptive }) } },
      listener: { maxConnections: 9_999 },
      accessLog: "json",
    });
    rig.upstream(1, ({ peer }) => {
      const work = (): void => {
        busy++;
        rig.world.clock.plan(serviceMs, () => {
          peer.send(reply(200, "done"));
          busy--;
          queue.shift()?.();
        });
      };
      if (busy < WORKERS) work();
      else queue.push(work);
    });
  }

  /** Requests for so long, one every 2 ms; how many were answered 200, and how long those took. */
  async function load(forMs: number): Promise<{ served: number; shed: number; p90Ms: number }> {
    const took: number[] = [];
    let shed = 0;
    for (let passed = 0; passed < forMs; passed += 2) {
      const client = rig.client();
      const sentMs = rig.world.clock.now();
      client.whenDone = ({ status }) => {
        if (status === 200) took.push(rig.world.clock.now() - sentMs);
        else shed++;
        client.peer.close();
      };
      client.get("/");
      await rig.advance(2);
    }
    const count = { served: took.length, shed };
    took.sort((a, b) => a - b);
    return { ...count, p90Ms: took[Math.floor(took.length * 0.9)] ?? 0 };
  }

  const limit = (): number => rig.metric("outrigger_upstream_concurrency_limit");

  test("S1-24 one that slows down beyond its capacity keeps its latency and its throughput", async () => {
    begin(POLICY);
    await load(2_000);
    const well = await load(2_000);
    expect(well.shed).toBe(0);
    expect(well.p90Ms).toBeLessThan(20);
    // 8 workers by 40 ms are 200 a second of the 500 that come.
    serviceMs = 40;
    await load(3_000);
    const slow = await load(4_000);
    expect(slow.p90Ms).toBeLessThan(2.5 * 40);
    expect(slow.served).toBeGreaterThan(0.8 * 200 * 4);
    expect(slow.shed).toBeGreaterThan(1_000);
    const [cluster] = rig.proxy.stats().clusters;
    expect(cluster!.adaptive!.limit).toBe(limit());
    expect(limit()).toBeLessThan(30);
    const counted = rig.metric("outrigger_upstream_overflow_total", { limit: "concurrency" });
    expect(cluster!.adaptive!.rejectedTotal).toBe(counted);
    expect(counted).toBe(cluster!.overflowTotal);
    expect(rig.metric("outrigger_upstream_min_rtt_seconds")).toBeGreaterThan(0.039);
    // Healed, it serves all of them again.
    serviceMs = 10;
    await load(2_000);
    const healed = await load(2_000);
    expect(healed.shed).toBe(0);
    expect(healed.p90Ms).toBeLessThan(20);
    expect(rig.log.some((line) => line.includes('"response_flags":"AC"'))).toBe(true);
  });

  test("without the limit its queue grows as long as it lasts", async () => {
    begin(undefined);
    serviceMs = 40;
    await load(3_000);
    expect(queue.length).toBeGreaterThan(500);
    // 200 a second are served, so what comes last now waits for more than two seconds.
    serviceMs = 1;
    await load(1_000);
  });

  test("a new policy starts anew, an unchanged one goes on", async () => {
    begin(POLICY);
    await load(1_000);
    const before = limit();
    expect(before).toBeGreaterThan(3);
    const limits = { maxConnections: 9, maxPendingRequests: 9, maxRequests: 99 };
    rig.apply({ cluster: { limits: { ...limits, adaptive: { ...POLICY } } } });
    expect(limit()).toBe(before);
    rig.apply({ cluster: { limits: { ...limits, adaptive: { ...POLICY, min: 5 } } } });
    expect(limit()).toBe(5);
    rig.apply({ cluster: { limits } });
    expect(rig.proxy.stats().clusters[0]!.adaptive).toBeUndefined();
  });
});
