/** A sidecar of several workers, as a process on this machine, and a group whose threads die. */
import { afterAll, afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Snapshot } from "../src/api/snapshot.ts";
import type { ProxyStats } from "../src/api/stats.ts";
import { createBunWorld } from "../src/base/bun/mod.ts";
import { parsePrometheusText, sumOfSamples } from "../src/codec/prometheus_text.ts";
import { ProxyGroup } from "../src/proxy/group/proxy_group.ts";
import { snapshotOf, type SnapshotShape } from "../src/sim/snapshots.ts";
import { tinyApp } from "./kit/apps.ts";
import { Place, type Started } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft, stillRunning } from "./kit/processes.ts";
import { RawClient } from "./kit/raw_client.ts";

setDefaultTimeout(60_000);

let place: Place;
let upstream: Upstream;
/** Of the listener, and of the read-only address. */
let port: number;
let adminPort: number;

beforeEach(async () => {
  place = new Place();
  upstream = new Upstream();
  [port, adminPort] = [await freePort(), await freePort()];
});

afterEach(async () => {
  await place.end();
  upstream.server.stop(true);
});

afterAll(killLeft);

/** Answers at once, or holds requests until they are let go. */
class Upstream {
  readonly server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async () => {
      this.inFlight++;
      this.most = Math.max(this.most, this.inFlight);
      if (this.holds) await new Promise<void>((resolve) => this.#held.push(resolve));
      this.inFlight--;
      this.count++;
      return new Response("hello\n", { status: this.status });
    },
  });
  status = 200;
  holds = false;
  count = 0;
  inFlight = 0;
  most = 0;
  readonly #held: (() => void)[] = [];

  letGo(): void {
    this.holds = false;
    for (const resolve of this.#held.splice(0)) resolve();
  }
}

function snapshot(shape: SnapshotShape = {}): Snapshot {
  const cluster = { ...shape.cluster, endpoints: [{ host: "127.0.0.1", port: upstream.server.port! }] };
  const listener = { ...shape.listener, at: { host: "127.0.0.1", port } };
  const plain = snapshotOf({ accessLog: "json", ...shape, listener, cluster });
  const admin = { readOnly: { host: "127.0.0.1", port: adminPort }, socket: place.path("a.sock") };
  const stateFolder = place.path("state");
  return { ...plain, bindings: { ...plain.bindings, admin, stateFolder } };
}

async function sidecar(workers: number, shape: SnapshotShape = {}): Promise<Started> {
  const file = place.write("s.json", JSON.stringify(snapshot(shape)));
  const started = place.start("sidecar", "--snapshot", file, "--workers", String(workers));
  await untilTrue("the sidecar is ready", async () => {
    return (await fetch(`http://127.0.0.1:${adminPort}/ready`)).status === 200;
  });
  return started;
}

async function stats(): Promise<ProxyStats> {
  const answer = await fetch("http://admin/stats", { unix: place.path("a.sock") });
  return (await answer.json()) as ProxyStats;
}

async function metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
  const exposition = parsePrometheusText(await answer.text());
  expect(exposition.problems).toEqual([]);
  return sumOfSamples(exposition, name, labels);
}

/** So many requests at once, each on a connection of its own: their answers' statuses. */
async function ask(count: number): Promise<number[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const client = await RawClient.connect(port);
      const { status } = await client.get("/");
      client.close();
      return status;
    }),
  );
}

const countOf = (statuses: readonly number[], status: number): number =>
  statuses.filter((one) => one === status).length;

test("both workers serve, and stats, metrics and log are those of both", async () => {
  const running = await sidecar(2);
  for (let round = 0; round < 10; round++) expect(countOf(await ask(30), 200)).toBe(30);
  const { workers, listeners } = await stats();
  expect(workers).toMatchObject({ wanted: 2, running: 2, restartsTotal: 0 });
  const parts = workers!.each.map(({ connectionsTotal }) => connectionsTotal);
  // 300 tosses of a coin: fewer than 60 for one of two is none.
  expect([parts.length, Math.min(...parts) > 60]).toEqual([2, true]);
  expect(listeners[0]!.connectionsTotal).toBe(300);
  expect(await metric("outrigger_requests_total", { code: "200" })).toBe(300);
  expect(await metric("outrigger_request_duration_seconds_count")).toBe(300);
  expect(await metric("outrigger_upstream_tries_total")).toBe(300);
  expect([upstream.count, await metric("outrigger_workers")]).toEqual([300, 2]);
  running.kill("SIGTERM");
  const { status, stdout } = await running.ended;
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  const requests = lines.filter((line) => line.response_code === 200);
  expect([status, requests.length]).toEqual([0, 300]);
  const events = lines.flatMap((line) => line.event ?? []);
  expect(events).toEqual(["snapshot-applied", "drain-started"]);
});

