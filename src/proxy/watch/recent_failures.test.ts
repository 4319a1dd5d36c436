import { afterEach, expect, test } from "bun:test";
import type { FailedRequest } from "../../api/request_record.ts";
import type { Origin, Snapshot } from "../../api/snapshot.ts";
import { Rig } from "../../sim/rig.ts";
import { RETRY, snapshotOf, type SnapshotShape } from "../../sim/snapshots.ts";
import { reply } from "../../sim/upstream.ts";
import type { Filter, FilterComponent } from "../filters/filter.ts";
import { FILTERS } from "../filters/mod.ts";
import { KEPT_BYTES, KEPT_FAILURES, KEPT_PER_SECOND } from "./recent_failures.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

/** As if each part stood in a line of its own: the line's number is the part's in this list. */
function withOrigins(shape: SnapshotShape, pointers: readonly string[]): Snapshot {
  const at = (line: number): Origin => ({ file: "shop.yaml", line, column: 3, field: "spec" });
  const origins = Object.fromEntries(pointers.map((pointer, index) => [pointer, at(index + 1)]));
  return { ...snapshotOf(shape), origins };
}

function start(shape: SnapshotShape, pointers: readonly string[] = []): void {
  rig = new Rig(null);
  rig.proxy.apply(withOrigins(shape, pointers));
}

/** One request with an id, and what is kept of it. */
async function ask(id: string, path = "/a", more = ""): Promise<FailedRequest | undefined> {
  const client = rig.client();
  client.send(`GET ${path} HTTP/1.1\r\nhost: shop\r\nx-request-id: ${id}\r\n${more}\r\n`);
  await rig.advance(5_000);
  client.peer.close();
  return rig.proxy.failures(id)[0];
}

const ROUTE = "/policy/listeners/in/routes/0";
const APP = "/policy/clusters/app";
const ID = { filter: "request_id", config: {} };
const LIMIT = { name: "burst", requests: 1, perMs: 60_000, burst: 1, key: { by: "route" }, maxKeys: 8 };
const REFUSED = { host: "10.0.9.9", port: 81 };

interface Case {
  readonly shape: SnapshotShape;
  /** With a line each. */
  readonly pointers: readonly string[];
  /** Requests before the one that is looked at. */
  readonly before?: number;
  readonly answer?: string | null;
  readonly path?: string;
  readonly expected: Partial<FailedRequest>;
  /** Pointers, `*` before those that a line asks for. */
  readonly places: readonly string[];
}

