import { afterEach, expect, test } from "bun:test";
import type { FilterPolicy } from "../../api/snapshot.ts";
import { Rig } from "../../sim/rig.ts";
import type { RouteShape } from "../../sim/snapshots.ts";
import { reply } from "../../sim/upstream.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const SHOP = "https://shop.example.com";
const PLAIN = {
  allowOrigins: [SHOP],
  allowMethods: ["GET", "PUT"],
  allowHeaders: ["content-type"],
  exposeHeaders: [],
  allowCredentials: false,
  maxAgeMs: 600_000,
};

function rigWith(
  config: object,
  before: readonly FilterPolicy[] = [],
  route: RouteShape = {},
): void {
  const cors = { filter: "cors", config: { ...PLAIN, ...config } };
  rig = new Rig({ route: { filters: [...before, cors], ...route } });
}

async function ask(origin: string | null, method = "GET", lines = "") {
  const from = origin === null ? "" : `Origin: ${origin}\r\n`;
  const call = rig.client().send(`${method} /items HTTP/1.1\r\nHost: api\r\n${from}${lines}\r\n`);
  await rig.advance(10);
  const headers = call.answer?.headers ?? new Map<string, string>();
  const about = (name: string) => headers.get(`access-control-${name}`) ?? null;
  return { status: call.status, about, vary: headers.get("vary") ?? null };
}

const preflight = (origin: string | null) =>
  ask(origin, "OPTIONS", "Access-Control-Request-Method: PUT\r\n");

test("a preflight is answered here, and says what is listed", async () => {
  rigWith({ allowCredentials: true });
  const upstream = rig.upstream();
  const { status, about, vary } = await preflight(SHOP);
  expect([status, vary]).toEqual([204, "Origin"]);
  expect(about("allow-origin")).toBe(SHOP);
  expect(about("allow-methods")).toBe("GET, PUT");
  expect(about("allow-headers")).toBe("content-type");
  expect(about("max-age")).toBe("600");
  expect(about("allow-credentials")).toBe("true");
  expect(upstream.requests).toEqual([]);
});

test("an origin that is not listed gets no leave, whether it asks before or at once", async () => {
  rigWith({});
  // The callee's own word is not the last one.
  rig.upstream(1, ({ peer }) => peer.send(reply(200, "", "Access-Control-Allow-Origin: *\r\n")));
  const evil = "https://evil.example";
  for (const answer of [await preflight(evil), await ask(evil)]) {
    expect(answer.about("allow-origin")).toBeNull();
    expect(answer.vary).toBe("Origin");
  }
});

test("an answer of the callee says who may read it, and varies by origin", async () => {
  rigWith({ exposeHeaders: ["x-total", "etag"] });
  rig.upstream(1, ({ peer }) => peer.send(reply(200, "", "Vary: accept\r\n")));
  const { status, about, vary } = await ask(SHOP);
  expect([status, vary]).toEqual([200, "accept, Origin"]);
  expect(about("allow-origin")).toBe(SHOP);
  expect(about("expose-headers")).toBe("x-total, etag");
  const plain = await ask(null);
  expect([plain.about("allow-origin"), plain.vary]).toEqual([null, "accept, Origin"]);
});

test.each([
  ["https://a.example.com", true],
  ["https://a.b.example.com", true],
  ["https://example.com", false],
  ["http://a.example.com", false],
  ["https://a.example.com:8443", false],
  ["https://a.example.com.evil.example", false],
  ["https://evil.example/.example.com", false],
  ["https://me@.example.com", false],
  ["https://.example.com", false],
  ["null", false],
])("https://*.example.com and %s: %p", async (origin, isListed) => {
  rigWith({ allowOrigins: ["https://*.example.com"] });
  rig.upstream();
  expect((await ask(origin)).about("allow-origin")).toBe(isListed ? origin : null);
});

test("with * the answer is the same for all, and varies by nothing", async () => {
  rigWith({ allowOrigins: ["*"] });
  rig.upstream();
  const { about, vary } = await ask("https://any.example");
  expect([about("allow-origin"), vary]).toEqual(["*", null]);
});

test("a browser sees the status of errors that are made here: refused, no endpoint, limited", async () => {
  const rate = { requests: 1, perMs: 60_000, burst: 1 };
  const limit = { name: "route", ...rate, key: { by: "route" }, maxKeys: 1 };
  rigWith({}, [
    { filter: "deny", config: { rules: [{ methods: ["DELETE"], notFrom: [] }] } },
    { filter: "rate_limit", config: limit },
  ]);
  for (const [method, status] of [["DELETE", 403], ["GET", 503], ["GET", 429]] as const) {
    const answer = await ask(SHOP, method);
    expect([answer.status, answer.about("allow-origin")]).toEqual([status, SHOP]);
    expect(answer.vary).toBe("Origin");
  }
});

test("a fallback's answer may be read too, with what it says itself", async () => {
  const headers = { Vary: "accept", "Access-Control-Allow-Origin": "*" };
  const fallback = { on: ["exhausted", "no-endpoint"], status: 200, headers, body: "{}" } as const;
  rigWith({}, [], { fallback });
  const { status, about, vary } = await ask(SHOP);
  expect([status, about("allow-origin"), vary]).toEqual([200, SHOP, "accept, Origin"]);
});

test("OPTIONS that is no preflight goes to the callee", async () => {
  rigWith({});
  const upstream = rig.upstream();
  expect((await ask(SHOP, "OPTIONS")).status).toBe(200);
  expect((await ask(null, "OPTIONS", "Access-Control-Request-Method: PUT\r\n")).status).toBe(200);
  expect(upstream.requests.length).toBe(2);
});

test("a preflight meets the route that takes the method which it asks for", async () => {
  const match = { methods: ["PUT"], headers: [], cookies: [], query: [] };
  const cors = { filter: "cors", config: PLAIN };
  const routes = [{ name: "rest" }, { name: "put", match, filters: [cors] }];
  rig = new Rig({ listener: { routes } });
  const upstream = rig.upstream();
  expect((await preflight(SHOP)).about("allow-origin")).toBe(SHOP);
  const other = await ask(SHOP, "OPTIONS", "Access-Control-Request-Method: DELETE\r\n");
  expect(other.about("allow-origin")).toBeNull();
  expect((await ask(SHOP, "OPTIONS")).status).toBe(200);
  expect(upstream.requests.length).toBe(2);
});

test("a Snapshot with * and credentials, or with what cannot be sent, is refused", () => {
  rig = new Rig(null);
  const apply = (config: object) => () => {
    rig.apply({ route: { filters: [{ filter: "cors", config: { ...PLAIN, ...config } }] } });
  };
  expect(apply({ allowOrigins: ["*"], allowCredentials: true })).toThrow("with credentials");
  expect(apply({ allowHeaders: ["*"], allowCredentials: true })).toThrow("with credentials");
  expect(apply({ exposeHeaders: ["x\r\ny: 1"] })).toThrow("cannot be sent");
});
