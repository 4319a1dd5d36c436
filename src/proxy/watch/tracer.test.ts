import { afterEach, expect, test } from "bun:test";
import { CALM, ROUGH } from "../../base/simulated/faults.ts";
import { Rig } from "../../sim/rig.ts";
import { PROXY, RETRY, type SnapshotShape, upstreamAt } from "../../sim/snapshots.ts";
import { type Received, reply, SimUpstream } from "../../sim/upstream.ts";
import type { Stream } from "../stream.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const SAMPLED = `00-${TRACE}-${PARENT}-01`;
const UNSAMPLED = `00-${TRACE}-${PARENT}-00`;
const COLLECTOR = { host: "10.0.3.1", port: 9411 };
const URL_OF = `http://${COLLECTOR.host}:${COLLECTOR.port}/api/v2/spans`;

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

interface Span {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind?: string;
  readonly timestamp: number;
  readonly duration: number;
  readonly localEndpoint: { readonly serviceName: string };
  readonly remoteEndpoint?: object;
  readonly tags: Readonly<Record<string, string>>;
}

/** A rig whose spans are gathered. */
function traced(shape: SnapshotShape = {}, seed = 1): { readonly spans: () => Promise<Span[]> } {
  rig = new Rig({ ...shape, tracing: { url: URL_OF, ...shape.tracing } }, seed);
  const { host, port } = COLLECTOR;
  const collector = new SimUpstream(rig.world.at(host), host, port, ({ peer }) => peer.send(reply(202, "")));
  rig.upstreams.push(collector);
  const spans = async (): Promise<Span[]> => {
    await rig.advance(1_500);
    return collector.requests.flatMap(({ body }) => JSON.parse(body) as Span[]);
  };
  return { spans };
}

/** One request with these header lines; what the upstream got of it. */
async function ask(...lines: string[]): Promise<ReadonlyMap<string, string>> {
  const client = rig.client();
  client.send(`${["GET /items?q=1 HTTP/1.1", "Host: shop", ...lines].join("\r\n")}\r\n\r\n`);
  await rig.advance(500);
  client.peer.close();
  return rig.upstreams.flatMap(({ requests }) => requests).findLast(({ method }) => method === "GET")!
    .headers;
}

/** The listener of an app's calls, and the cluster that it leads to. */
const CALLS: SnapshotShape = {
  listeners: { "call:api": { direction: "outbound", routes: [{ to: "api" }] } },
  clusters: { api: { kind: "call", endpoints: [upstreamAt(1)] } },
};
const CALLS_WITH_RETRY: SnapshotShape = {
  ...CALLS,
  listeners: { "call:api": { direction: "outbound", routes: [{ to: "api", retry: RETRY }] } },
};

const b3 = (flag: string): string => `b3: ${TRACE}-${PARENT}${flag}`;

test("a request to the app is a SERVER span, and the app gets its id as parent", async () => {
  const { spans } = traced({ accessLog: "json" });
  rig.upstream();
  const headers = await ask(`traceparent: ${SAMPLED}`, "tracestate: v=1");
  const [span, ...others] = await spans();
  expect(others).toEqual([]);
  expect(span).toMatchObject({
    traceId: TRACE,
    parentId: PARENT,
    kind: "SERVER",
    name: "GET r0",
    localEndpoint: { serviceName: "shop" },
    tags: { "http.method": "GET", "http.path": "/items", "http.status_code": "200" },
  });
  expect(headers.get("traceparent")).toBe(`00-${TRACE}-${span!.id}-01`);
  expect(headers.get("tracestate")).toBe("v=1");
  expect(JSON.parse(rig.log.at(-1)!)).toMatchObject({ trace_id: TRACE });
});

test("a call is a CLIENT span below the app's, and the callee gets its id as parent", async () => {
  const { spans } = traced(CALLS);
  rig.upstream();
  const headers = await ask(`traceparent: ${SAMPLED}`);
  const [span, ...others] = await spans();
  expect(others).toEqual([]);
  expect(span).toMatchObject({
    traceId: TRACE,
    parentId: PARENT,
    kind: "CLIENT",
    name: "GET api",
    remoteEndpoint: { serviceName: "api", ipv4: "10.0.1.1", port: 80 },
  });
  expect(headers.get("traceparent")).toBe(`00-${TRACE}-${span!.id}-01`);
});