const CASES: Readonly<Record<string, Case>> = {
  "no route": {
    shape: { route: { hosts: ["other"] } },
    pointers: ["/policy/listeners/in"],
    expected: { cause: "no-route", status: 404, route: null, answeredBy: "here" },
    places: ["/policy/listeners/in/routes"],
  },
  denied: {
    shape: {
      route: {
        filters: [ID, { filter: "deny", config: { rules: [{ methods: ["GET"], notFrom: [] }] } }],
      },
    },
    pointers: [`${ROUTE}/filters/1`],
    expected: {
      cause: "denied",
      status: 403,
      filter: { name: "deny", index: 1, limit: null, isRuntimeFault: false },
    },
    places: [`*${ROUTE}/filters/1`],
  },
  "rate limited": {
    shape: { route: { filters: [{ filter: "rate_limit", config: LIMIT }] } },
    pointers: [`${ROUTE}/filters/0`],
    before: 1,
    expected: {
      cause: "rate_limited",
      status: 429,
      flags: ["RL"],
      filter: { name: "rate_limit", index: 0, limit: "burst", isRuntimeFault: false },
    },
    places: [`*${ROUTE}/filters/0`],
  },
  "breaker open": {
    shape: {
      cluster: {
        breaker: {
          ...{ errorRate: 0.5, minRequests: 1, windowMs: 10_000, openMs: 60_000 },
          halfOpenRequests: 1,
        },
      },
    },
    pointers: [`${APP}/breaker`],
    before: 1,
    answer: reply(500, "x"),
    expected: { cause: "breaker-open", status: 503, breaker: "open", flags: ["UO"], tries: [] },
    places: [`*${APP}/breaker`],
  },
  timeout: {
    shape: { route: { timeoutMs: 200 } },
    pointers: [`${ROUTE}/timeoutMs`],
    answer: null,
    expected: { cause: "timeout", status: 504, flags: ["UT"], upstream: "10.0.1.1:80" },
    places: [`*${ROUTE}/timeoutMs`],
  },
  "a timeout a try": {
    shape: { route: { retry: { ...RETRY, attempts: 1, perTryTimeoutMs: 100 } } },
    pointers: [`${ROUTE}/retry`],
    answer: null,
    expected: { cause: "per-try-timeout", status: 504, flags: ["UT", "URX"] },
    places: [`${ROUTE}/retry/perTryTimeoutMs`, `${ROUTE}/retry/attempts`],
  },
  "connect failure": {
    shape: { cluster: { endpoints: [REFUSED] } },
    pointers: [APP],
    expected: { cause: "connect-failure", status: 503, flags: ["UF"], upstream: "10.0.9.9:81" },
    places: [`*${APP}`],
  },
  "retries exhausted": {
    shape: { route: { retry: RETRY } },
    pointers: [`${ROUTE}/retry/attempts`],
    answer: reply(502, "x"),
    expected: { cause: "via_upstream", status: 502, flags: ["URX"], answeredBy: "upstream" },
    places: [ROUTE, `*${ROUTE}/retry/attempts`],
  },
  "too many requests in flight": {
    shape: {
      cluster: { limits: { maxConnections: 1, maxPendingRequests: 1, maxRequests: 0 } },
    },
    pointers: [`${APP}/limits`],
    expected: { cause: "overflow-requests", status: 503, cluster: "app", flags: ["UO"] },
    places: [`${APP}/limits/maxRequests`],
  },
  "no endpoint": {
    shape: { cluster: { endpoints: [] } },
    pointers: [],
    expected: { cause: "no-endpoint", status: 503, flags: ["UH"] },
    places: ["/bindings/clusters/app"],
  },
  "a bad path": {
    shape: {},
    pointers: [],
    path: "/a%00b",
    expected: { cause: "bad-path", status: 400, flags: ["DPE"], route: null },
    places: [],
  },
  "a malformed answer": {
    shape: {},
    pointers: [],
    answer: "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
    expected: { cause: "malformed-response", status: 502, flags: ["UPE"] },
    places: [`${APP}/responseValidation`],
  },
  "a fault of the file": {
    shape: {
      route: {
        filters: [
          ID,
          {
            filter: "fault",
            config: { delay: null, abort: { status: 503, ratio: 1 }, headers: {}, maxHeld: 9 },
          },
        ],
      },
    },
    pointers: [`${ROUTE}/filters/1`],
    expected: {
      cause: "fault_filter_abort",
      flags: ["FI"],
      filter: { name: "fault", index: 1, limit: null, isRuntimeFault: false },
    },
    places: [`*${ROUTE}/filters/1`],
  },
  "a fallback in the place of an error": {
    shape: {
      route: {
        fallback: { on: ["exhausted"], status: 200, headers: {}, body: "[]" },
      },
      cluster: { endpoints: [REFUSED] },
    },
    pointers: [APP, `${ROUTE}/fallback`],
    expected: { cause: "connect-failure", status: 200, flags: ["UF"], answeredBy: "fallback" },
    places: [`*${APP}`, `*${ROUTE}/fallback`],
  },
};

for (const [name, one] of Object.entries(CASES)) {
  test(`what is kept says why, and which line asked for it: ${name}`, async () => {
    start(one.shape, one.pointers);
    const { answer = reply(200, "ok") } = one;
    rig.upstream(1, ({ peer }) => answer !== null && peer.send(answer));
    for (let n = 0; n < (one.before ?? 0); n += 1) await ask(`before-${n}`);
    const kept = await ask("id-1", one.path);
    expect(kept).toMatchObject({ ...one.expected, requestId: "id-1", version: "1" });
    const places = kept!.policy.map(({ pointer, isWritten }) => `${isWritten ? "*" : ""}${pointer}`);
    expect(places).toEqual([...one.places]);
    const lines = kept!.policy.map(({ origin }) => origin?.line ?? null);
    // Each line that has a say is told, and no other.
    const told = new Set(lines.filter((line) => line !== null));
    expect([...told].sort()).toEqual(one.pointers.map((_, index) => index + 1));
  });
}

