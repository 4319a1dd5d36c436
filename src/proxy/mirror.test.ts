import { afterEach, expect, test } from "bun:test";
import type { MirrorPolicy } from "../api/snapshot.ts";
import { Rig } from "../sim/rig.ts";
import { type ClusterShape, RETRY, type RouteShape, upstreamAt } from "../sim/snapshots.ts";
import { chunked, type Received, reply, type SimUpstream } from "../sim/upstream.ts";
import { shadowed } from "./mirror.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const POLICY: MirrorPolicy = {
  cluster: "next",
  ratio: 1,
  timeoutMs: 1_000,
  maxBodyBytes: 1_000,
  maxInFlight: 10,
  shadowHost: true,
};

/** A proxy whose requests go to the first upstream, and copies to the second. */
function begin(
  policy: Partial<MirrorPolicy> = {},
  answer?: (request: Received) => void,
  route: RouteShape = {},
  next: ClusterShape = {},
): { readonly app: SimUpstream; readonly next: SimUpstream } {
  rig = new Rig({
    route: { ...route, mirror: { ...POLICY, ...policy } },
    clusters: { app: {}, next: { endpoints: [upstreamAt(2)], ...next } },
    accessLog: "json",
  });
  return { app: rig.upstream(), next: rig.upstream(2, answer) };
}

const count = (outcome: string): number => {
  return rig.metric("outrigger_mirrored_total", { cluster: "next", outcome });
};
const inFlight = (): number => rig.metric("outrigger_mirrored_active", { cluster: "next" });

test("a copy reaches the other cluster, marked and with the request's edits; its answer goes nowhere", async () => {
  const headers = { request: { set: { "x-env": "test" }, add: {}, remove: ["x-secret"] } };
  const filters = [
    { filter: "headers", config: { ...headers, response: { set: {}, add: {}, remove: [] } } },
    { filter: "rewrite", config: { from: "/v1", prefix: "/v2" } },
  ];
  const { app, next } = begin({}, undefined, { filters });
  const client = rig.client();
  const call = client.send(
    "GET /v1/items?a=1 HTTP/1.1\r\nHost: shop:8080\r\nX-Secret: s\r\nX-Own: o\r\n\r\n",
  );
  await rig.advance(100);
  expect([call.status, call.answer!.body]).toEqual([200, "u1"]);
  expect([app.requests.length, next.requests.length]).toEqual([1, 1]);
  const [copy] = next.requests;
  expect([copy!.method, copy!.target]).toEqual(["GET", "/v2/items?a=1"]);
  expect(Object.fromEntries(copy!.headers)).toEqual({
    ...Object.fromEntries(app.requests[0]!.headers),
    host: "shop-shadow:8080",
  });
  expect(copy!.headers.get("x-env")).toBe("test");
  expect(count("ok")).toBe(1);
  expect(rig.proxy.stats().clusters[1]!.mirroredTotal).toEqual({ ok: 1 });
  await rig.advance(1_000);
  // Counted for the cluster, but not as a request of anybody.
  expect(rig.metric("outrigger_requests_total")).toBe(1);
  expect(rig.log.filter((line) => line.includes("response_code\"")).length).toBe(1);
});

