import { afterEach, expect, test } from "bun:test";
import { readTapOrder } from "../../api/tap.ts";
import { Failure } from "../../base/failure.ts";
import { GroupRig } from "../../sim/group_rig.ts";
import { PROXY, RETRY, snapshotOf, upstreamAt } from "../../sim/snapshots.ts";
import { type Received, reply } from "../../sim/upstream.ts";
import { runWorker } from "./worker.ts";

let rig: GroupRig;

afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

/** Answers after a while: what is asked together is in flight together. */
const later = (ms: number, status = 200) => ({ peer }: Received): void => {
  rig.world.clock.after(ms, () => peer.send(reply(status, "x")));
};

const count = (statuses: readonly number[], status: number): number =>
  statuses.filter((one) => one === status).length;

test("every worker listens on the same port, and each takes a part", async () => {
  rig = new GroupRig(3);
  await rig.apply({});
  const upstream = rig.upstream();
  expect(count(await rig.ask(60), 200)).toBe(60);
  expect(upstream.requests.length).toBe(60);
  // Each has connections of its own: what was asked at once is spread over them.
  expect(rig.world.net.listeners).toBe(4);
});

test("S1-24 requests in flight are bounded for all workers together", async () => {
  rig = new GroupRig(4);
  const limits = { maxConnections: 100, maxPendingRequests: 100, maxRequests: 7 };
  await rig.apply({ cluster: { limits } });
  rig.upstream(1, later(200));
  const statuses = await rig.ask(50);
  expect([count(statuses, 200), count(statuses, 503)]).toEqual([7, 43]);
  // All were given back.
  expect(count(await rig.ask(7), 200)).toBe(7);
  const { clusters } = await rig.stats();
  expect([clusters[0]!.requestsActive, clusters[0]!.overflowTotal]).toEqual([0, 43]);
});

test("connections are bounded for all, and who waits in one worker gets room of another", async () => {
  rig = new GroupRig(3);
  const limits = { maxConnections: 4, maxPendingRequests: 100, maxRequests: 100 };
  await rig.apply({ cluster: { limits } });
  let most = 0;
  const upstream = rig.upstream(1, (request) => {
    most = Math.max(most, upstream.open.length);
    later(20)(request);
  });
  // Twice the time that one proxy alone would need.
  expect(count(await rig.ask(60, (60 / 4) * 20 * 2), 200)).toBe(60);
  expect(most).toBe(4);
  const { clusters } = await rig.stats();
  expect([clusters[0]!.requestsPending, clusters[0]!.connectionsActive <= 4]).toEqual([0, true]);
});

test("idle connections of one worker make room for another", async () => {
  rig = new GroupRig(4);
  const limits = { maxConnections: 2, maxPendingRequests: 100, maxRequests: 100 };
  await rig.apply({ cluster: { limits } });
  rig.upstream();
  // One after the other: whichever worker it is, there is room within milliseconds.
  for (let index = 0; index < 20; index++) expect(await rig.ask(1, 30)).toEqual([200]);
});

test("who waits for a connection is bounded for all", async () => {
  rig = new GroupRig(3);
  const limits = { maxConnections: 2, maxPendingRequests: 5, maxRequests: 100 };
  await rig.apply({ cluster: { limits } });
  rig.upstream(1, later(50));
  const statuses = await rig.ask(40);
  expect([count(statuses, 200), count(statuses, 503)]).toEqual([7, 33]);
});

test("callers' connections are bounded for all", async () => {
  rig = new GroupRig(3);
  await rig.apply({ listener: { maxConnections: 10 } });
  rig.upstream(1, later(100));
  const statuses = await rig.ask(25, 300);
  expect(count(statuses, 200)).toBe(10);
  expect(await rig.metric("outrigger_connections_refused_total")).toBe(15);
  for (const { peer } of rig.clients) peer.close();
  await rig.advance(10);
  expect(count(await rig.ask(10, 300), 200)).toBe(10);
});