test("each try is a span of its own, with its number and what became of it", async () => {
  const { spans } = traced(CALLS_WITH_RETRY);
  let tries = 0;
  const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(tries++ < 2 ? 503 : 200, "ok")));
  await ask(`traceparent: ${SAMPLED}`);
  const all = await spans();
  expect(all.map(({ parentId }) => parentId)).toEqual([PARENT, PARENT, PARENT]);
  expect(all.map(({ tags }) => [tags["retry.number"], tags["http.status_code"], tags.error])).toEqual([
    [undefined, "503", "503"],
    ["1", "503", "503"],
    ["2", "200", undefined],
  ]);
  expect(upstream.requests.map(({ headers }) => headers.get("traceparent"))).toEqual(
    all.map(({ id }) => `00-${TRACE}-${id}-01`),
  );
  expect(new Set(all.map(({ id }) => id)).size).toBe(3);
  const starts = all.map(({ timestamp }) => timestamp);
  expect([...starts].sort((a, b) => a - b)).toEqual(starts);
});

test("tries of a trace that begins with them have a span above them", async () => {
  const { spans } = traced(CALLS_WITH_RETRY);
  let tries = 0;
  rig.upstream(1, ({ peer }) => peer.send(reply(tries++ < 1 ? 503 : 200, "ok")));
  await ask();
  const all = await spans();
  const root = all.find(({ kind }) => kind === undefined)!;
  expect(root.parentId).toBeUndefined();
  const below = all.filter(({ kind }) => kind === "CLIENT");
  expect(below.map(({ parentId }) => parentId)).toEqual([root.id, root.id]);
});

test("one try of a trace that begins with it is the whole trace", async () => {
  const { spans } = traced(CALLS_WITH_RETRY);
  rig.upstream();
  const headers = await ask();
  const [span, ...others] = await spans();
  expect(others).toEqual([]);
  expect([span!.kind, span!.parentId]).toEqual(["CLIENT", undefined]);
  expect(headers.get("traceparent")).toBe(`00-${span!.traceId}-${span!.id}-01`);
});

test("a gateway is a SERVER span with its tries below", async () => {
  const { spans } = traced({
    listeners: { gateway: { direction: "gateway", routes: [{ to: "api" }] } },
    clusters: { api: { kind: "call", endpoints: [upstreamAt(1)] } },
  });
  rig.upstream();
  const headers = await ask();
  const all = await spans();
  const server = all.find(({ kind }) => kind === "SERVER")!;
  const client = all.find(({ kind }) => kind === "CLIENT")!;
  expect(all.length).toBe(2);
  expect(server.parentId).toBeUndefined();
  expect([client.parentId, client.traceId]).toEqual([server.id, server.traceId]);
  expect(headers.get("traceparent")).toBe(`00-${client.traceId}-${client.id}-01`);
});

test("tries at the app itself are told where there may be several", async () => {
  const { spans } = traced({ route: { retry: RETRY } });
  let tries = 0;
  rig.upstream(1, ({ peer }) => peer.send(reply(tries++ < 1 ? 503 : 200, "ok")));
  await ask();
  const all = await spans();
  const server = all.find(({ kind }) => kind === "SERVER")!;
  const below = all.filter(({ kind }) => kind === "CLIENT");
  expect(below.map(({ parentId }) => parentId)).toEqual([server.id, server.id]);
  // The app is no other service.
  expect(below[0]!.remoteEndpoint).toBeUndefined();
});

// ---------------------------------------------------------------- what fails

test("a refused connection, with Envoy's flag", async () => {
  const { spans } = traced(CALLS);
  rig.client().send(`GET / HTTP/1.1\r\nHost: shop\r\ntraceparent: ${SAMPLED}\r\n\r\n`);
  const [span] = await spans();
  expect(span!.tags).toMatchObject({
    error: "connect-failure",
    response_flags: "UF",
    upstream_address: "10.0.1.1:80",
  });
});

test("a call that never came to a try is a span too", async () => {
  const { spans } = traced({ ...CALLS, clusters: { api: { kind: "call", limits: LIMITS } } });
  rig.client().send(`GET / HTTP/1.1\r\nHost: shop\r\ntraceparent: ${SAMPLED}\r\n\r\n`);
  const [span, ...others] = await spans();
  expect(others).toEqual([]);
  expect(span).toMatchObject({
    kind: "CLIENT",
    parentId: PARENT,
    tags: { error: "overflow-requests{api}", response_flags: "UO", "http.status_code": "503" },
  });
});
const LIMITS = { maxConnections: 1, maxPendingRequests: 0, maxRequests: 0 };