test("a filter that fails is named, at once or by a promise, with its place in the file", async () => {
  const mutable = FILTERS as FilterComponent[];
  const shipped = FILTERS.length;
  const about = { summary: "of the test", status: "beta", security: "none" } as const;
  const create = (): Filter => ({
    onRequestHeaders: ({ head }) => {
      if (head.path === "/now") throw new Error("no");
      return rig.world.clock.sleep(5).then(() => Promise.reject(new Error("no")));
    },
  });
  mutable.push({ name: "broken", ...about, create });
  start({ route: { filters: [ID, { filter: "broken", config: {} }] } }, [`${ROUTE}/filters/1`]);
  for (const path of ["/now", "/later"]) {
    const kept = await ask(path.slice(1), path);
    expect(kept).toMatchObject({
      ...{ cause: "filter-error", status: 500 },
      filter: { name: "broken", index: 1, isRuntimeFault: false },
      policy: [{ pointer: `${ROUTE}/filters/1`, isWritten: true, origin: { line: 1 } }],
    });
  }
  mutable.length = shipped;
});

test("what an overloaded sidecar refuses is told by the bound that it reached", async () => {
  const overload = { memory: { bytes: 2 ** 20 }, eventLoopLagMs: 1_000, keepPaths: [] };
  start({ overload }, ["/policy/overload"]);
  rig.world.processes.self.resources = { residentBytes: 2 ** 30, userMs: 0, systemMs: 0 };
  await rig.advance(1_000);
  const kept = await ask("id-1");
  expect(kept).toMatchObject({ cause: "overload", status: 503, flags: ["OM"], answeredBy: "here" });
  expect(kept!.policy).toMatchObject([{ pointer: "/policy/overload", isWritten: true }]);
});

test("a request whose body turns out malformed is kept, with what the caller got", async () => {
  start({});
  rig.upstream(1, () => {});
  const client = rig.client();
  const head = "POST /a HTTP/1.1\r\nhost: shop\r\nx-request-id: id-1\r\n";
  client.send(`${head}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n`);
  await rig.advance(1_000);
  const [kept] = rig.proxy.failures("id-1");
  expect(kept).toMatchObject({ cause: "downstream_malformed", status: 400, flags: ["DPE"] });
});

test("a fault of run time is in no file, and shifts no other filter's place", async () => {
  const deny = { filter: "deny", config: { rules: [{ methods: ["PUT"], notFrom: [] }] } };
  const respond = { filter: "respond", config: { status: 404, headers: {}, body: "gone" } };
  start({ route: { filters: [deny, respond] } }, [`${ROUTE}/filters/1`]);
  const fault = { delay: null, abort: { status: 503, ratio: 1 }, headers: { "x-f": "1" }, maxHeld: 9 };
  rig.proxy.setFault({ listener: "in", route: null, fault, forMs: null });
  const faulty = await ask("id-1", "/a", "x-f: 1\r\n");
  expect(faulty).toMatchObject({ cause: "fault_filter_abort", policy: [] });
  expect(faulty!.filter).toMatchObject({ name: "fault", isRuntimeFault: true });
  const answered = await ask("id-2");
  expect(answered).toMatchObject({ cause: "direct_response", status: 404 });
  expect(answered!.policy).toMatchObject([{ pointer: `${ROUTE}/filters/1`, isWritten: true }]);
});

test("each try that failed stands with its endpoint and its outcome", async () => {
  start({
    route: { retry: RETRY },
    cluster: { endpoints: [{ host: "10.0.1.1", port: 80 }, REFUSED] },
  });
  rig.upstream(1, ({ peer }) => peer.send(reply(500, "x")));
  const kept = await ask("id-1");
  expect(kept!.tries.map(({ upstream, status, failure }) => [upstream, status, failure])).toEqual([
    ["10.0.1.1:80", 500, null],
    ["10.0.9.9:81", 0, "connect-failure"],
    ["10.0.1.1:80", 500, null],
  ]);
});

