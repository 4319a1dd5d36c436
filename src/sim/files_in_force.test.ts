import { afterEach, expect, test } from "bun:test";
import type { Snapshot } from "../api/snapshot.ts";
import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import { parsePrometheusText, sumOfSamples } from "../codec/prometheus_text.ts";
import { appText, snapshotsOf } from "../compile/testdata/from_text.ts";
import { Proxy } from "../proxy/proxy.ts";
import { SimClient } from "./client.ts";
import { type Received, reply, SimUpstream } from "./upstream.ts";

/** What files say, compiled, and in force in whole proxies: callers outside, programs inside. */
const HERE = "10.0.0.1";
const OFFICE = "203.0.113.7";
const GATEWAY = { host: HERE, port: 8000 };
const SHOP = "https://shop.example.com";

let world: SimulatedWorld;
let proxies: Map<string, Proxy>;
let programs: SimUpstream[];
let clients: SimClient[];

function start(text: string): void {
  world = createSimulatedWorld({ seed: 1 });
  proxies = new Map();
  programs = [];
  clients = [];
  // On paper all is on the loopback, where nobody outside could come.
  const bound = JSON.stringify(snapshotsOf(text)).replaceAll("127.0.0.1", HERE);
  for (const snapshot of JSON.parse(bound) as Snapshot[]) {
    const proxy = new Proxy(world.at(HERE));
    proxy.apply(snapshot);
    proxies.set(snapshot.workload.name, proxy);
  }
}

function program(port: number, answer: (request: Received) => string): SimUpstream {
  const upstream = new SimUpstream(world.at(HERE), HERE, port, (request) => {
    request.peer.send(answer(request));
  });
  programs.push(upstream);
  return upstream;
}

async function ask(from: string, head: string, lines: readonly string[] = []) {
  const client = new SimClient(world.at(from), GATEWAY);
  clients.push(client);
  const text = [`${head} HTTP/1.1`, "Host: shop.example.com", ...lines, "", ""].join("\r\n");
  const call = client.send(text);
  await world.clock.advance(100);
  const headers = call.answer?.headers ?? new Map<string, string>();
  return { status: call.status, body: call.answer?.body ?? "", headers };
}

afterEach(async () => {
  for (const { peer } of clients) peer.terminate();
  for (const proxy of proxies.values()) proxy.close();
  for (const one of programs) {
    one.stop();
    for (const peer of one.peers) peer.terminate();
  }
  // Longer than any timer of theirs.
  await world.clock.advance(600_000);
  expect(world.leaks()).toEqual([]);
  for (const { problem } of [...clients, ...programs]) expect(problem).toBe("");
});

/** A Mesh whose gateway leads to two Apps, with further lines of the one rule for all paths. */
function shopText(lines: readonly string[], hops = "[]"): string {
  const mesh = [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: Mesh",
    "metadata: { name: shop }",
    "spec:",
    `  gateway: { port: 8000, trustedHops: ${hops} }`,
    "  routes:",
    "    - host: shop.example.com",
    "      rules:",
    "        - match: { path: /old/* }",
    "          redirect: { status: 308, prefix: /items }",
    "        - match: { path: /items/* }",
    "          backends: [{ app: api, weight: 1 }, { app: next, weight: 1 }]",
    ...lines.map((line) => `          ${line}`),
    "---",
    "",
  ];
  return mesh.join("\n") + appText("api", 9000) + appText("next", 9001);
}

/** Both Apps' programs; each answers with its name and what it was asked. */
function bothPrograms(): SimUpstream[] {
  return [19000, 19001].map((port, index) =>
    program(port, ({ method, target }) => reply(200, `${index} ${method} ${target}`)),
  );
}

test("S3-20 (at the gateway) DELETE only from the office, told by trusted hops", async () => {
  const hop = "10.1.0.1";
  start(shopText(["deny: [{ methods: [DELETE], notFrom: [203.0.113.0/24] }]"], "[10.1.0.0/16]"));
  bothPrograms();
  expect((await ask("198.51.100.1", "DELETE /items/1")).status).toBe(403);
  expect((await ask("198.51.100.1", "GET /items/1")).status).toBe(200);
  expect((await ask(OFFICE, "DELETE /items/1")).status).toBe(200);
  const forged = [`X-Forwarded-For: ${OFFICE}`];
  expect((await ask("198.51.100.1", "DELETE /items/1", forged)).status).toBe(403);
  expect((await ask(hop, "DELETE /items/1", forged)).status).toBe(200);
});