test("a request that no route is for", async () => {
  const { spans } = traced({ route: { hosts: ["elsewhere"] } });
  await rig.ask("/a");
  const [span] = await spans();
  expect(span).toMatchObject({ kind: "SERVER", name: "GET", tags: { "http.status_code": "404" } });
});

test("a caller that leaves ends the spans", async () => {
  const { spans } = traced(CALLS);
  rig.upstream(1, () => {});
  const client = rig.client();
  client.send(`GET / HTTP/1.1\r\nHost: shop\r\ntraceparent: ${SAMPLED}\r\n\r\n`);
  await rig.advance(50);
  client.peer.terminate();
  const [span, ...others] = await spans();
  expect(others).toEqual([]);
  expect(span!.tags).toMatchObject({ error: "downstream_closed", response_flags: "DC" });
  expect(span!.duration).toBeGreaterThan(40_000);
});

test("an answer that breaks off in the middle is a failure of its try", async () => {
  const { spans } = traced(CALLS);
  rig.upstream(1, ({ peer }) => {
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    rig.world.clock.after(100, () => peer.terminate());
  });
  rig.client().send(`GET / HTTP/1.1\r\nHost: shop\r\ntraceparent: ${SAMPLED}\r\n\r\n`);
  const [span] = await spans();
  expect(span!.tags).toMatchObject({ "http.status_code": "200", error: "reset", response_flags: "UC" });
});

test("the time of the whole request ends the try in hand", async () => {
  const route = { to: "api", timeoutMs: 100 };
  const { spans } = traced({ ...CALLS, listeners: { "call:api": { direction: "outbound", routes: [route] } } });
  rig.upstream(1, () => {});
  rig.client().send(`GET / HTTP/1.1\r\nHost: shop\r\ntraceparent: ${SAMPLED}\r\n\r\n`);
  const [span, ...others] = await spans();
  expect(others).toEqual([]);
  expect(span!.tags).toMatchObject({ error: "timeout", response_flags: "UT" });
  expect(span!.duration).toBeGreaterThanOrEqual(95_000);
});

// ---------------------------------------------------------------- who decides

test.each([
  [`traceparent: ${UNSAMPLED}`, 1, false],
  [`traceparent: ${SAMPLED}`, 0, true],
  [b3("-0"), 1, false],
  [b3("-1"), 0, true],
  [b3("-d"), 0, true],
  // B3's deferred decision: nobody has decided yet. This id lies at 0.81.
  [b3(""), 1, true],
  [b3(""), 0, false],
  ["b3: 0", 1, false],
  ["b3: 1", 0, true],
  ["x-b3-sampled: 0", 1, false],
  ["x-b3-sampled: 1", 0, true],
  ["traceparent: 00-nonsense-01", 0, false],
  ["traceparent: 00-nonsense-01", 1, true],
] as const)("%s at a rate of %p: %p", async (line, ratio, isSampled) => {
  const { spans } = traced({ tracing: { url: URL_OF, ratio } });
  rig.upstream();
  const headers = await ask(line);
  expect((await spans()).length).toBe(isSampled ? 1 : 0);
  expect(headers.get("traceparent")).toMatch(isSampled ? /-01$/ : /-00$/);
  const passedB3 = headers.get("b3");
  if (passedB3 !== undefined) expect(passedB3).toMatch(isSampled ? /-[1d](-[0-9a-f]{16})?$/ : /-0$/);
});

test("what is malformed is dropped, and a trace begins", async () => {
  const { spans } = traced();
  rig.upstream();
  const headers = await ask(`traceparent: ${SAMPLED}-more`, "tracestate: v=1");
  const [span] = await spans();
  expect(span!.parentId).toBeUndefined();
  expect(span!.traceId).not.toBe(TRACE);
  expect(headers.get("tracestate")).toBeUndefined();
});