test("S1-24 one limit of requests in flight holds for both workers, to the last one", async () => {
  const limits = { maxConnections: 100, maxPendingRequests: 100, maxRequests: 5 };
  await sidecar(2, { cluster: { limits } });
  for (let round = 0; round < 3; round++) {
    upstream.holds = true;
    const asked = ask(60);
    await untilTrue("five are in flight", () => upstream.inFlight === 5);
    await untilTrue("all others are refused", async () => {
      return (await metric("outrigger_upstream_overflow_total")) === 55 * (round + 1);
    });
    upstream.letGo();
    const statuses = await asked;
    expect([countOf(statuses, 200), countOf(statuses, 503)]).toEqual([5, 55]);
  }
  expect(upstream.most).toBe(5);
  expect((await stats()).clusters[0]!.requestsActive).toBe(0);
});

test("who waits in one worker for a connection gets that of another", async () => {
  const limits = { maxConnections: 2, maxPendingRequests: 1_000, maxRequests: 1_000 };
  await sidecar(2, { cluster: { limits } });
  expect(countOf(await ask(200), 200)).toBe(200);
  expect(upstream.most).toBeLessThanOrEqual(2);
});

test("a rate limit and a breaker are those of both workers", async () => {
  const config = {
    ...{ name: "all", requests: 1, perMs: 86_400_000, burst: 40 },
    ...{ key: { by: "source" }, maxKeys: 100 },
  };
  const breaker = {
    ...{ errorRate: 0.5, minRequests: 30, windowMs: 60_000 },
    ...{ openMs: 3_600_000, halfOpenRequests: 1 },
  };
  const routes = [
    { name: "limited", path: { kind: "prefix", value: "/limited" } as const },
    { name: "all" },
  ];
  const filters = [{ filter: "rate_limit", config }];
  const listener = { routes: [{ ...routes[0]!, filters }, routes[1]!] };
  await sidecar(2, { listener, cluster: { breaker } });
  const url = `http://127.0.0.1:${port}`;
  const limited = await Promise.all(
    Array.from({ length: 100 }, () => fetch(`${url}/limited`, { keepalive: false })),
  );
  const passed = limited.filter(({ status }) => status === 200);
  expect([passed.length, upstream.count]).toEqual([40, 40]);
  upstream.status = 500;
  for (let round = 0; round < 20; round++) await ask(10);
  expect(await metric("outrigger_breaker_state")).toBe(2);
  expect(await metric("outrigger_breaker_transitions_total")).toBe(1);
  const { events, clusters } = await stats();
  expect(events.filter(({ kind }) => kind === "breaker-opened").length).toBe(1);
  // 40 good ones and as many bad ones open it; ten may be on their way.
  const bad = upstream.count - 40;
  expect([bad >= 30, bad <= 50]).toEqual([true, true]);
  expect(clusters[0]!.rejectedByBreakerTotal).toBe(200 - bad);
});

test("new Snapshots come into force in both without a failed request", async () => {
  await sidecar(2);
  let isOver = false;
  const statuses: number[] = [];
  const callers = Array.from({ length: 8 }, async (_, index) => {
    let client = await RawClient.connect(port);
    while (!isOver) {
      statuses.push((await client.get("/")).status);
      if (index % 2 === 0) continue;
      client.close();
      client = await RawClient.connect(port);
    }
    client.close();
  });
  for (let version = 2; version <= 12; version++) {
    const before = statuses.length;
    const next = snapshot({ version: String(version), route: { timeoutMs: 10_000 + version } });
    const init = { method: "PUT", body: JSON.stringify(next), unix: place.path("a.sock") };
    expect((await fetch("http://admin/snapshot", init)).status).toBe(200);
    await untilTrue("requests went on", () => statuses.length > before + 50);
  }
  const bad = { ...snapshot({ version: "bad" }), policy: { ...snapshot().policy, clusters: {} } };
  const init = { method: "PUT", body: JSON.stringify(bad), unix: place.path("a.sock") };
  expect((await fetch("http://admin/snapshot", init)).status).toBe(409);
  isOver = true;
  await Promise.all(callers);
  expect(countOf(statuses, 200)).toBe(statuses.length);
  expect((await stats()).version).toBe("12");
});

