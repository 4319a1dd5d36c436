import { afterEach, expect, test } from "bun:test";
import type { CapturedRequest, CaptureOrder } from "../api/capture.ts";
import { readCaptureOrder } from "../api/capture_order.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { Rig } from "../sim/rig.ts";
import { type RouteShape, snapshotOf, type SnapshotShape } from "../sim/snapshots.ts";
import { reply } from "../sim/upstream.ts";
import { type ReadCapture, readCapture } from "./read_capture.ts";
import { replay, type ReplayReport } from "./replay.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const HEADERS = ["x-team", "location", "x-request-id", "content-type"];
const NO_EDITS = { set: {}, add: {}, remove: [] };

/** What happened under a configuration, captured while `run` ran. */
async function captured(
  shape: SnapshotShape,
  run: () => Promise<void>,
  given: Readonly<Record<string, unknown>> = {},
): Promise<ReadCapture> {
  rig = new Rig(shape);
  rig.upstream();
  const order = { headers: HEADERS, query: ["*"], maxBytes: 1e6, durationMs: 60_000, ...given };
  const read = readCaptureOrder(order) as CaptureOrder;
  const seen: CapturedRequest[] = [];
  const end = rig.proxy.capture(read, (requests) => seen.push(...requests));
  await run();
  await rig.advance(200);
  end();
  const snapshot = snapshotOf(shape);
  const { ratio, headers, query } = read;
  const head = { format: 1 as const, workload: snapshot.workload, timeMs: 0, ratio, headers, query };
  const lines = [{ capture: head }, { snapshot }, ...seen.map((request) => ({ request }))];
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  return readCapture(text, "c.jsonl");
}

const against = (capture: ReadCapture, shape: SnapshotShape): Promise<ReplayReport> =>
  replay(capture, snapshotOf({ version: "2", ...shape }));

const route = (name: string, path: string, more: Partial<RouteShape> = {}): RouteShape => ({
  name,
  path: { kind: "prefix", value: path },
  ...more,
});

const two = (...routes: RouteShape[]): SnapshotShape => ({
  listener: { routes },
  clusters: { app: { endpoints: [{ host: "10.0.1.1", port: 80 }] }, next: {} },
});

/** `route: a -> b`, of the one group there is. */
function sentences({ changes }: ReplayReport): string[] {
  expect(changes.length).toBe(1);
  return changes[0]!.changes.map(({ what, before, after }) => `${what}: ${before} -> ${after}`);
}

test("the same configuration changes nothing", async () => {
  const shape = two(route("a", "/a"), route("all", "/"));
  const capture = await captured(shape, async () => {
    for (const path of ["/a/1?q=1", "/b", "/a", "/c/d"]) await rig.ask(path);
    await rig.ask("/x", "elsewhere");
  });
  const report = await against(capture, shape);
  expect(report).toMatchObject({ requests: 5, same: 5, changed: 0, changes: [], excluded: {} });
  expect([report.workload.name, report.version, report.notes]).toEqual(["shop", "2", []]);
});

test("another route and another cluster; requests that change alike are together", async () => {
  const capture = await captured(two(route("all", "/")), async () => {
    for (const path of ["/a/1?x=1", "/a/1?x=2", "/b"]) await rig.ask(path);
  });
  const next = two(route("a", "/a", { to: "next" }), route("all", "/"));
  const report = await against(capture, next);
  expect([report.same, report.changed]).toEqual([1, 2]);
  expect(report.changes[0]).toMatchObject({ count: 2, method: "GET", host: "shop", path: "/a/1", line: 3 });
  expect(sentences(report)).toEqual(["route: all -> a", "cluster: app -> next"]);
  const weighted = two(
    route("all", "/", {
      backends: [
        { cluster: "app", weight: 9 },
        { cluster: "next", weight: 1 },
      ],
    }),
  );
  const canary = await against(capture, weighted);
  expect(canary.changed).toBe(3);
  for (const { changes } of canary.changes) {
    expect(changes).toEqual([{ what: "cluster", before: "app", after: "app 90%, next 10%" }]);
  }
});

test("another verdict: refused, redirected, no route, nobody listens", async () => {
  const capture = await captured(two(route("all", "/")), () => rig.ask("/a").then(() => {}));
  const deny = (network: string) => {
    return { filter: "deny", config: { rules: [{ methods: ["GET"], notFrom: [network] }] } };
  };
  const redirect = { filter: "redirect", config: { status: 301, path: "/new" } };
  const cases: readonly (readonly [SnapshotShape, readonly string[]])[] = [
    [
      two(route("all", "/", { filters: [redirect] })),
      [
        "verdict: passed on -> answered 301: direct_response",
        "answer header location: - -> /new",
      ],
    ],
    [
      two(route("all", "/", { filters: [deny("192.0.2.0/24")] })),
      ["verdict: passed on -> answered 403: denied"],
    ],
    // It comes from there.
    [two(route("all", "/", { filters: [deny("10.0.2.0/24")] })), []],
    [two(route("b", "/b")), ["route: all -> -", "verdict: passed on -> answered 404: no-route"]],
    [
      { listeners: { other: { routes: [route("all", "/")] } } },
      ["verdict: passed on -> nobody listens there"],
    ],
  ];
  for (const [shape, expected] of cases) {
    const report = await against(capture, shape);
    expect(report.changed === 0 ? [] : sentences(report)).toEqual([...expected]);
  }
});