test("bodies are copied whole, however they came, up to the bound", async () => {
  const { app, next } = begin({ shadowHost: false });
  const client = rig.client();
  const post = (rest: string): unknown => client.send(`POST / HTTP/1.1\r\nHost: shop\r\n${rest}`);
  post("Content-Length: 5\r\n\r\nhello");
  await rig.advance(50);
  post("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  await rig.advance(50);
  client.peer.send("2\r\nde\r\n");
  await rig.advance(50);
  // It is not whole yet.
  expect([next.requests.length, inFlight()]).toEqual([1, 1]);
  client.peer.send("0\r\nX-Sum: 1\r\n\r\n");
  await rig.advance(50);
  post("Content-Length: 0\r\n\r\n");
  await rig.advance(50);
  expect(app.requests.map(({ body }) => body)).toEqual(["hello", "abcde", ""]);
  expect(next.requests.map(({ body }) => body)).toEqual(["hello", "abcde", ""]);
  expect(next.requests[0]!.headers.get("host")).toBe("shop");
  post(`Content-Length: 1001\r\n\r\n${"x".repeat(1001)}`);
  await rig.advance(50);
  post("Transfer-Encoding: chunked\r\n\r\n3e8\r\n");
  client.peer.send(`${"y".repeat(1000)}\r\n1\r\nz\r\n0\r\n\r\n`);
  await rig.advance(50);
  expect(client.calls.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(app.requests.at(-1)!.body.length).toBe(1001);
  expect(next.requests.length).toBe(3);
  expect([count("ok"), count("body-too-large"), inFlight()]).toEqual([3, 2, 0]);
});

test("the part of the requests is drawn, and counted to the last one", async () => {
  const { app, next } = begin({ ratio: 0.25 });
  for (let sent = 0; sent < 400; sent++) expect((await rig.ask()).status).toBe(200);
  expect(app.requests.length).toBe(400);
  expect(next.requests.length).toBeGreaterThan(75);
  expect(next.requests.length).toBeLessThan(125);
  expect(count("ok")).toBe(next.requests.length);
});

test("a copy that fails, is slow or never answered is tried once, and the caller notices nothing", async () => {
  const answers = [
    // On a new connection: an idle one that broke would be replaced (RFC 9112, 9.3.1).
    ({ peer }: Received) => peer.terminate(),
    ({ peer }: Received) => peer.send(reply(503, "ill")),
    () => {},
    ({ peer }: Received) => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
    ({ peer }: Received) => peer.send(chunked(["a".repeat(20_000), "b".repeat(20_000)])),
  ];
  let turn = 0;
  const { next } = begin({}, (request) => answers[turn++]!(request), { retry: RETRY });
  for (let sent = 0; sent < answers.length; sent++) {
    const startedMs = rig.world.clock.now();
    expect(await rig.ask()).toEqual({ status: 200, body: "u1" });
    expect(rig.world.clock.now() - startedMs).toBeLessThan(20);
    await rig.advance(50);
  }
  expect([count("ok"), count("error"), count("failed"), inFlight()]).toEqual([1, 1, 1, 2]);
  await rig.advance(1_000);
  expect([count("ok"), count("error"), count("failed"), inFlight()]).toEqual([1, 1, 3, 0]);
  expect(next.requests.length).toBe(answers.length);
});

test("copies in flight are bounded, and so by the limits and the breaker of their cluster", async () => {
  const limits = { maxConnections: 9, maxPendingRequests: 9, maxRequests: 3 };
  const { next } = begin({ maxInFlight: 5 }, () => {}, {}, { limits });
  for (let sent = 0; sent < 8; sent++) expect((await rig.ask()).status).toBe(200);
  expect([next.requests.length, inFlight()]).toEqual([3, 3]);
  expect([count("failed"), count("overflow")]).toEqual([5, 0]);
  rig.apply({
    route: { mirror: { ...POLICY, maxInFlight: 4 } },
    clusters: { app: {}, next: { endpoints: [upstreamAt(2)] } },
  });
  for (let sent = 0; sent < 4; sent++) expect((await rig.ask()).status).toBe(200);
  expect([next.requests.length, inFlight(), count("overflow")]).toEqual([4, 4, 3]);
});

test("a request that ends before its body did is not mirrored; refused ones neither", async () => {
  const limits = { maxConnections: 9, maxPendingRequests: 9, maxRequests: 0 };
  const { next } = begin();
  const client = rig.client();
  client.send("POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\n\r\nhalf");
  await rig.advance(50);
  expect(inFlight()).toBe(1);
  client.peer.terminate();
  await rig.advance(50);
  expect([inFlight(), count("incomplete"), next.requests.length]).toEqual([0, 1, 0]);
  rig.apply({
    route: { mirror: POLICY },
    clusters: { app: { limits }, next: { endpoints: [upstreamAt(2)] } },
  });
  expect((await rig.ask()).status).toBe(503);
  expect(next.requests.length).toBe(0);
});

test("copies in flight end with their cluster, and with a drain", async () => {
  const { next } = begin({}, () => {});
  expect((await rig.ask()).status).toBe(200);
  expect(inFlight()).toBe(1);
  rig.apply({ clusters: { app: {} } });
  expect((await rig.ask()).status).toBe(200);
  await rig.advance(1_100);
  expect(next.open.length).toBe(0);
  const again = { route: { mirror: POLICY }, clusters: { app: {}, next: { endpoints: [upstreamAt(2)] } } };
  rig.apply(again);
  expect((await rig.ask()).status).toBe(200);
  let drained = false;
  void rig.proxy.drain().then(() => (drained = true));
  await rig.advance(50);
  expect([drained, next.open.length]).toEqual([true, 0]);
});

test("a mirror to a cluster that is not there is refused", () => {
  begin();
  expect(() => rig.apply({ route: { mirror: { ...POLICY, cluster: "gone" } } })).toThrow("gone");
});

test("the host is marked before its port", () => {
  expect(["shop", "shop:80", "[::1]:80", "[::1]"].map(shadowed)).toEqual([
    "shop-shadow",
    "shop-shadow:80",
    "[::1]-shadow:80",
    "[::1]-shadow",
  ]);
});