test("where nobody decided the trace id does: two hops with one rate decide alike", async () => {
  const count = 400;
  const decided: string[][] = [];
  for (const seed of [1, 2]) {
    const { spans } = traced({ tracing: { url: URL_OF, ratio: 0.25 } }, seed);
    rig.upstream();
    const client = rig.client();
    for (let n = 0; n < count; n++) {
      // Spread evenly.
      const high = Math.floor(((n * 0.618034) % 1) * 2 ** 32).toString(16).padStart(8, "0");
      const id = `4bf92f3577b34da6a3${high}000000`;
      client.send(`GET / HTTP/1.1\r\nHost: shop\r\nb3: ${id}-${PARENT}\r\n\r\n`);
      await rig.advance(5);
    }
    decided.push((await spans()).map(({ traceId }) => traceId).sort());
    if (seed === 1) expect(await rig.leaks()).toEqual([]);
  }
  expect(decided[0]).toEqual(decided[1]!);
  expect(decided[0]!.length / count).toBeGreaterThan(0.2);
  expect(decided[0]!.length / count).toBeLessThan(0.3);
});

test("an unsampled request begins a trace that nobody keeps, and keeps its id for the log", async () => {
  const { spans } = traced({ accessLog: "json", tracing: { url: URL_OF, ratio: 0 } });
  rig.upstream();
  const [, traceId, , flags] = (await ask()).get("traceparent")!.split("-");
  expect(flags).toBe("00");
  expect(await spans()).toEqual([]);
  expect(JSON.parse(rig.log.at(-1)!)).toMatchObject({ trace_id: traceId });
});

test("requests that wait at once each keep the context that is theirs", async () => {
  traced({
    cluster: { limits: { maxConnections: 1, maxPendingRequests: 10, maxRequests: 10 } },
    tracing: { url: URL_OF, ratio: 0 },
  });
  const upstream = rig.upstream(1, ({ peer }) => {
    rig.world.clock.after(10, () => peer.send(reply(200, "ok")));
  });
  const ids = ["1", "2", "3"].map((digit) => digit.repeat(32));
  for (const id of ids) {
    rig.client().send(`GET / HTTP/1.1\r\nHost: shop\r\nb3: ${id}-${PARENT}\r\n\r\n`);
  }
  await rig.advance(500);
  expect(upstream.requests.map(({ headers }) => headers.get("traceparent")).sort()).toEqual(
    ids.map((id) => `00-${id}-${PARENT}-00`),
  );
});

// ---------------------------------------------------------------- notations

test("the next hop gets the notations that came and those that are asked for", async () => {
  const { spans } = traced({ tracing: { url: URL_OF, write: ["b3", "b3-multi"] } });
  rig.upstream();
  const headers = await ask(`traceparent: ${SAMPLED}`);
  const [span] = await spans();
  expect(headers.get("traceparent")).toBe(`00-${TRACE}-${span!.id}-01`);
  expect(headers.get("b3")).toBe(`${TRACE}-${span!.id}-1-${PARENT}`);
  expect(headers.get("x-b3-traceid")).toBe(TRACE);
  expect(headers.get("x-b3-spanid")).toBe(span!.id);
  expect(headers.get("x-b3-parentspanid")).toBe(PARENT);
  expect(headers.get("x-b3-sampled")).toBe("1");
});

test("a copy for a mirror is below the same span", async () => {
  const mirror = {
    ...{ cluster: "shadow", ratio: 1, timeoutMs: 1_000, maxBodyBytes: 100 },
    ...{ maxInFlight: 5, shadowHost: true },
  };
  const { spans } = traced({
    route: { mirror },
    clusters: { app: {}, shadow: { kind: "call", endpoints: [upstreamAt(2)] } },
  });
  rig.upstream(1);
  const shadow = rig.upstream(2);
  await ask(`traceparent: ${SAMPLED}`);
  const [span, ...others] = await spans();
  expect(others).toEqual([]);
  expect(shadow.requests[0]!.headers.get("traceparent")).toBe(`00-${TRACE}-${span!.id}-01`);
});

// ---------------------------------------------------------------- beside others, and reloads

test("a new Snapshot changes the rate, and ends tracing; a request in flight ends as it began", async () => {
  const { spans } = traced(CALLS);
  const upstream = rig.upstream(1, ({ peer }) => {
    rig.world.clock.after(100, () => peer.send(reply(200, "ok")));
  });
  const client = rig.client();
  client.send("GET /first HTTP/1.1\r\nHost: shop\r\n\r\n");
  await rig.advance(20);
  rig.apply(CALLS);
  await rig.advance(200);
  client.send("GET /second HTTP/1.1\r\nHost: shop\r\n\r\n");
  await rig.advance(200);
  expect((await spans()).map(({ tags }) => tags["http.path"])).toEqual(["/first"]);
  expect(upstream.requests[1]!.headers.has("traceparent")).toBe(false);
});