test("SIGTERM: what is in flight in both ends well, and nothing more is accepted", async () => {
  const running = await sidecar(2);
  upstream.holds = true;
  const asked = ask(20);
  await untilTrue("all are in flight", () => upstream.inFlight === 20);
  running.kill("SIGTERM");
  await untilTrue("no more is accepted", async () => {
    return RawClient.connect(port).then(
      (client) => (client.close(), false),
      () => true,
    );
  });
  upstream.letGo();
  expect(countOf(await asked, 200)).toBe(20);
  expect((await running.ended).status).toBe(0);
});

test("a port that is taken is a port that is taken, whoever would share it", async () => {
  const running = await sidecar(2);
  const second = new Place();
  const file = second.write("s.json", JSON.stringify(snapshot()));
  const { status, stderr } = await second.outrigger("proxy", "--snapshot", file, "--workers", "2");
  expect([status, stderr]).toEqual([4, expect.stringContaining(`127.0.0.1:${port} is in use`)]);
  await second.end();
  running.kill("SIGTERM");
  await running.ended;
});

test("up starts as many workers as the App asks for", async () => {
  const own = await freePort();
  const more = ["sidecar: { workers: 2 }"];
  const file = place.write("one.yaml", tinyApp({ name: "one", port, own, more }));
  await place.up(file);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  const { admin } = await place.process("test/one/sidecar");
  const answer = await fetch("http://admin/stats", { unix: admin!.socket });
  expect(((await answer.json()) as ProxyStats).workers!.running).toBe(2);
});

test("a thread that dies is replaced, and what it held is given back", async () => {
  const threadEntry = new URL("./kit/mortal_thread.ts", import.meta.url).href;
  const log: string[] = [];
  const group = new ProxyGroup(createBunWorld({ threadEntry }), {
    workers: 2,
    log: (lines) => log.push(lines),
  });
  try {
    const limits = { maxConnections: 100, maxPendingRequests: 100, maxRequests: 10 };
    await group.apply(snapshot({ cluster: { limits } }));
    upstream.holds = true;
    const lost = Promise.allSettled(
      Array.from({ length: 10 }, async () => (await RawClient.connect(port)).get("/")),
    );
    await untilTrue("ten are in flight", () => upstream.inFlight === 10);
    expect(countOf(await ask(5), 503)).toBe(5);
    const { each } = (await group.stats()).workers!;
    const dead = each.find(({ connectionsActive }) => connectionsActive > 0)!;
    const unix = `${place.path("state")}.${dead.worker}`;
    await Bun.connect({ unix, socket: { data() {} } });
    const { workers, events } = await until("another worker runs", async () => {
      const now = await group.stats();
      return now.workers!.restartsTotal === 1 && now.workers!.running === 2 ? now : null;
    });
    expect(workers!.restartsTotal).toBe(1);
    expect(events.map(({ kind }) => kind).filter((kind) => kind.startsWith("worker"))).toEqual([
      "worker-ended",
      "worker-started",
    ]);
    upstream.letGo();
    await lost;
    await untilTrue("nothing is in flight", () => upstream.inFlight === 0);
    // All ten places are there again, and no more than ten.
    upstream.holds = true;
    upstream.most = 0;
    const asked = ask(40);
    await untilTrue("ten are in flight again", () => upstream.inFlight === 10);
    await untilTrue("the others are refused", async () => {
      return (await group.stats()).clusters[0]!.overflowTotal >= 30;
    });
    upstream.letGo();
    expect(countOf(await asked, 200)).toBe(10);
    expect(upstream.most).toBe(10);
  } finally {
    upstream.letGo();
    await group.drain();
  }
});

test("nothing that these tests started is left", async () => {
  expect(await stillRunning()).toEqual([]);
});