test("what is well is not kept, nor an error below 500 that is the app's own word", async () => {
  start({});
  rig.upstream(1, ({ peer, target }) => peer.send(reply(target === "/a" ? 200 : 404, "x")));
  await ask("id-1");
  await ask("id-2", "/none");
  expect(rig.proxy.failures(null)).toEqual([]);
});

test("who has a trace is found by it, who has no id by a key; who left is kept as such", async () => {
  start({ route: { hosts: ["shop"] } });
  rig.upstream(1, () => {});
  await rig.ask("/none", "elsewhere");
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const left = rig.client();
  left.send(`GET /b HTTP/1.1\r\nhost: shop\r\ntraceparent: 00-${trace}-b7ad6b7169203331-01\r\n\r\n`);
  await rig.advance(100);
  left.peer.terminate();
  await rig.advance(100);
  expect(rig.proxy.failures(trace)).toMatchObject([{ cause: "caller-left", answeredBy: "nobody" }]);
  expect(rig.proxy.failures("f0-1")).toMatchObject([{ cause: "no-route", requestId: null }]);
  expect(rig.proxy.failures(null).map(({ key }) => key)).toEqual(["f0-2", "f0-1"]);
  expect(rig.proxy.failures("nobody")).toEqual([]);
});

test("of a flood the first of each second are kept", async () => {
  start({ route: { hosts: ["other"] } });
  const client = rig.client();
  for (let n = 0; n < KEPT_PER_SECOND + 500; n += 1) client.get("/a");
  await rig.advance(900);
  client.get("/b");
  await rig.advance(50);
  expect(rig.proxy.failures(null)[0]).toMatchObject({ path: "/a", key: `f0-${KEPT_PER_SECOND}` });
  await rig.advance(100);
  client.get("/c");
  await rig.advance(100);
  expect(rig.proxy.failures(null)[0]).toMatchObject({ path: "/c" });
});

test("the newest are kept, bounded in number and in bytes", async () => {
  start({ route: { hosts: ["other"] } });
  const client = rig.client();
  for (let n = 0; n < KEPT_FAILURES + 100; n += 1) client.get("/a");
  await rig.advance(1_000);
  expect(rig.proxy.failures(null)[0]!.key).toBe(`f0-${KEPT_FAILURES + 100}`);
  expect(rig.proxy.failures("f0-100")).toEqual([]);
  expect(rig.proxy.failures("f0-101").length).toBe(1);
  const path = `/${"x".repeat(9_000)}`;
  for (let n = 0; n < KEPT_FAILURES; n += 1) client.get(path);
  await rig.advance(1_000);
  const [newest] = rig.proxy.failures(null);
  expect(newest!.path.length).toBeLessThan(300);
  const perEntry = JSON.stringify(newest).length;
  expect(perEntry * KEPT_FAILURES).toBeLessThan(2 * KEPT_BYTES);
});

test("after floods of short failures and of long ones each is found or not, and nothing breaks", async () => {
  start({ route: { hosts: ["other"] } });
  const client = rig.client();
  const fail = async (path: string): Promise<void> => {
    for (let n = 0; n < KEPT_FAILURES; n += 1) client.get(path);
    await rig.advance(1_000);
  };
  for (let flood = 1; flood <= 4; flood += 1) {
    await fail("/a");
    expect(rig.proxy.failures("nobody")).toEqual([]);
    const oldest = (flood - 1) * KEPT_FAILURES + 1;
    expect(rig.proxy.failures(`f0-${oldest}`).length).toBe(1);
    expect(rig.proxy.failures(`f0-${oldest - 1}`)).toEqual([]);
  }
  for (let flood = 0; flood < 2; flood += 1) {
    await fail(`/${"x".repeat(400)}`);
    expect(rig.proxy.failures("nobody")).toEqual([]);
  }
  expect(rig.proxy.failures(`f0-${6 * KEPT_FAILURES}`).length).toBe(1);
});
