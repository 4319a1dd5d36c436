import { afterEach, expect, test } from "bun:test";
import type { FieldMatch, RequestMatch } from "../api/snapshot.ts";
import { Rig } from "../sim/rig.ts";
import { RETRY, type RouteShape, upstreamAt } from "../sim/snapshots.ts";

/** Routes of the whole proxy, from the caller's side. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const NOTHING: RequestMatch = { methods: [], headers: [], cookies: [], query: [] };

/** Routes to clusters u1, u2, ... with an upstream each that says its name. */
function rigWith(routes: readonly RouteShape[], upstreams = 2): void {
  const numbers = Array.from({ length: upstreams }, (_, index) => index + 1);
  const clusters = numbers.map((n) => [`u${n}`, { endpoints: [upstreamAt(n)] }] as const);
  rig = new Rig({ listener: { routes }, clusters: Object.fromEntries(clusters) });
  for (const n of numbers) rig.upstream(n);
}

async function get(target: string, lines = ""): Promise<string> {
  const call = rig.client().send(`GET ${target} HTTP/1.1\r\nHost: shop\r\n${lines}\r\n`);
  await rig.advance(10);
  return call.answer?.body ?? "";
}

test("S1-19 a canary by header or by cookie: only who asks for it gets it", async () => {
  const canary: RequestMatch = {
    ...NOTHING,
    headers: [{ name: "x-canary", kind: "exact", value: "always" }],
  };
  const testers: RequestMatch = {
    ...NOTHING,
    cookies: [{ name: "group", kind: "prefix", value: "test" }],
  };
  rigWith([
    { name: "all", to: "u1" },
    { name: "canary", match: canary, to: "u2" },
    { name: "testers", match: testers, to: "u2" },
  ]);
  expect(await get("/")).toBe("u1");
  expect(await get("/", "X-Canary: always\r\n")).toBe("u2");
  expect(await get("/", "X-Canary: never\r\n")).toBe("u1");
  expect(await get("/", "Cookie: a=1; group=testers\r\n")).toBe("u2");
  expect(rig.metric("outrigger_requests_total", { route: "canary" })).toBe(1);
});

test("a template and an expression are compared with the path as it is passed on", async () => {
  rigWith([
    { name: "rest", to: "u1" },
    { name: "orders", path: { kind: "template", value: "/users/{id}/orders" }, to: "u2" },
    { name: "version", path: { kind: "regex", value: "/v[0-9]+/.*" }, to: "u2" },
  ]);
  expect(await get("/users/7/orders")).toBe("u2");
  expect(await get("/users/7/x/../orders")).toBe("u2");
  expect(await get("/users/7%2Forders")).toBe("u1");
  expect(await get("/%76%31/a")).toBe("u2");
  expect(rig.metric("outrigger_requests_total", { route: "orders" })).toBe(2);
});

const header = (name: string): FieldMatch => ({ name, kind: "present", value: "" });
const exact = (value: string) => ({ kind: "exact", value }) as const;
const prefix = (value: string) => ({ kind: "prefix", value }) as const;

/** Two routes that both take the request: the first here goes first, though it stands last. */
const PRECEDENCE: readonly (readonly [rule: string, first: RouteShape, second: RouteShape])[] = [
  ["an exact host before a wildcard", { hosts: ["a.b.shop"] }, { hosts: ["*.b.shop"] }],
  ["the longer wildcard before a shorter one", { hosts: ["*.b.shop"] }, { hosts: ["*.shop"] }],
  ["a wildcard before any host", { hosts: ["*.shop"] }, { hosts: ["*"] }],
  [
    "the host before the path",
    { hosts: ["a.b.shop"] },
    { hosts: ["*.b.shop"], path: exact("/items/7") },
  ],
  ["an exact path before a prefix", { path: exact("/items/7") }, { path: prefix("/items/7") }],
  ["the longest prefix", { path: prefix("/items/7") }, { path: prefix("/items") }],
  [
    "the longer path before a method and headers",
    { path: prefix("/items") },
    { match: { ...NOTHING, methods: ["GET"], headers: [header("x-a")] } },
  ],
  [
    "a method before any number of headers",
    { match: { ...NOTHING, methods: ["GET"] } },
    { match: { ...NOTHING, headers: [header("x-a"), header("x-b")], query: [header("q")] } },
  ],
  [
    "more headers before fewer, whatever the query",
    { match: { ...NOTHING, headers: [header("x-a"), header("x-b")] } },
    { match: { ...NOTHING, headers: [header("x-a")], query: [header("q"), header("r")] } },
  ],
  [
    "more query parameters before fewer",
    { match: { ...NOTHING, query: [header("q"), header("r")] } },
    { match: { ...NOTHING, query: [header("q")] } },
  ],
];