test("S1-25 retries in flight are bounded for all workers, by the budget and by their limit", async () => {
  rig = new GroupRig(4);
  const backoff = { baseMs: 2_000, maxMs: 2_000 };
  const retry = { ...RETRY, attempts: 1, backoff, budgetRatio: 0, budgetMinimum: 3 };
  await rig.apply({ route: { retry } });
  rig.upstream(1, later(5, 503));
  await rig.ask(40, 5_000);
  expect(await rig.metric("outrigger_upstream_retries_total")).toBe(3);
  expect(await rig.metric("outrigger_upstream_retries_over_budget_total")).toBe(37);
  expect(await rig.metric("outrigger_upstream_retries_active")).toBe(0);
});

test("the breaker opens once for all by the errors of all, and closes once", async () => {
  rig = new GroupRig(4);
  const breaker = {
    ...{ errorRate: 0.5, minRequests: 20, windowMs: 10_000 },
    ...{ openMs: 5_000, halfOpenRequests: 2 },
  };
  await rig.apply({ cluster: { breaker } });
  const upstream = rig.upstream(1, later(1, 500));
  // No worker alone sees twenty.
  expect(count(await rig.ask(20, 100), 500)).toBe(20);
  expect(count(await rig.ask(20, 100), 503)).toBe(20);
  expect(upstream.requests.length).toBe(20);
  expect((await rig.stats()).clusters[0]!.breaker).toBe("open");
  expect(await rig.metric("outrigger_breaker_state")).toBe(2);
  await rig.advance(5_000);
  upstream.answer = later(50);
  const probes = await rig.ask(20, 100);
  expect([count(probes, 200), count(probes, 503)]).toEqual([2, 18]);
  expect(count(await rig.ask(20, 100), 200)).toBe(20);
  const { events, clusters } = await rig.stats();
  const changes = events.map(({ kind }) => kind).filter((kind) => kind.startsWith("breaker"));
  expect(changes).toEqual(["breaker-opened", "breaker-half-open", "breaker-closed"]);
  expect(clusters[0]!.breaker).toBe("closed");
  expect(await rig.metric("outrigger_breaker_transitions_total")).toBe(3);
});

test("a breaker that is another under a new Snapshot starts closed, in all workers", async () => {
  rig = new GroupRig(2);
  const breaker = {
    ...{ errorRate: 0.5, minRequests: 4, windowMs: 10_000 },
    ...{ openMs: 60_000, halfOpenRequests: 1 },
  };
  await rig.apply({ cluster: { breaker } });
  rig.upstream(1, later(1, 500));
  await rig.ask(10, 100);
  expect((await rig.stats()).clusters[0]!.breaker).toBe("open");
  await rig.apply({ version: "2", cluster: { breaker: { ...breaker, minRequests: 50 } } });
  expect(count(await rig.ask(30, 100), 500)).toBe(30);
  // Unchanged, it goes on with what it has counted.
  await rig.apply({ version: "3", cluster: { breaker: { ...breaker, minRequests: 50 } } });
  await rig.ask(30, 100);
  expect((await rig.stats()).clusters[0]!.breaker).toBe("open");
});

test("metrics and stats are the sums of what callers and upstreams saw", async () => {
  rig = new GroupRig(3);
  await rig.apply({ accessLog: "json" });
  const upstream = rig.upstream();
  await rig.ask(40, 500);
  upstream.answer = later(1, 500);
  await rig.ask(20, 500);
  expect(await rig.metric("outrigger_requests_total", { code: "200" })).toBe(40);
  expect(await rig.metric("outrigger_requests_total", { code: "500" })).toBe(20);
  expect(await rig.metric("outrigger_request_duration_seconds_count")).toBe(60);
  expect(await rig.metric("outrigger_request_duration_seconds_bucket", { le: "+Inf" })).toBe(60);
  expect(await rig.metric("outrigger_upstream_tries_total")).toBe(60);
  expect(await rig.metric("outrigger_connections_active")).toBe(60);
  expect(await rig.metric("outrigger_upstream_endpoints", { state: "healthy" })).toBe(1);
  expect(await rig.metric("outrigger_build_info")).toBe(1);
  const { listeners, clusters, workers } = await rig.stats();
  expect(listeners.map(({ connectionsTotal }) => connectionsTotal)).toEqual([60]);
  expect(listeners[0]!.routes.map(({ answersByClass }) => answersByClass[2])).toEqual([40]);
  expect(listeners[0]!.routes[0]!.duration.boundsMs[0]).toBe(0.5);
  expect(clusters.map(({ triesTotal, endpoints }) => [triesTotal, endpoints.length])).toEqual([
    [60, 1],
  ]);
  expect(workers).toMatchObject({ wanted: 3, running: 3, restartsTotal: 0 });
  const parts = workers!.each.map(({ worker, connectionsTotal }) => [worker, connectionsTotal]);
  expect(parts.map(([worker]) => worker)).toEqual([0, 1, 2]);
  expect(parts.reduce((sum, [, count]) => sum + count!, 0)).toBe(60);
  expect(Math.min(...parts.map(([, count]) => count!))).toBeGreaterThan(5);
  const lines = rig.log.filter((line) => line.includes("response_code"));
  expect(lines.map((line) => JSON.parse(line).response_code).length).toBe(60);
});

