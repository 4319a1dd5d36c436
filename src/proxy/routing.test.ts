import { afterEach, expect, test } from "bun:test";
import type { RequestMatch } from "../api/snapshot.ts";
import { Rig } from "../sim/rig.ts";
import { type RouteShape, upstreamAt } from "../sim/snapshots.ts";

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

test("a canary by header or by cookie: only who asks for it gets it", async () => {
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
