import { afterEach, describe, expect, test } from "bun:test";
import { Failure } from "../base/failure.ts";
import { Rig } from "../sim/rig.ts";
import { PROXY, snapshotOf, type SnapshotShape, upstreamAt } from "../sim/snapshots.ts";
import { reply } from "../sim/upstream.ts";

/** A new Snapshot under live traffic, and the end. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const AT_9000 = { host: "10.0.0.1", port: 9000 };

function refused(shape: SnapshotShape): Failure {
  try {
    rig.apply(shape);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("reload", () => {
  test("fifty Snapshots under load: no request fails, no connection ends", async () => {
    rig = new Rig({ version: "0" });
    for (const index of [1, 2, 3]) {
      rig.upstream(index, ({ peer }) => {
        const delayMs = rig.world.random.next() * 8;
        rig.world.clock.after(delayMs, () => peer.send(reply(200, `u${index}`)));
      });
    }
    const clients = Array.from({ length: 8 }, () => rig.client());
    for (const client of clients) client.whenDone = () => void client.get("/");
    for (const client of clients) client.get("/");
    for (let version = 1; version <= 50; version++) {
      await rig.advance(7);
      const endpoints = [1, 2, 3].filter((index) => index !== version % 4).map(upstreamAt);
      const path = { kind: "prefix", value: version % 2 === 0 ? "/" : "" } as const;
      const breaker =
        version % 3 === 0
          ? { errorRate: 1, minRequests: 5, windowMs: 1e3, openMs: 10, halfOpenRequests: 1 }
          : null;
      rig.apply({
        version: String(version),
        listener: { routes: [{ name: `r${version % 5}`, path }] },
        cluster: { endpoints, breaker },
      });
    }
    for (const client of clients) client.whenDone = () => {};
    await rig.advance(50);
    const calls = clients.flatMap((client) => client.calls);
    expect(calls.length).toBeGreaterThan(300);
    expect(calls.filter(({ status }) => status !== 200)).toEqual([]);
    expect(clients.every(({ peer }) => !peer.closed)).toBe(true);
    expect(rig.proxy.stats().version).toBe("50");
    expect(rig.metric("outrigger_connections_total")).toBe(8);
  });

  test("a removed cluster ends what it began: requests in flight and in the queue", async () => {
    const limits = { maxConnections: 1, maxPendingRequests: 5, maxRequests: 9 };
    rig = new Rig({ clusters: { app: { limits } } });
    rig.upstream(1, ({ peer }) => rig.world.clock.after(20, () => peer.send(reply(200, "old"))));
    rig.upstream(2);
    const calls = [rig.client().get("/1"), rig.client().get("/2")];
    await rig.advance(5);
    rig.apply({ route: { to: "other" }, clusters: { other: { endpoints: [upstreamAt(2)] } } });
    expect((await rig.ask()).body).toBe("u2");
    await rig.advance(100);
    expect(calls.map(({ answer }) => answer?.body)).toEqual(["old", "old"]);
    expect(rig.upstreams[0]!.open.length).toBe(0);
  });

  test("room for more connections is used by those who wait already", async () => {
    const limits = { maxConnections: 1, maxPendingRequests: 5, maxRequests: 9 };
    rig = new Rig({ cluster: { limits } });
    rig.upstream(1, ({ peer, target }) => {
      if (target === "/2") peer.send(reply(200, "now"));
      else rig.world.clock.after(1_000, () => peer.send(reply(200, "late")));
    });
    rig.client().get("/1");
    await rig.advance(5);
    const call = rig.client().get("/2");
    await rig.advance(5);
    expect(call.answer).toBeNull();
    rig.apply({ cluster: { limits: { ...limits, maxConnections: 2 } } });
    await rig.advance(5);
    expect(call.answer?.body).toBe("now");
  });

  test("a removed listener takes no one in, and ends its requests", async () => {
    const both = { a: { at: PROXY }, b: { at: AT_9000 } };
    rig = new Rig({ listeners: both });
    rig.upstream(1, ({ peer }) => rig.world.clock.after(20, () => peer.send(reply(200, "done"))));
    const busy = rig.client(AT_9000);
    const call = busy.get("/");
    const idle = rig.client(AT_9000);
    await rig.advance(5);
    rig.apply({ listeners: { a: { at: PROXY } } });
    await rig.advance(5);
    expect(idle.peer.ended).toBe(false);
    const late = rig.client(AT_9000);
    await rig.advance(300);
    expect(idle.peer.ended).toBe(true);
    expect(late.peer.error?.code).toBe("refused");
    expect([call.status, call.answer?.headers.get("connection")]).toEqual([200, "close"]);
    expect(busy.peer.closed).toBe(true);
  });

  test("listeners that trade names keep their sockets and count their connections", async () => {
    rig = new Rig({ listeners: { a: { at: PROXY }, b: { at: AT_9000 } } });
    rig.upstream();
    const client = rig.client(PROXY);
    await rig.advance(5);
    rig.apply({ listeners: { a: { at: AT_9000 }, b: { at: PROXY } } });
    const active = "outrigger_connections_active";
    expect([rig.metric(active, { listener: "a" }), rig.metric(active, { listener: "b" })]).toEqual([
      0, 1,
    ]);
    const call = client.get("/");
    await rig.advance(5);
    expect(call.status).toBe(200);
    expect(rig.metric("outrigger_requests_total", { listener: "b" })).toBe(1);
    client.peer.close();
    await rig.advance(5);
    expect(rig.metric(active)).toBe(0);
  });

  test("a refused Snapshot leaves the last good one in force", async () => {
    rig = new Rig({ version: "good" });
    rig.upstream();
    const client = rig.client();
    const bad: [string, SnapshotShape, RegExp][] = [
      ["refused", { version: "x", route: { to: "nowhere" } }, /no cluster is named nowhere/],
      ["refused", { route: { filters: [{ filter: "x", config: {} }] } }, /no filter is named x/],
      ["refused", { route: { backends: [{ cluster: "app", weight: 0 }] } }, /weight above 0/],
      ["port-in-use", { listeners: { in: {}, twice: {} } }, /10\.0\.0\.1:8080/],
    ];
    for (const [kind, shape, text] of bad) {
      const failure = refused(shape);
      expect(failure.kind as string).toBe(kind);
      expect(failure.message).toMatch(text);
      const call = client.get("/");
      await rig.advance(5);
      expect([call.status, rig.proxy.stats().version]).toEqual([200, "good"]);
    }
    const events = rig.proxy.stats().events.map(({ kind }) => kind);
    expect(events.filter((kind) => kind === "snapshot-refused").length).toBe(bad.length);
    expect(rig.proxy.ready).toBe(true);
  });

  test("a port that another program holds is refused with the reason", () => {
    rig = new Rig(null);
    const other = rig.world.net.listen({ address: PROXY }, () => null);
    expect(refused({}).kind).toBe("port-in-use");
    expect(rig.proxy.ready).toBe(false);
    other.stop();
    rig.apply({});
    expect(rig.proxy.ready).toBe(true);
  });

  test("a binding that is missing is refused", () => {
    rig = new Rig(null);
    const whole = snapshotOf();
    const without = { ...whole, bindings: { ...whole.bindings, clusters: {} } };
    expect(() => rig.proxy.apply(without)).toThrow("cluster app has no binding");
  });
});

describe("drain", () => {
  test("ends what is idle, waits for what is in flight, takes no one in", async () => {
    rig = new Rig({ drainMs: 5_000 });
    rig.upstream(1, ({ peer }) => {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
      rig.world.clock.after(100, () => peer.send("cd"));
    });
    const [busy, idle] = [rig.client(), rig.client()];
    const call = busy.get("/");
    await rig.advance(10);
    let isDrained = false;
    void rig.proxy.drain().then(() => (isDrained = true));
    void rig.proxy.drain();
    await rig.advance(150);
    expect(call.answer?.body).toBe("abcd");
    expect([idle.peer.ended, rig.proxy.ready, isDrained]).toEqual([false, false, false]);
    await rig.advance(150);
    expect([idle.peer.ended, isDrained]).toEqual([true, true]);
  });

  test("an idle caller's next request is answered, and told to come by another connection", async () => {
    rig = new Rig({ drainMs: 5_000 });
    rig.upstream(1, ({ peer }) => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    const [caller, late] = [rig.client(), rig.client()];
    caller.get("/");
    late.get("/");
    await rig.advance(10);
    void rig.proxy.drain({ hasSuccessor: true });
    await rig.advance(1_000);
    const next = caller.get("/");
    await rig.advance(10);
    expect([next.answer?.body, next.answer?.headers.get("connection")]).toEqual(["ok", "close"]);
    expect([caller.peer.ended, late.peer.ended]).toEqual([true, false]);
    await rig.advance(2_000);
    expect(late.peer.ended).toBe(true);
  });

  test("what does not end in time is ended", async () => {
    rig = new Rig({ drainMs: 1_000 });
    rig.upstream(1, () => {});
    const call = rig.client().get("/");
    await rig.advance(10);
    let isDrained = false;
    void rig.proxy.drain().then(() => (isDrained = true));
    await rig.advance(900);
    expect([call.broken, isDrained]).toEqual([false, false]);
    await rig.advance(200);
    expect([call.broken, isDrained]).toEqual([true, true]);
  });

  test("close ends a removed listener's connections too", async () => {
    rig = new Rig({ listeners: { a: { at: PROXY }, b: { at: AT_9000 } } });
    rig.upstream(1, () => {});
    const call = rig.client(AT_9000).get("/");
    await rig.advance(5);
    rig.apply({ listeners: { a: { at: PROXY } } });
    rig.proxy.close();
    await rig.advance(5);
    expect(call.broken).toBe(true);
  });
});
