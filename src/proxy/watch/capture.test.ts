import { afterEach, expect, test } from "bun:test";
import type { CapturedRequest, CaptureOrder } from "../../api/capture.ts";
import { readCaptureOrder } from "../../api/capture_order.ts";
import { Rig } from "../../sim/rig.ts";
import { reply } from "../../sim/upstream.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const BOUNDS = { maxBytes: 1e6, durationMs: 60_000 };

function order(given: Readonly<Record<string, unknown>>): CaptureOrder {
  const read = readCaptureOrder({ ...BOUNDS, ...given });
  if (typeof read === "string") throw new Error(read);
  return read;
}

/** What was captured, and how many were lost. */
function capture(given: Readonly<Record<string, unknown>> = {}) {
  const seen = { requests: [] as CapturedRequest[], lost: 0 };
  const end = rig.proxy.capture(order(given), (requests, lost) => {
    seen.requests.push(...requests);
    seen.lost += lost;
  });
  return { seen, end };
}

const SECRETS = "Authorization: Bearer s3cret\r\nCookie: id=s3cret\r\nX-Api-Key: s3cret\r\n";

test("a captured request holds what its lists name, and what became of it; never a body", async () => {
  const none = { set: {}, add: {}, remove: [] };
  const edits = { ...none, set: { "x-team": "blue" } };
  rig = new Rig({
    route: {
      filters: [
        { filter: "rewrite", config: { from: "/a", prefix: "/b" } },
        { filter: "headers", config: { request: edits, response: none } },
      ],
    },
  });
  rig.upstream(1, ({ peer }) => peer.send(reply(201, "s3cret", "X-Team: red\r\nSet-Cookie: s3cret\r\n")));
  const { seen, end } = capture({ headers: ["X-Team", "accept"], query: ["page"] });
  const head = "POST /a/1?token=s3cret&page=2 HTTP/1.1\r\nHost: shop\r\nAccept: text/html\r\n";
  rig.client().send(`${head}Accept: */*\r\n${SECRETS}Content-Length: 6\r\n\r\ns3cret`);
  await rig.advance(200);
  const [request] = seen.requests;
  expect(request).toMatchObject({
    version: "1",
    listener: "in",
    method: "POST",
    host: "shop",
    target: "/a/1?page=2",
    headers: { accept: "text/html, */*" },
    bodyBytes: 6,
    peer: "10.0.2.1",
    tls: false,
    route: "r0",
    cluster: "app",
    sent: { host: "shop", target: "/b/1?page=2", headers: { accept: "text/html, */*", "x-team": "blue" } },
    status: 201,
    flags: "",
    detail: "via_upstream",
    answerHeaders: { "x-team": "red" },
  });
  expect(JSON.stringify(seen)).not.toContain("s3cret");
  end();
});

test("of where an answer leads to only the allowed part of its query is kept", async () => {
  rig = new Rig();
  const { seen, end } = capture({ headers: ["location"], query: ["page"] });
  const locations = [
    "https://shop.example/cb?code=s3cret&page=2#access_token=s3cret",
    "//me:s3cret@shop.example:81/a?page=3",
    "/a@b/c#s3cret",
  ];
  const next = locations.values();
  rig.upstream(1, ({ peer }) => peer.send(reply(302, "", `Location: ${next.next().value}\r\n`)));
  for (const _ of locations) await rig.ask("/");
  await rig.advance(200);
  expect(seen.requests.map(({ answerHeaders }) => answerHeaders["location"])).toEqual([
    "https://shop.example/cb?page=2",
    "//shop.example:81/a?page=3",
    "/a@b/c",
  ]);
  end();
});

test("only what matches is captured, a part of it, until the end", async () => {
  rig = new Rig({ route: { path: { kind: "prefix", value: "/a" } } });
  rig.upstream();
  const some = capture({ ratio: 0.25 });
  const below = capture({ path: "/a/*", methods: ["get"], query: ["*"] });
  for (let count = 0; count < 100; count++) await rig.ask(count % 2 === 0 ? "/a/x?q=1" : "/b");
  await rig.advance(200);
  expect(some.seen.requests.length).toBeGreaterThan(12);
  expect(some.seen.requests.length).toBeLessThan(40);
  expect(below.seen.requests.length).toBe(50);
  expect(new Set(below.seen.requests.map(({ target }) => target))).toEqual(new Set(["/a/x?q=1"]));
  const refused = some.seen.requests.find(({ target }) => target === "/b")!;
  expect(refused).toMatchObject({ route: null, sent: null, status: 404, detail: "no-route" });
  some.end();
  below.end();
  const before = some.seen.requests.length;
  for (let count = 0; count < 20; count++) await rig.ask("/a/y");
  await rig.advance(200);
  expect([some.seen.requests.length, below.seen.requests.length]).toEqual([before, 50]);
});

test("what is too long, too fast or too much at once is lost, and counted", async () => {
  rig = new Rig();
  rig.upstream(1, ({ peer }) => rig.world.clock.after(10, () => peer.send(reply(200, "x"))));
  const { seen, end } = capture({ headers: ["x-long"] });
  const long = "y".repeat(9_000);
  rig.client().send(`GET / HTTP/1.1\r\nHost: shop\r\nX-Long: ${long}\r\n\r\n`);
  await rig.advance(100);
  expect([seen.requests.length, seen.lost]).toEqual([0, 1]);
  const second = (): Promise<void> => rig.advance(1_000 - (rig.world.clock.now() % 1_000) + 1);
  await second();
  const clients = Array.from({ length: 40 }, () => rig.client());
  for (let round = 0; round < 30; round++) {
    for (const client of clients) client.get("/");
    await rig.advance(20);
  }
  await second();
  expect(seen.requests.length).toBe(1_000);
  expect(seen.lost).toBe(1 + 1_200 - 1_000);
  end();
});

test("an order is checked", () => {
  rig = new Rig();
  const wrong: readonly (readonly [unknown, string])[] = [
    [null, "an object was expected"],
    [{ ...BOUNDS, ratio: 0 }, "ratio"],
    [{ ...BOUNDS, ratio: 2 }, "ratio"],
    [{ ...BOUNDS, path: "x" }, "path"],
    [{ ...BOUNDS, header: [] }, '"header" is not known'],
    [{ ...BOUNDS, headers: ["a b"] }, 'headers: "a b" is no name'],
    [{ ...BOUNDS, headers: "a" }, "headers"],
    [{ ...BOUNDS, query: [""] }, "query"],
    [{ maxBytes: 1 }, "durationMs"],
    [{ durationMs: 1, maxBytes: 1e12 }, "maxBytes"],
  ];
  for (const [value, problem] of wrong) expect(readCaptureOrder(value)).toContain(problem);
  const read = order({ headers: ["X-B", "x-a", "x-b"], methods: ["get"] });
  expect([read.headers, read.methods, read.ratio]).toEqual([["x-a", "x-b"], ["GET"], 1]);
});