test("who looks on beside the tracer finds the trace id", async () => {
  const { spans } = traced();
  rig.upstream();
  const seen: (string | null)[] = [];
  rig.proxy.addWatcher({
    begin: ({ traceId }: Stream) => {
      seen.push(traceId);
      return null;
    },
  });
  await ask(`traceparent: ${SAMPLED}`);
  expect(seen).toEqual([TRACE]);
  expect((await spans()).length).toBe(1);
});

test("the trace_context filter leaves to the tracer what it would read itself", async () => {
  const { spans } = traced({ route: { filters: [{ filter: "trace_context", config: {} }] } });
  rig.upstream();
  const headers = await ask(`traceparent: ${SAMPLED}`);
  const [span] = await spans();
  expect(headers.get("traceparent")).toBe(`00-${TRACE}-${span!.id}-01`);
});

test("a Snapshot that traces without saying where to, or to nowhere, is refused", () => {
  rig = new Rig();
  expect(() => rig.apply({ tracing: { url: "zipkin:9411" } })).toThrow(/not a URL of http/);
  expect(() => rig.apply({ tracing: { url: "https://10.0.3.1/" } })).toThrow(/not a URL of http/);
  expect(rig.proxy.ready).toBe(true);
  expect(rig.proxy.portOf("in")).toBe(PROXY.port);
});

// ---------------------------------------------------------------- whatever the network does

test("whatever the network does: spans have parents, none comes twice, all are accounted for", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const { spans } = traced(
      {
        listeners: { gateway: { direction: "gateway", routes: [{ to: "api", retry: RETRY, timeoutMs: 400 }] } },
        clusters: { api: { kind: "call", endpoints: [upstreamAt(1), upstreamAt(2)] } },
      },
      seed,
    );
    const { random } = rig.world;
    const moody = ({ peer }: Received): void => {
      const mood = random.next();
      if (mood < 0.2) peer.terminate();
      else if (mood < 0.4) peer.send(reply(503, "no"));
      else if (mood < 0.5) rig.world.clock.after(500, () => peer.send(reply(200, "late")));
      else peer.send(reply(200, "ok"));
    };
    const upstreams = [rig.upstream(1, moody), rig.upstream(2, moody)];
    rig.world.net.setFaults(ROUGH);
    for (let n = 0; n < 40; n++) {
      const client = rig.client();
      client.send(`GET /${n} HTTP/1.1\r\nHost: shop\r\n\r\n`);
      rig.world.clock.after(random.next() * 600, () => client.peer.terminate());
      await rig.advance(random.next() * 60);
    }
    await rig.advance(2_000);
    rig.world.net.setFaults(CALM);
    await rig.advance(30_000);
    const all = await spans();
    const where = `seed ${seed}`;
    const [sent, failed, dropped] = ["sent", "failed", "dropped"].map((outcome) => {
      return rig.metric("outrigger_spans_total", { outcome });
    });
    expect([failed, dropped], where).toEqual([0, 0]);
    // A batch that the collector took without its answer getting through comes again.
    const byId = new Map(all.map((span) => [span.id, span]));
    expect(byId.size, where).toBe(sent!);
    for (const { parentId, traceId, kind } of byId.values()) {
      if (kind === "SERVER") expect(parentId, where).toBeUndefined();
      else expect(byId.get(parentId!)?.traceId, where).toBe(traceId);
    }
    const asked = upstreams.flatMap(({ requests }) => requests);
    for (const { headers } of asked) {
      const [, traceId, spanId, flags] = headers.get("traceparent")!.split("-");
      expect(flags, where).toBe("01");
      expect(byId.get(spanId!), where).toMatchObject({ traceId: traceId!, kind: "CLIENT" });
    }
    const servers = [...byId.values()].filter(({ kind }) => kind === "SERVER");
    expect(servers.length, where).toBe(new Set(servers.map(({ traceId }) => traceId)).size);
    expect(servers.length, where).toBeGreaterThan(20);
    if (seed < 25) expect(await rig.leaks()).toEqual([]);
  }
});