test("a Snapshot that one worker refuses comes into force in none", async () => {
  rig = new GroupRig(3);
  await rig.apply({ version: "1" });
  rig.upstream();
  const bad = snapshotOf({ version: "2", cluster: { balance: { policy: "nobody" as "random" } } });
  const refused = await rig.settled(rig.group.apply(bad).catch((error: unknown) => error));
  expect(refused).toBeInstanceOf(Failure);
  expect((refused as Failure).message).toContain("nobody");
  // A port that somebody else has: though workers could share it with one that shares.
  const address = { host: PROXY.host, port: 8081 };
  const other = rig.world.net.listen({ address, reusePort: true }, () => null);
  const listeners = { in: {}, more: { at: address } };
  const taken = snapshotOf({ version: "3", listeners });
  const inUse = await rig.settled(rig.group.apply(taken).catch((error: unknown) => error));
  expect((inUse as Failure).kind).toBe("port-in-use");
  other.stop();
  expect((await rig.stats()).version).toBe("1");
  expect(count(await rig.ask(10), 200)).toBe(10);
  expect(rig.world.net.listeners).toBe(4);
  // What no worker could even be given.
  const odd = { ...snapshotOf({ version: "4" }), policy: { clusters: { a: null } } };
  const wrong = rig.group.apply(odd as never).catch((error: unknown) => error);
  expect(((await rig.settled(wrong)) as Failure).kind).toBe("refused");
  expect((await rig.stats()).version).toBe("1");
  const kinds = (await rig.stats()).events.map(({ kind }) => kind);
  const refusal = "snapshot-refused";
  expect(kinds).toEqual(["snapshot-applied", refusal, refusal, refusal]);
});

test("a new Snapshot changes what all do, without a failed request", async () => {
  rig = new GroupRig(3);
  await rig.apply({ version: "1" });
  rig.upstream(1, later(30));
  rig.upstream(2, later(30));
  const first = Array.from({ length: 20 }, () => rig.client().get("/"));
  await rig.advance(10);
  await rig.apply({ version: "2", cluster: { endpoints: [upstreamAt(2)] } });
  const second = Array.from({ length: 20 }, () => rig.client().get("/"));
  await rig.advance(200);
  expect([...first, ...second].every(({ status }) => status === 200)).toBe(true);
  expect(rig.upstreams.map(({ requests }) => requests.length)).toEqual([20, 20]);
});

test("a fault at run time is in force in all workers, and in one that comes later", async () => {
  rig = new GroupRig(3);
  await rig.apply({});
  rig.upstream();
  const fault = { delay: null, abort: { status: 418, ratio: 1 }, headers: {}, maxHeld: 10 };
  const order = { listener: "in", route: null, fault, forMs: null };
  await rig.settled(rig.group.setFault(order));
  expect(count(await rig.ask(20), 418)).toBe(20);
  await endOne();
  expect(count(await rig.ask(20), 418)).toBe(20);
  expect((await rig.settled(rig.group.faults())).length).toBe(1);
  expect(await rig.settled(rig.group.clearFaults(null, null))).toBe(1);
  expect(count(await rig.ask(20), 200)).toBe(20);
  const nobody = rig.group.setFault({ ...order, listener: "no" }).catch((error: unknown) => error);
  expect(((await rig.settled(nobody)) as Failure).message).toContain("no listener is named no");
});