test.each(PRECEDENCE)("S1-19 precedence, as the Gateway API has it: %s", async (_rule, first, second) => {
  rigWith([
    { ...second, name: "second", to: "u2" },
    { ...first, name: "first", to: "u1" },
  ]);
  const call = rig
    .client()
    .send("GET /items/7?q=1&r=2 HTTP/1.1\r\nHost: a.b.shop\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
  await rig.advance(10);
  expect(call.answer?.body).toBe("u1");
});

test("S1-19 precedence, as the Gateway API has it: of two that ask for the same, the first", async () => {
  const match = { ...NOTHING, headers: [header("x-a")] };
  rigWith([
    { name: "first", match, to: "u1" },
    { name: "second", match: { ...NOTHING, headers: [header("x-b")] }, to: "u2" },
  ]);
  expect(await get("/", "X-A: 1\r\nX-B: 1\r\n")).toBe("u1");
});

test("each route has timeouts of its own: the request's, a try's, and without a byte", async () => {
  const retry = { ...RETRY, attempts: 1, perTryTimeoutMs: 100, backoff: { baseMs: 1, maxMs: 1 } };
  const routes: RouteShape[] = [
    { name: "request", path: prefix("/request"), timeoutMs: 300, to: "u1" },
    { name: "try", path: prefix("/try"), retry: { ...retry, on: ["5xx"] }, to: "u1" },
    { name: "idle", path: prefix("/idle"), idleTimeoutMs: 500, to: "u1" },
    { name: "none", to: "u1" },
  ];
  rig = new Rig({ listener: { routes }, clusters: { u1: { endpoints: [upstreamAt(1)] } } });
  const upstream = rig.upstream(1, () => {});
  const calls = ["/request", "/try", "/idle", "/none"].map((path) => rig.client().get(path));
  const statuses = () => calls.map(({ status }) => status);
  await rig.advance(150);
  expect(upstream.requests.map(({ target }) => target).sort()).toEqual(
    ["/idle", "/none", "/request", "/try", "/try"],
  );
  expect(statuses()).toEqual([0, 0, 0, 0]);
  await rig.advance(100);
  expect(statuses()).toEqual([0, 504, 0, 0]);
  await rig.advance(100);
  expect(statuses()).toEqual([504, 504, 0, 0]);
  await rig.advance(200);
  expect(statuses()).toEqual([504, 504, 504, 0]);
  await rig.advance(60_000);
  expect(statuses()).toEqual([504, 504, 504, 0]);
});

test("who is hashed by source is who a trusted hop speaks for", async () => {
  const policy = { policy: "ring-hash", hashBy: { from: "source", name: "" } } as const;
  const endpoints = [1, 2, 3, 4].map(upstreamAt);
  const shape = (trustedHops: readonly string[]) => ({
    listener: { trustedHops },
    cluster: { endpoints, balance: policy },
  });
  const bodies = async (): Promise<Set<string>> => {
    const found = new Set<string>();
    for (let n = 1; n <= 12; n++) found.add(await get("/", `X-Forwarded-For: 203.0.113.${n}\r\n`));
    return found;
  };
  rig = new Rig(shape([]));
  for (const n of [1, 2, 3, 4]) rig.upstream(n);
  expect((await bodies()).size).toBe(1);
  rig.apply(shape(["10.0.2.0/24"]));
  expect((await bodies()).size).toBeGreaterThan(2);
  const again = new Set<string>();
  for (let n = 0; n < 6; n++) again.add(await get("/", "X-Forwarded-For: 203.0.113.1\r\n"));
  expect(again.size).toBe(1);
});
