import { afterEach, expect, test } from "bun:test";
import type { HealthCheckPolicy } from "../api/snapshot.ts";
import { Rig } from "../sim/rig.ts";
import { upstreamAt } from "../sim/snapshots.ts";
import { type Received, reply } from "../sim/upstream.ts";

/** Health checks, through the whole proxy. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const HTTP: HealthCheckPolicy = {
  path: "/healthz",
  host: "",
  statuses: [200],
  intervalMs: 1_000,
  timeoutMs: 500,
  unhealthyAfter: 2,
  healthyAfter: 2,
};
const TCP: HealthCheckPolicy = { ...HTTP, path: null };
const TWO = [1, 2].map(upstreamAt);

/** Answers requests with its number, and checks with what `status` says now. */
function upstreamWith(index: number, status: () => number): void {
  rig.upstream(index, ({ target, peer }: Received) => {
    const isCheck = target === "/healthz";
    peer.send(reply(isCheck ? status() : 200, isCheck ? "" : `u${index}`));
  });
}

async function bodies(count: number): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let done = 0; done < count; done++) seen.add((await rig.ask()).body);
  return seen;
}

const healthy = (): boolean[] =>
  rig.proxy.stats().clusters[0]!.endpoints.map((endpoint) => endpoint.healthy);
const kinds = (): string[] => rig.proxy.stats().events.map(({ kind }) => kind);

test("S4-11 an endpoint that fails its checks leaves within seconds and comes back", async () => {
  let status = 200;
  rig = new Rig({ cluster: { endpoints: TWO, health: HTTP } });
  upstreamWith(1, () => status);
  upstreamWith(2, () => 200);
  await rig.advance(5_000);
  expect(healthy()).toEqual([true, true]);
  expect(await bodies(10)).toEqual(new Set(["u1", "u2"]));
  status = 503;
  await rig.advance(2_600);
  expect(healthy()).toEqual([false, true]);
  expect(await bodies(10)).toEqual(new Set(["u2"]));
  expect(rig.metric("outrigger_upstream_endpoints", { state: "unhealthy" })).toBe(1);
  status = 200;
  await rig.advance(2_600);
  expect(healthy()).toEqual([true, true]);
  expect(await bodies(10)).toEqual(new Set(["u1", "u2"]));
  expect(kinds()).toEqual(["snapshot-applied", "endpoint-unhealthy", "endpoint-healthy"]);
  const failed = rig.metric("outrigger_upstream_health_checks_total", { result: "failed" });
  expect([2, 3]).toContain(failed);
  expect(rig.log.join("\n")).toContain("10.0.1.1:80 is ill: GET /healthz answered 503");
});

test("one bad check among good ones changes nothing", async () => {
  let count = 0;
  rig = new Rig({ cluster: { endpoints: [upstreamAt(1)], health: HTTP } });
  upstreamWith(1, () => (++count % 2 === 0 ? 500 : 200));
  await rig.advance(20_000);
  expect(count).toBeGreaterThan(15);
  expect(kinds()).toEqual(["snapshot-applied"]);
});

test("no answer, a closed connection, a refused one are ill; all ill is all used", async () => {
  rig = new Rig({ cluster: { endpoints: [1, 2, 3].map(upstreamAt), health: HTTP } });
  // Nobody listens at the third.
  rig.upstream(1, ({ target, peer }) => {
    if (target !== "/healthz") peer.send(reply(200, "u1"));
  });
  rig.upstream(2, ({ target, peer }) => {
    if (target === "/healthz") peer.close();
    else peer.send(reply(200, "u2"));
  });
  await rig.advance(5_000);
  expect(healthy()).toEqual([false, false, false]);
  expect(await bodies(9)).toContain("u1");
  const told = rig.log.join("\n");
  expect(told).toContain("10.0.1.1:80 is ill: GET /healthz: 10.0.1.1:80: no whole answer within");
  expect(told).toContain("10.0.1.2:80 is ill: GET /healthz: 10.0.1.2:80: the connection");
  expect(told).toContain("10.0.1.3:80 is ill: GET /healthz: 10.0.1.3:80:");
});