test("malformed messages that any worker saw are told once, with numbers of their own", async () => {
  rig = new GroupRig(3);
  await rig.apply({ cluster: { responseValidation: "tolerant" } });
  let answers = 0;
  rig.upstream(1, ({ peer }) => peer.send(reply(200, "x", `X-${answers++ % 5} : 1\r\n`)));
  expect(count(await rig.ask(60), 200)).toBe(60);
  const first = await rig.sightings();
  expect(new Set(first.map(({ header }) => header)).size).toBe(5);
  expect(first.map(({ sequence }) => sequence)).toEqual(first.map((_, index) => index + 1));
  expect(await rig.sightings()).toEqual(first);
  await rig.world.clock.advance(1_000);
  await rig.ask(3);
  const since = await rig.sightings(first.length);
  expect(since.length).toBeGreaterThan(0);
  expect(since[0]!.sequence).toBe(first.length + 1);
});

test("a drain lets what is in flight end, in all workers", async () => {
  rig = new GroupRig(3);
  await rig.apply({});
  rig.upstream(1, later(500));
  const calls = Array.from({ length: 20 }, () => rig.client().get("/"));
  await rig.advance(50);
  await rig.settled(rig.group.drain());
  expect(calls.map(({ status }) => status)).toEqual(Array(20).fill(200));
  expect(rig.group.ready).toBe(false);
});

/** The sockets of a worker that ends are closed by the system; here they are left to the others. */
async function endOne(which = 0): Promise<void> {
  const thread = [...rig.world.threads.running].at(which);
  thread!.post({ kind: "close" });
  await rig.advance(1);
  thread!.end("it fell over");
  await rig.advance(100);
}

test("a worker that ends is reported and replaced, and what was counted stays counted", async () => {
  rig = new GroupRig(2);
  await rig.apply({});
  rig.upstream();
  await rig.ask(30, 100);
  expect(await rig.metric("outrigger_requests_total")).toBe(30);
  const before = (await rig.stats()).listeners[0]!.connectionsTotal;
  for (const { peer } of rig.clients) peer.close();
  await rig.advance(10);
  await endOne();
  expect((await rig.stats()).workers).toMatchObject({ wanted: 2, running: 2, restartsTotal: 1 });
  expect(await rig.metric("outrigger_worker_restarts_total")).toBe(1);
  expect(await rig.metric("outrigger_requests_total")).toBe(30);
  expect((await rig.stats()).listeners[0]!.connectionsTotal).toBe(before);
  expect(count(await rig.ask(30), 200)).toBe(30);
  expect(await rig.metric("outrigger_requests_total")).toBe(60);
  const ends = (await rig.stats()).events.filter(({ kind }) => kind.startsWith("worker"));
  expect(ends.map(({ kind }) => kind)).toEqual(["worker-ended", "worker-started"]);
  expect(ends[0]!.text).toBe("worker 0 of 2 ended (it fell over); another starts at once");
  // The next one waits longer each time.
  await endOne(-1);
  expect((await rig.stats()).workers!.running).toBe(1);
  await rig.advance(600);
  expect((await rig.stats()).workers!.running).toBe(2);
});

test("a worker that takes another's place shows to taps what it does, and logs as much", async () => {
  rig = new GroupRig(2);
  await rig.apply({});
  rig.upstream();
  const order = readTapOrder(new Map());
  if (typeof order === "string") throw new Error(order);
  let seen = 0;
  const end = rig.group.tap(order, (records) => void (seen += records.length));
  await rig.settled(rig.group.setLogLevel("debug"));
  await endOne();
  expect(count(await rig.ask(20), 200)).toBe(20);
  await rig.advance(100);
  expect(seen).toBe(20);
  expect(rig.log.filter((line) => line.includes('"debug":"try"')).length).toBe(20);
  end();
  expect(count(await rig.ask(20), 200)).toBe(20);
  await rig.advance(100);
  expect(seen).toBe(20);
});