test("other headers and another path on the way; what is made for each request is no change", async () => {
  const edits = (set: Readonly<Record<string, string>>, remove: readonly string[]): RouteShape =>
    route("all", "/", {
      filters: [
        { filter: "request_id", config: {} },
        {
          filter: "headers",
          config: { request: { ...NO_EDITS, set }, response: { ...NO_EDITS, remove } },
        },
      ],
    });
  const capture = await captured(two(edits({ "x-team": "red" }, [])), async () => {
    rig.upstreams[0]!.answer = ({ peer }) => peer.send(reply(200, "x", "Content-Type: text/html\r\n"));
    await rig.ask("/a?b=1");
  });
  expect(capture.requests[0]!.request.sent!.headers["x-request-id"]).toBeString();
  const same = await against(capture, two(edits({ "x-team": "red" }, [])));
  expect(same.changed).toBe(0);
  const changed = edits({ "x-team": "blue" }, ["content-type"]);
  const rewrite = { filter: "rewrite", config: { from: "/a", prefix: "/v2", host: "inner" } };
  const next = two({ ...changed, filters: [...changed.filters!, rewrite] });
  expect(sentences(await against(capture, next))).toEqual([
    "sent path: /a?b=1 -> /v2?b=1",
    "sent host: shop -> inner",
    "sent header x-team: red -> blue",
    "answer header content-type: text/html -> -",
  ]);
});

test("what the configuration alone does not explain is left out, and said", async () => {
  const limits = { maxConnections: 1, maxPendingRequests: 1, maxRequests: 1 };
  const shape = { ...two(route("all", "/")), clusters: { app: { limits }, next: {} } };
  const capture = await captured(shape, async () => {
    rig.upstreams[0]!.answer = ({ peer }) => {
      rig.world.clock.after(50, () => peer.send(reply(200, "x")));
    };
    for (let count = 0; count < 3; count++) rig.client().get("/a");
    await rig.advance(500);
  });
  const report = await against(capture, two(route("a", "/", { to: "next" })));
  expect([report.requests, report.same, report.changed]).toEqual([3, 0, 1]);
  expect(report.excluded).toEqual({
    "the callee has as many requests in flight as its limit allows": 2,
  });
});

test("a callee that failed fails again: a fallback is what changes", async () => {
  const capture = await captured(two(route("all", "/")), async () => {
    rig.upstreams[0]!.answer = ({ peer }) => peer.send(reply(503, "ill"));
    await rig.ask("/ill");
    rig.upstreams[0]!.answer = ({ peer }) => peer.terminate();
    await rig.ask("/gone");
  });
  const on = ["exhausted" as const];
  const fallback = { on, status: 200, headers: {}, body: "canned" };
  const report = await against(capture, two(route("all", "/", { fallback })));
  const found = report.changes.map(({ path, changes }) => [path, changes[0]!.before, changes[0]!.after]);
  expect(found.sort()).toEqual([
    ["/gone", "passed on, and the callee fails", "answered 200: fallback_exhausted"],
    ["/ill", "passed on", "answered 200: fallback_exhausted"],
  ]);
});

test("what a replay does not see is said: faults, what the capture leaves out", async () => {
  const match = {
    methods: [],
    headers: [{ name: "x-canary", kind: "present" as const, value: "" }],
    cookies: [{ name: "plan", kind: "exact" as const, value: "gold" }],
    query: [{ name: "v", kind: "exact" as const, value: "2" }],
  };
  const fault = {
    filter: "fault",
    config: { delay: null, abort: { status: 503, ratio: 1 }, headers: {}, maxHeld: 10 },
  };
  const shape = two(route("all", "/"));
  const capture = await captured(shape, () => rig.ask("/a").then(() => {}), { query: [] });
  const next = two(route("some", "/", { match }), route("all", "/", { filters: [fault] }));
  const report = await against(capture, next);
  expect(report.notes).toEqual([
    "faults are not replayed",
    "route some looks at the header x-canary, which the capture leaves out",
    "route some looks at cookies, which the capture leaves out",
    "route some looks at the parameter v, which the capture leaves out",
  ]);
  expect(report.changed).toBe(0);
});

test("a request whose Snapshot the capture does not hold is not compared", async () => {
  const shape = two(route("all", "/"));
  const capture = await captured(shape, () => rig.ask("/a").then(() => {}));
  const bare = { ...capture, snapshots: new Map<string, Snapshot>() };
  expect((await against(bare, shape)).excluded).toEqual({
    "the capture does not hold the Snapshot that it met": 1,
  });
});

test("a file that is no capture is refused by its line; one that was cut off is read", async () => {
  const shape = two(route("all", "/"));
  const { head } = await captured(shape, () => rig.ask("/a").then(() => {}));
  const first = JSON.stringify({ capture: head });
  expect(() => readCapture("", "c.jsonl")).toThrow("c.jsonl is no line of a capture");
  expect(() => readCapture("nonsense\n", "c.jsonl")).toThrow("c.jsonl:1 is no line of a capture");
  expect(() => readCapture(`${first}\n[]\n`, "c.jsonl")).toThrow("c.jsonl:2");
  expect(() => readCapture('{"lost":1}\n', "c.jsonl")).toThrow("c.jsonl:1");
  const later = first.replace('"format":1', '"format":2');
  expect(() => readCapture(`${later}\n`, "c.jsonl")).toThrow("format 2");
  const cut = readCapture(`${first}\n{"lost":3}\n{"request":{"ta`, "c.jsonl");
  expect([cut.requests.length, cut.lost]).toEqual([0, 4]);
});