test("a TCP check is a connection that opens; a cut cable is no connection in time", async () => {
  rig = new Rig({ cluster: { endpoints: TWO, health: TCP } });
  rig.upstream(1);
  rig.upstream(2);
  await rig.advance(5_000);
  expect(healthy()).toEqual([true, true]);
  rig.world.net.partition("127.0.0.1", upstreamAt(1).host);
  await rig.advance(5_000);
  expect(healthy()).toEqual([false, true]);
  expect(rig.log.join("\n")).toContain("10.0.1.1:80 is ill: no connection within 500 ms");
  rig.world.net.heal("127.0.0.1", upstreamAt(1).host);
  await rig.advance(5_000);
  expect(healthy()).toEqual([true, true]);
  expect(rig.upstreams[0]!.requests.length).toBe(0);
});

test("the checks' Host and statuses are the policy's, their times out of step", async () => {
  const health = { ...HTTP, host: "api.example.com", statuses: [204] };
  rig = new Rig({ cluster: { endpoints: TWO, health } });
  const atMs: number[] = [];
  upstreamWith(1, () => {
    atMs.push(rig.world.clock.now());
    return 204;
  });
  upstreamWith(2, () => 200);
  await rig.advance(30_000);
  expect(healthy()).toEqual([true, false]);
  expect(rig.upstreams[0]!.requests[0]!.headers.get("host")).toBe("api.example.com");
  const gaps = atMs.slice(1).map((at, index) => at - atMs[index]!);
  expect(Math.min(...gaps)).toBeGreaterThan(890);
  expect(Math.max(...gaps)).toBeLessThan(1_130);
  expect(new Set(gaps.map(Math.round)).size).toBeGreaterThan(5);
});

test("checks end with their policy, their endpoint and their cluster", async () => {
  rig = new Rig({ cluster: { endpoints: TWO, health: HTTP } });
  upstreamWith(1, () => 500);
  upstreamWith(2, () => 200);
  await rig.advance(5_000);
  expect(healthy()).toEqual([false, true]);
  rig.apply({ version: "2", cluster: { endpoints: TWO } });
  expect(healthy()).toEqual([true, true]);
  const counts = (): number[] => rig.upstreams.map(({ requests }) => requests.length);
  const before = counts();
  await rig.advance(10_000);
  expect(counts()).toEqual(before);
  rig.apply({ version: "3", cluster: { endpoints: [upstreamAt(2)], health: HTTP } });
  await rig.advance(10_000);
  expect(counts()[0]).toBe(before[0]!);
  expect(counts()[1]! - before[1]!).toBeGreaterThan(7);
  rig.apply({ version: "4", clusters: { app: { endpoints: [upstreamAt(1)] } } });
  const last = counts();
  await rig.advance(10_000);
  expect(counts()).toEqual(last);
});

test("who waits for a connection is not sent to one that turned ill meanwhile", async () => {
  let status = 200;
  const limits = { maxConnections: 1, maxPendingRequests: 10, maxRequests: 10 };
  rig = new Rig({ cluster: { endpoints: TWO, health: HTTP, limits } });
  const held: Received[] = [];
  rig.upstream(1, (request) => {
    if (request.target === "/healthz") request.peer.send(reply(status, ""));
    else held.push(request);
  });
  upstreamWith(2, () => 200);
  const [first, second] = [rig.client().get("/a"), rig.client().get("/b")];
  await rig.advance(100);
  expect(held.length).toBe(1);
  status = 500;
  await rig.advance(3_000);
  held[0]!.peer.send(reply(200, "late"));
  await rig.advance(100);
  expect([first.answer?.body, second.answer?.body]).toEqual(["late", "u2"]);
});
