import { expect, test } from "bun:test";
import type { FaultOrder, FaultStatus } from "../api/fault.ts";
import type { Sighting } from "../api/sighting.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { ProxyStats } from "../api/stats.ts";
import { Failure } from "../base/failure.ts";
import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import { type HttpAnswer, HttpClient, type HttpRequest } from "../http/client.ts";
import { type DataPlane, Sidecar, type SidecarOptions } from "./sidecar.ts";

const SOCKET = { path: "/run/a.sock" };
const READ_ONLY = { host: "127.0.0.1", port: 7001 };

function snapshot(version: string, pipelines: Snapshot["policy"]["pipelines"] = {}): Snapshot {
  return {
    apiVersion: "outrigger.dev/v1alpha1",
    kind: "Snapshot",
    workload: { namespace: "shop", name: "a" },
    version,
    policyHash: `p-${version}`,
    policy: {
      ...{ listeners: {}, clusters: {}, pipelines },
      ...{ accessLog: { format: "off" }, drainMs: 2_000 },
    },
    bindings: {
      listeners: {},
      clusters: {},
      admin: { readOnly: READ_ONLY, socket: SOCKET.path },
      pipelines: {},
      stateFolder: "/state",
    },
    origins: {},
  };
}

class FakeProxy implements DataPlane {
  readonly versions: string[] = [];
  ready = false;
  closed = false;
  drainTakesMs = 0;

  constructor(private readonly world: SimulatedWorld) {}

  apply(given: Snapshot): void {
    if (given.version.startsWith("bad")) throw new Failure("refused", "it does not fit");
    this.versions.push(given.version);
    this.ready = true;
  }

  stats(): ProxyStats {
    const clusters = [{ name: "api" }];
    return { version: this.versions.at(-1) ?? "", clusters } as unknown as ProxyStats;
  }

  metrics(): string {
    return "# HELP outrigger_x X.\n# TYPE outrigger_x counter\noutrigger_x 1\n";
  }

  sightings(since: number): readonly Sighting[] {
    return [{ sequence: since + 1, header: "x-build" } as Sighting];
  }

  tap = (): (() => void) => () => {};
  capture = (): (() => void) => () => {};
  failures = () => [];
  readonly logLevel = "info";
  setLogLevel(): void {}

  orders: FaultOrder[] = [];

  faults(): readonly FaultStatus[] {
    return this.orders.map((order) => ({ ...order, remainingMs: order.forMs }));
  }

  setFault(order: FaultOrder): void {
    if (order.listener !== "inbound") throw new Failure("refused", "no such listener");
    this.orders.push(order);
  }

  clearFaults(listener: string | null): number {
    const before = this.orders.length;
    this.orders = this.orders.filter((one) => listener !== null && one.listener !== listener);
    return before - this.orders.length;
  }

  drain(): Promise<void> {
    return this.world.clock.sleep(this.drainTakesMs);
  }

  close(): void {
    this.closed = true;
  }
}

function setup(text: string, more: Partial<SidecarOptions> = {}) {
  const world = createSimulatedWorld({ seed: 1 });
  world.files.makeFolder("/run");
  world.files.write("/home/app/s.json", text);
  const proxy = new FakeProxy(world);
  const log: string[] = [];
  const createProxy = (): DataPlane => proxy;
  const options = { snapshotFile: "/home/app/s.json", stateFolder: "/state", createProxy };
  const sidecar = new Sidecar(world, { ...options, ...more, log: (line) => log.push(line) });
  return { world, proxy, sidecar, log };
}

async function ask(
  world: SimulatedWorld,
  method: string,
  path: string,
  more: Partial<HttpRequest> = {},
): Promise<HttpAnswer & { text: string }> {
  const client = new HttpClient(world);
  const request = { method, path, address: SOCKET, timeoutMs: 5_000, ...more };
  let done = false;
  const answer = client.request(request);
  const end = () => (done = true);
  answer.then(end, end);
  await world.clock.until(() => done, 10_000);
  const value = await answer;
  return { ...value, text: Buffer.from(value.body).toString() };
}

