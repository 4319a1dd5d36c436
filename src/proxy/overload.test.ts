import { afterEach, describe, expect, test } from "bun:test";
import type { OverloadPolicy } from "../api/snapshot.ts";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import type { Clock } from "../base/world.ts";
import { Rig } from "../sim/rig.ts";
import { reply } from "../sim/upstream.ts";
import { availableBytes, Overload, TICK_MS } from "./overload.ts";

const MIB = 2 ** 20;
const POLICY: OverloadPolicy = {
  memory: { bytes: 100 * MIB },
  eventLoopLagMs: 100,
  keepPaths: ["/healthz"],
};

describe("a proxy above its memory bound", () => {
  let rig: Rig;
  afterEach(async () => {
    expect(await rig.leaks()).toEqual([]);
  });

  function use(mebibytes: number): void {
    rig.world.processes.self.resources = { residentBytes: mebibytes * MIB, userMs: 0, systemMs: 0 };
  }

  const shedding = (): number => rig.metric("outrigger_overload_active", { reason: "memory" });

  test("refuses new requests at once, ends those in flight, keeps health checks and stays ready", async () => {
    rig = new Rig({ overload: POLICY, accessLog: "json" });
    const upstream = rig.upstream(1, ({ peer, target }) => {
      rig.world.clock.plan(target === "/slow" ? 1_000 : 1, () => peer.send(reply(200, "u1")));
    });
    const slow = rig.client().get("/slow");
    const client = rig.client();
    expect([client.get("/"), await rig.advance(300)][0]!.status).toBe(200);
    use(101);
    await rig.advance(2 * TICK_MS);
    expect(shedding()).toBe(1);
    const sent = upstream.requests.length;
    const refused = await rig.ask("/other");
    expect(refused).toEqual({ status: 503, body: "the sidecar has too much to do\n" });
    expect(upstream.requests.length).toBe(sent);
    // The connection lives on.
    const again = client.get("/again");
    const healthy = client.get("/healthz?full=1");
    await rig.advance(10);
    expect([again.status, healthy.status]).toEqual([503, 200]);
    const posted = rig.client().send("POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    await rig.advance(1_000);
    expect([posted.status, slow.status]).toEqual([503, 200]);
    expect(rig.proxy.ready).toBe(true);
    expect(rig.metric("outrigger_overload_shed_total", { reason: "memory" })).toBe(3);
    const { overload, events } = rig.proxy.stats();
    expect(overload).toEqual({
      shedding: "memory",
      shedTotal: 3,
      eventLoopLagMs: 0,
      maxBytes: 100 * MIB,
    });
    expect(events.at(-1)!.text).toContain("101 MiB resident, the bound is 100 MiB");
    expect(rig.log.filter((line) => line.includes('"response_flags":"OM"')).length).toBe(3);
  });

  test("begins after two readings and ends when it is well below for half a second", async () => {
    rig = new Rig({ overload: POLICY });
    rig.upstream();
    use(120);
    await rig.advance(1.5 * TICK_MS);
    expect(shedding()).toBe(0);
    use(50);
    await rig.advance(TICK_MS);
    use(120);
    await rig.advance(TICK_MS);
    expect(shedding()).toBe(0);
    await rig.advance(TICK_MS);
    expect(shedding()).toBe(1);
    use(95);
    await rig.advance(60_000);
    expect(shedding()).toBe(1);
    use(89);
    await rig.advance(4 * TICK_MS);
    expect((await rig.ask()).status).toBe(503);
    await rig.advance(TICK_MS);
    expect(shedding()).toBe(0);
    expect((await rig.ask()).status).toBe(200);
    expect(rig.proxy.stats().events.at(-1)!.kind).toBe("overload-ended");
  });

  test("ends at once with its policy, and the canned answer is given where there is one", async () => {
    const fallback = { on: ["overflow"], status: 200, headers: {}, body: "canned" } as const;
    rig = new Rig({ overload: POLICY, route: { fallback } });
    rig.upstream();
    use(500);
    await rig.advance(500);
    expect(await rig.ask()).toEqual({ status: 200, body: "canned" });
    rig.apply({ route: { fallback } });
    expect(await rig.ask()).toEqual({ status: 200, body: "u1" });
    expect(rig.proxy.stats().overload).toBeUndefined();
    expect(rig.proxy.metrics()).not.toContain("outrigger_overload");
  });
});

test("an event loop that comes late to what is due is overloaded, one late turn is not", () => {
  let tick = (): void => {};
  let nowMs = 0;
  const changes: (string | null)[] = [];
  const clock = {
    now: () => nowMs,
    every: (_intervalMs: number, run: () => void) => {
      tick = run;
      return { cancel: () => {} };
    },
  } as Partial<Clock> as Clock;
  const { files } = createSimulatedWorld({ seed: 1 });
  const overload = new Overload({
    clock,
    files,
    residentBytes: () => 1,
    changed: (reason, detail) => changes.push(reason, detail),
  });
  const turn = (lateMs: number): void => {
    nowMs += TICK_MS + lateMs;
    tick();
  };
  overload.setPolicy({ ...POLICY, memory: { ratio: 0.8 } });
  // Nobody says how much memory there is.
  expect(overload.stats()).toMatchObject({ maxBytes: null });
  for (const lateMs of [0, 300, 0, 99, 120]) turn(lateMs);
  expect(overload.isShedding).toBe(false);
  turn(120);
  expect([overload.isShedding, overload.reason]).toEqual([true, "event-loop"]);
  expect(changes).toEqual(["event-loop", "the event loop lags 120 ms, the bound is 100 ms"]);
  for (const lateMs of [10, 10, 95, 10, 10, 10, 10]) turn(lateMs);
  expect(overload.isShedding).toBe(true);
  turn(10);
  expect(overload.isShedding).toBe(false);
});

test("what a process may use is the least of its control groups' limits and the machine's", () => {
  const { files } = createSimulatedWorld({ seed: 1 });
  const put = (path: string, text: string): void => {
    files.makeFolder(path.slice(0, path.lastIndexOf("/")));
    files.write(path, text);
  };
  expect(availableBytes(files)).toBe(Number.POSITIVE_INFINITY);
  put("/proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
  expect(availableBytes(files)).toBe(16 * MIB);
  put("/sys/fs/cgroup/memory.max", "max\n");
  expect(availableBytes(files)).toBe(16 * MIB);
  put("/proc/self/cgroup", "0::/pods/one\n");
  put("/sys/fs/cgroup/pods/one/memory.max", `${4 * MIB}\n`);
  expect(availableBytes(files)).toBe(4 * MIB);
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  expect(availableBytes(files)).toBe(4 * MIB);
});