test("the app hears from the gateway who called, and nothing that callers made up", async () => {
  start(shopText([]));
  const [api, next] = bothPrograms();
  const made = ["X-Forwarded-For: 10.9.9.9", "X-Real-IP: 10.9.9.9"];
  await ask("198.51.100.1", "GET /items/1", made);
  const { headers } = [...api!.requests, ...next!.requests][0]!;
  expect(headers.get("x-forwarded-for")).toBe("198.51.100.1");
  expect(headers.get("x-forwarded-proto")).toBe("http");
  expect(headers.get("x-forwarded-host")).toBe("shop.example.com");
  expect(headers.has("x-real-ip")).toBe(false);
});

test("S1-19 a rule of the Mesh redirects by prefix, splits by weight, and keeps who asks", async () => {
  start(shopText(["sticky: { cookie: release, ttl: 1h }"]));
  bothPrograms();
  const moved = await ask(OFFICE, "GET /old/7?q=1");
  expect([moved.status, moved.headers.get("location")]).toEqual([308, "/items/7?q=1"]);
  const first = await ask(OFFICE, "GET /items/7");
  const cookie = first.headers.get("set-cookie")!.split(";")[0]!;
  const answers = new Set<string>();
  for (let time = 0; time < 10; time++) {
    answers.add((await ask(OFFICE, "GET /items/7", [`Cookie: ${cookie}`])).body);
  }
  expect([...answers]).toEqual([first.body]);
  const others = new Set<string>();
  for (let time = 0; time < 20; time++) others.add((await ask(OFFICE, "GET /items/7")).body);
  expect(others.size).toBe(2);
});

test("S1-1 (traffic) routing, refusal, limits, faults borne and counted: one file, one proxy", async () => {
  start(
    shopText([
      "deny: [{ methods: [DELETE] }]",
      "rateLimit: { requests: 5, per: 1h }",
      `cors: { allowOrigins: [${SHOP}] }`,
      "headers: { response: { set: { x-shop: ours } } }",
      "rewrite: { prefix: /v2 }",
      "retry: { on: [5xx], backoff: { base: 1ms, max: 1ms } }",
      "fallback: { on: [exhausted], body: sorry }",
    ]),
  );
  let fails = 1;
  for (const port of [19000, 19001]) {
    program(port, ({ target }) => (fails-- > 0 ? reply(503, "") : reply(200, target)));
  }
  const page = [`Origin: ${SHOP}`];
  const good = await ask(OFFICE, "GET /items/7", page);
  expect([good.status, good.body, good.headers.get("x-shop")]).toEqual([200, "/v2/7", "ours"]);
  expect(good.headers.get("access-control-allow-origin")).toBe(SHOP);
  expect((await ask(OFFICE, "DELETE /items/7", page)).status).toBe(403);
  const asked = ["Access-Control-Request-Method: GET", ...page];
  expect((await ask(OFFICE, "OPTIONS /items/7", asked)).status).toBe(204);
  fails = 99;
  const canned = await ask(OFFICE, "GET /items/7", page);
  expect([canned.status, canned.body]).toEqual([200, "sorry"]);
  fails = 0;
  const statuses: number[] = [];
  for (let time = 0; time < 4; time++) {
    statuses.push((await ask(OFFICE, "GET /items/7", page)).status);
  }
  expect(statuses).toEqual([200, 200, 429, 429]);
  const metrics = parsePrometheusText(proxies.get("gateway")!.metrics());
  const route = "shop.example.com/items/*";
  expect(sumOfSamples(metrics, "outrigger_requests_total", { route })).toBe(8);
  expect(sumOfSamples(metrics, "outrigger_requests_total", { route, code: "429" })).toBe(2);
});