test("the read-only address answers ready, live and metrics, and nothing else", async () => {
  const { world, sidecar } = setup(JSON.stringify(snapshot("1")));
  await sidecar.start();
  const at = { address: READ_ONLY };
  expect((await ask(world, "GET", "/ready", at)).status).toBe(200);
  expect((await ask(world, "GET", "/live", at)).status).toBe(200);
  const metrics = await ask(world, "GET", "/metrics", at);
  expect(metrics.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
  expect(metrics.text).toContain("outrigger_x 1\n");
  for (const path of ["/tap", "/why", "/why/1", "/log-level", "/config", "/stats", "/clusters", "/snapshot", "/drain", "/"]) {
    expect([path, (await ask(world, "GET", path, at)).status]).toEqual([path, 404]);
  }
  expect((await ask(world, "POST", "/ready", at)).status).toBe(405);
  expect((await ask(world, "PUT", "/snapshot", { ...at, body: "{}" })).status).toBe(413);
  sidecar.close();
});

test("S2-12 OpenMetrics where it is asked for, on the read-only address and on the socket", async () => {
  const { world, sidecar } = setup(JSON.stringify(snapshot("1")));
  await sidecar.start();
  const wanted = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
  for (const address of [READ_ONLY, SOCKET]) {
    const headers = { accept: wanted };
    const metrics = await ask(world, "GET", "/metrics", { address, headers });
    const type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    expect(metrics.headers.get("content-type")).toBe(type);
    const lines = ["# TYPE outrigger_x counter", "# HELP outrigger_x X.", "outrigger_x_total 1"];
    expect(metrics.text).toStartWith(`${lines.join("\n")}\n# `);
    expect(metrics.text).toEndWith("\n# EOF\n");
  }
  sidecar.close();
});

test("the socket is its owner's alone, and shows what is in force", async () => {
  const { world, sidecar } = setup(JSON.stringify(snapshot("1")));
  await sidecar.start();
  expect((world.files.stat(SOCKET.path)?.mode ?? 0) & 0o777).toBe(0o600);
  expect(JSON.parse((await ask(world, "GET", "/config")).text).version).toBe("1");
  expect(JSON.parse((await ask(world, "GET", "/stats")).text).version).toBe("1");
  expect(JSON.parse((await ask(world, "GET", "/clusters")).text)).toEqual([{ name: "api" }]);
  sidecar.close();
});

test("a new Snapshot comes into force and is kept; a refused one leaves it so", async () => {
  const { world, sidecar, proxy, log } = setup(JSON.stringify(snapshot("1")));
  await sidecar.start();
  const put = (body: string) => ask(world, "PUT", "/snapshot", { body });
  const good = await put(JSON.stringify(snapshot("2")));
  expect([good.status, JSON.parse(good.text)]).toEqual([200, { version: "2" }]);
  const other = { namespace: "x", name: "y" };
  const bad = [
    ["{", "is not JSON"],
    ["{}", "is no Snapshot"],
    [JSON.stringify({ ...snapshot("3"), policy: {} }), "policy.listeners is missing"],
    [JSON.stringify(snapshot("bad")), "it does not fit"],
    [JSON.stringify({ ...snapshot("3"), workload: other }), "cannot change"],
  ] as const;
  for (const [body, problem] of bad) {
    const refused = await put(body);
    expect(refused.status).toBe(409);
    expect(JSON.parse(refused.text).problem).toContain(problem);
  }
  expect(proxy.versions).toEqual(["1", "2"]);
  expect(log.length).toBe(bad.length);
  expect(JSON.parse(world.files.readText("/state/last-good.json")).version).toBe("2");
  expect((world.files.stat("/state/last-good.json")?.mode ?? 0) & 0o777).toBe(0o600);
  sidecar.close();
});

test("a watched file comes into force when it changes; a bad one leaves what is in force", async () => {
  const { world, sidecar, proxy, log } = setup(JSON.stringify(snapshot("1")), { watch: true });
  await sidecar.start();
  const becomes = async (text: string): Promise<readonly string[]> => {
    world.files.replace("/home/app/s.json", text);
    await world.clock.advance(6_000);
    return proxy.versions;
  };
  expect(await becomes(JSON.stringify(snapshot("2")))).toEqual(["1", "2"]);
  expect(await becomes(JSON.stringify(snapshot("bad")))).toEqual(["1", "2"]);
  expect(await becomes("{")).toEqual(["1", "2"]);
  expect(log.filter((line) => line.startsWith("Snapshot refused: "))).toHaveLength(2);
  // As it is: nothing to do.
  expect(await becomes(`${JSON.stringify(snapshot("2"))} `)).toEqual(["1", "2"]);
  sidecar.close();
  expect(await becomes(JSON.stringify(snapshot("3")))).toEqual(["1", "2"]);
});

test("a bad file at the start: the last good Snapshot is used, or it is refused", async () => {
  const { world, sidecar, proxy, log } = setup('{"kind": "Snapsh');
  expect(sidecar.start()).rejects.toThrow("is not JSON");
  world.files.makeFolder("/state");
  world.files.write("/state/last-good.json", JSON.stringify(snapshot("7")));
  await sidecar.start();
  expect(proxy.versions).toEqual(["7"]);
  expect(log[0]).toContain("the last good Snapshot is used");
  sidecar.close();
});

test("a full disk keeps no Snapshot, and stops no traffic", async () => {
  const { world, sidecar, proxy, log } = setup(JSON.stringify(snapshot("1")));
  world.files.freeBytes = 0;
  await sidecar.start();
  expect(proxy.versions).toEqual(["1"]);
  expect(log[0]).toContain("could not be kept");
  expect((await ask(world, "GET", "/ready", { address: READ_ONLY })).status).toBe(200);
  sidecar.close();
});

test("a drain is bounded, and not ready from its start on", async () => {
  const { world, sidecar, proxy } = setup(JSON.stringify(snapshot("1")));
  proxy.drainTakesMs = 60_000;
  await sidecar.start();
  let ended = false;
  void sidecar.drain().then(() => (ended = true));
  expect((await ask(world, "GET", "/ready", { address: READ_ONLY })).status).toBe(503);
  // It would open ports again.
  const late = await ask(world, "PUT", "/snapshot", { body: JSON.stringify(snapshot("2")) });
  expect([late.status, proxy.versions]).toEqual([409, ["1"]]);
  await world.clock.advance(2_000);
  expect(ended).toBe(false);
  await world.clock.advance(1_000);
  expect([ended, proxy.closed]).toEqual([true, true]);
});

test("pipelines run in a child: started again when it ends, anew when they change", async () => {
  const pipelines = { p: { sources: {}, steps: [], sinks: {} } };
  const { world, sidecar } = setup(JSON.stringify(snapshot("1", pipelines)));
  const starts: string[][] = [];
  world.programs.set("outrigger", (child) => void starts.push([...child.command]));
  await sidecar.start();
  await world.clock.advance(1);
  expect(starts).toEqual([
    [
      ...["outrigger", "pipeline", "--snapshot", "/state/last-good.json"],
      ...["--admin-socket", "/state/pipeline.sock"],
    ],
  ]);
  [...world.processes.children.values()][0]?.exit(70);
  await world.clock.advance(1);
  expect(starts.length).toBe(2);
  const metrics = await ask(world, "GET", "/metrics");
  expect(metrics.text).toContain("outrigger_pipeline_restarts_total 1\n");
  expect(metrics.text).toContain("outrigger_x 1\n");
  const put = (given: Snapshot) => ask(world, "PUT", "/snapshot", { body: JSON.stringify(given) });
  await put(snapshot("2", pipelines));
  await world.clock.advance(10);
  expect(starts.length).toBe(2);
  await put(snapshot("3", { ...pipelines, q: pipelines.p }));
  await world.clock.advance(10);
  expect(starts.length).toBe(3);
  await put(snapshot("4"));
  await world.clock.advance(10);
  expect(world.processes.children.size).toBe(0);
  sidecar.close();
  await world.clock.advance(60_000);
  expect(world.leaks()).toEqual([]);
});

test("malformed messages are told from a sequence on, on the socket alone", async () => {
  const { world, sidecar } = setup(JSON.stringify(snapshot("1")));
  await sidecar.start();
  const read = async (path: string): Promise<unknown> =>
    JSON.parse((await ask(world, "GET", path)).text);
  expect(await read("/sightings")).toEqual({ sightings: [{ sequence: 1, header: "x-build" }] });
  expect(await read("/sightings?since=41")).toMatchObject({ sightings: [{ sequence: 42 }] });
  expect(await ask(world, "GET", "/sightings?since=-1")).toMatchObject({
    status: 400,
    text: "since: a sequence is a whole number\n",
  });
  expect((await ask(world, "GET", "/sightings", { address: READ_ONLY })).status).toBe(404);
  sidecar.close();
});

test("faults are listed, set and cleared on the socket alone", async () => {
  const { world, sidecar, proxy } = setup(JSON.stringify(snapshot("1")));
  await sidecar.start();
  const read = async (method: string, path: string, body?: unknown) => {
    const given = body === undefined ? {} : { body: JSON.stringify(body) };
    const { status, text } = await ask(world, method, path, given);
    return [status, JSON.parse(text)];
  };
  const fault = { abort: { status: 503, ratio: 0.5 } };
  const order = { listener: "inbound", route: null, forMs: 60_000 };
  const whole = { delay: null, ...fault, headers: {}, maxHeld: 1000 };
  const status = { ...order, fault: whole, remainingMs: 60_000 };
  expect(await read("GET", "/faults")).toEqual([200, { faults: [] }]);
  expect(await read("PUT", "/faults", { ...order, fault })).toEqual([200, { faults: [status] }]);
  for (const [wrong, problem] of [
    ["{", "an object was expected"],
    [{ fault }, "listener: a listener's name was expected"],
    [{ ...order, route: 1, fault }, "route: a route's name was expected"],
    [{ ...order, forMs: 0, fault }, "forMs: a number from 1 to 2000000000 was expected"],
    [order, "a fault is an object"],
    [{ ...order, listener: "other", fault }, "no such listener"],
  ] as const) {
    expect(await read("PUT", "/faults", wrong)).toEqual([409, { problem, advice: null }]);
  }
  expect(proxy.orders.length).toBe(1);
  expect(await read("DELETE", "/faults?listener=other")).toEqual([200, { faults: [status] }]);
  expect(await read("DELETE", "/faults")).toEqual([200, { faults: [] }]);
  expect((await ask(world, "GET", "/faults", { address: READ_ONLY })).status).toBe(404);
  sidecar.close();
});