test("a worker that stands still is ended by the watchdog and replaced", async () => {
  rig = new GroupRig(2);
  await rig.apply({});
  rig.upstream();
  const [thread] = rig.world.threads.running;
  thread!.post({ kind: "close" });
  await rig.advance(1);
  thread!.isStuck = true;
  await rig.advance(8_000);
  expect((await rig.stats()).workers!.restartsTotal).toBe(0);
  await rig.advance(5_000);
  const { workers, events } = await rig.stats();
  expect(workers).toMatchObject({ wanted: 2, running: 2, restartsTotal: 1 });
  expect(events.at(-2)!.text).toContain("it stood still for 10 s");
  expect(count(await rig.ask(10), 200)).toBe(10);
});

test("a rate limit holds for all workers together, over a new Snapshot too", async () => {
  rig = new GroupRig(4);
  const config = {
    ...{ name: "all", requests: 10, perMs: 60_000, burst: 10 },
    ...{ key: { by: "source" }, maxKeys: 100 },
  };
  const route = { filters: [{ filter: "rate_limit", config }] };
  await rig.apply({ route });
  rig.upstream();
  const statuses = await rig.ask(30, 100);
  expect([count(statuses, 200), count(statuses, 429)]).toEqual([10, 20]);
  await rig.apply({ version: "2", route });
  expect(count(await rig.ask(30, 100), 429)).toBe(30);
  // Six seconds a token.
  await rig.advance(12_000);
  expect(count(await rig.ask(30, 100), 200)).toBe(2);
  const [{ limited } = { limited: null }] = Object.values(
    (await rig.stats()).listeners[0]!.routes[0]!.rateLimits!,
  );
  expect(limited).toEqual({ local: 78, shared: 0, away: 0 });
});

test("a log level that is set while a worker comes back is that worker's too", async () => {
  rig = new GroupRig(2);
  await rig.apply({});
  rig.upstream();
  const { threads } = rig.world;
  let isSet = false;
  threads.body = (port) => {
    const onMessage: typeof port.onMessage = (take) =>
      port.onMessage((message) => {
        const { order } = message as { order?: { kind: string } };
        if (order?.kind === "log-level" && !isSet) {
          isSet = true;
          void rig.group.setLogLevel("debug");
        }
        take(message);
      });
    runWorker(rig.world, { ...port, post: port.post.bind(port), onMessage });
  };
  const [thread] = threads.running;
  thread!.post({ kind: "close" });
  await rig.advance(1);
  thread!.end("it fell over");
  await rig.advance(2_000);
  expect(isSet).toBe(true);
  await rig.ask(20);
  expect(rig.log.filter((line) => line.includes('"debug":"request"')).length).toBe(20);
});

test("a Snapshot whose filters take too long to load is given up, and nothing of it stays", async () => {
  // Loaded on demand, in a time that is not the rig's.
  await import("../typescript/user_filters.ts");
  rig = new GroupRig(2);
  rig.world.files.makeFolder("/app");
  rig.world.files.write("/app/own.ts", "export default { onComplete() {} };");
  const { modules } = rig.world;
  const load = modules.load.bind(modules);
  let waitMs = 7_000;
  modules.load = async (path, version) => {
    await rig.world.clock.sleep(waitMs);
    return load(path, version);
  };
  const bounds = { timeoutMs: 1_000, maxBodyBytes: 1_000 };
  const config = { name: "own", onError: "closed", ...bounds, config: {} };
  const filters = [{ filter: "typescript", config }];
  const shape = { route: { filters }, filters: { own: "/app/own.ts" } };
  const refused = await rig.apply(shape).catch((error: unknown) => error as Failure);
  expect((refused as Failure).message).toContain("did not answer within 5 s");
  await rig.advance(10_000);
  expect(rig.world.net.listeners).toBe(0);
  waitMs = 10;
  await rig.apply(shape);
  rig.upstream();
  expect(await rig.ask(4)).toEqual([200, 200, 200, 200]);
});
