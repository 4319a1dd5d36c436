import { afterEach, expect, test } from "bun:test";
import type { RequestRecord } from "../../api/request_record.ts";
import { readTapOrder, type TapOrder } from "../../api/tap.ts";
import { Rig } from "../../sim/rig.ts";
import { RETRY } from "../../sim/snapshots.ts";
import { reply } from "../../sim/upstream.ts";
import { MAX_TAPPED_PER_SECOND } from "./tap.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

function order(query: Readonly<Record<string, string>> = {}): TapOrder {
  const read = readTapOrder(new Map(Object.entries(query)));
  if (typeof read === "string") throw new Error(read);
  return read;
}

/** What a tap with this query shows. */
function tapped(query: Readonly<Record<string, string>> = {}) {
  const seen: RequestRecord[] = [];
  const lost = { count: 0 };
  const end = rig.proxy.tap(order(query), (records, more) => {
    seen.push(...records);
    lost.count += more;
  });
  return { seen, lost, end };
}

async function asked(...paths: string[]): Promise<void> {
  for (const path of paths) await rig.ask(path);
  await rig.advance(100);
}

test("a record tells of a request: where it went, its tries, its end; no query, header or body", async () => {
  rig = new Rig({
    route: { retry: RETRY, filters: [{ filter: "request_id", config: {} }] },
    cluster: { endpoints: [{ host: "10.0.1.1", port: 80 }, { host: "10.0.1.2", port: 80 }] },
  });
  rig.upstream(1, ({ peer }) => peer.send(reply(503, "no")));
  rig.upstream(2);
  const { seen } = tapped();
  await asked("/items?token=secret");
  const [one] = seen;
  const common = { listener: "in", route: "r0", cluster: "app", flags: [], detail: "via_upstream" };
  expect(one).toMatchObject({
    ...common,
    ...{ method: "GET", path: "/items", query: "?...", host: "shop", status: 200, reason: null },
    upstream: "10.0.1.2:80",
    responseBytes: 2,
  });
  expect(one!.tries).toMatchObject([
    { upstream: "10.0.1.1:80", status: 503, failure: null },
    { upstream: "10.0.1.2:80", status: 200, failure: null },
  ]);
  expect(one!.requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(one!.durationMs).toBeGreaterThan(0);
  expect(JSON.stringify(one)).not.toContain("secret");
  expect(one!.headers).toBeUndefined();
});

test("it matches by path, method, header, status, flag, route, cluster, and only what failed", async () => {
  rig = new Rig({ route: { hosts: ["shop"] } });
  rig.upstream(1, ({ peer, target }) => peer.send(reply(target.startsWith("/bad") ? 500 : 200, "x")));
  const queries: Record<string, string>[] = [
    { path: "/items/*" },
    { path: "/items/{id}" },
    { path: "/items" },
    { path: "~/items/[0-9]+" },
    { status: "5xx" },
    { status: "404,500" },
    { flag: "nr" },
    { failed: "true" },
    { route: "r0", status: "200" },
    { cluster: "app", method: "post" },
    { header: "host=shop", path: "/bad" },
    { header: "x-none" },
    { limit: "2" },
  ];
  const taps = queries.map((query) => tapped(query));
  await asked("/items", "/items/7", "/items/7/parts", "/bad");
  await rig.ask("/items", "elsewhere");
  await rig.advance(100);
  const paths = taps.map(({ seen }) => seen.map((one) => `${one.status} ${one.path}`));
  expect(paths).toEqual([
    ["200 /items", "200 /items/7", "200 /items/7/parts", "404 /items"],
    ["200 /items/7"],
    ["200 /items", "404 /items"],
    ["200 /items/7"],
    ["500 /bad"],
    ["500 /bad", "404 /items"],
    ["404 /items"],
    ["500 /bad", "404 /items"],
    ["200 /items", "200 /items/7", "200 /items/7/parts"],
    [],
    ["500 /bad"],
    [],
    ["200 /items", "200 /items/7"],
  ]);
});

test("headers are shown when asked for; secrets only where they are asked for by that name", async () => {
  rig = new Rig();
  const secret = "authorization: Bearer s3cret\r\ncookie: sid=s3cret\r\nx-api-key: s3cret\r\n";
  rig.upstream(1, ({ peer }) =>
    peer.send("HTTP/1.1 200 OK\r\nset-cookie: sid=s3cret\r\nserver: u\r\ncontent-length: 0\r\n\r\n"),
  );
  const safe = tapped({ show: "safe" });
  const all = tapped({ show: "all", query: "true" });
  const client = rig.client();
  client.send(`GET /a?k=v HTTP/1.1\r\nhost: shop\r\nuser-agent: t\r\n${secret}\r\n`);
  await rig.advance(1_000);
  const [one] = safe.seen;
  expect(one!.headers!.request).toEqual([
    ["host", "shop"],
    ["user-agent", "t"],
    ["authorization", "[redacted]"],
    ["cookie", "[redacted]"],
    ["x-api-key", "[redacted]"],
  ]);
  expect(one!.headers!.response.slice(0, 2)).toEqual([
    ["set-cookie", "[redacted]"],
    ["server", "u"],
  ]);
  expect(JSON.stringify(safe.seen)).not.toContain("s3cret");
  expect(all.seen[0]!.headers!.request).toContainEqual(["authorization", "Bearer s3cret"]);
  expect(all.seen[0]!.query).toBe("?k=v");
});

test("more than the bound a second is counted, not shown; after its end nothing comes", async () => {
  rig = new Rig();
  rig.upstream();
  const { seen, lost, end } = tapped();
  const client = rig.client();
  const wanted = MAX_TAPPED_PER_SECOND + 500;
  for (let n = 0; n < wanted; n += 1) client.get("/a");
  await rig.advance(900);
  expect(seen.length + lost.count).toBe(wanted);
  expect([seen.length, lost.count]).toEqual([MAX_TAPPED_PER_SECOND, 500]);
  end();
  await asked("/b");
  expect(seen.length).toBe(MAX_TAPPED_PER_SECOND);
});

test("what the caller left, or a timeout ended in the middle of a try, is told too", async () => {
  rig = new Rig({ route: { timeoutMs: 500 } });
  rig.upstream(1, () => {});
  const { seen } = tapped();
  await asked("/slow");
  const client = rig.client();
  client.send("GET /left HTTP/1.1\r\nhost: shop\r\n\r\n");
  await rig.advance(100);
  client.peer.terminate();
  await rig.advance(200);
  expect(seen.map(({ path, status, flags }) => [path, status, flags])).toEqual([
    ["/slow", 504, ["UT"]],
    ["/left", 0, ["DC"]],
  ]);
  expect(seen[0]!.tries).toMatchObject([{ upstream: "10.0.1.1:80", status: 0, failure: null }]);
});

test("an order that makes no sense says what was expected", () => {
  rig = new Rig();
  const wrong = [
    [{ pth: "/" }, '"pth" is not known; known are: path'],
    [{ status: "abc" }, 'status "abc" is neither a status nor a class'],
    [{ path: "items" }, 'path is "items"; expected a path'],
    [{ header: "=x" }, "NAME or NAME=VALUE was expected"],
    [{ show: "some" }, "none, safe or all was expected"],
    [{ limit: "-1" }, "limit has to be a whole number"],
    [{ durationMs: "1e99" }, "durationMs has to be whole"],
    [{ method: "a,".repeat(20) }, "at most 16 of a kind"],
  ] as const;
  for (const [query, words] of wrong) {
    expect(readTapOrder(new Map(Object.entries(query)))).toContain(words);
  }
});
