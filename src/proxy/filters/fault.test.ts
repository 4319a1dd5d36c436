import { afterEach, expect, test } from "bun:test";
import type { FaultPolicy } from "../../api/fault.ts";
import { Rig } from "../../sim/rig.ts";
import type { RouteShape } from "../../sim/snapshots.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const PLAIN: FaultPolicy = { delay: null, abort: null, headers: {}, maxHeld: 1000 };
const TEN_SECONDS = { minMs: 10_000, maxMs: 10_000, ratio: 1 };

function rigWith(policy: Partial<FaultPolicy>, route: RouteShape = {}): Rig {
  const filters = [{ filter: "fault", config: { ...PLAIN, ...policy } }];
  rig = new Rig({ route: { ...route, filters }, accessLog: "json" });
  return rig;
}

/** Sends a thousand requests at once, and counts those answered in time and ten seconds later. */
async function askThousand(): Promise<{ readonly atOnce: number; readonly delayed: number }> {
  const clients = Array.from({ length: 1000 }, () => rig.client());
  const calls = clients.map((client) => client.get("/"));
  const answered = (): number => calls.filter(({ status }) => status === 200).length;
  await rig.advance(1_000);
  const atOnce = answered();
  await rig.advance(8_990);
  expect(answered()).toBe(atOnce);
  await rig.advance(1_000);
  const delayed = answered() - atOnce;
  for (const { peer } of clients) peer.close();
  await rig.advance(100);
  return { atOnce, delayed };
}

/** Of the access log, by request. */
function flags(): readonly string[] {
  const records = rig.log.map((line) => JSON.parse(line) as { readonly response_flags?: string });
  return records.flatMap((one) => one.response_flags ?? []);
}

const held = (): number => rig.metric("outrigger_faults_total", { fault: "delay" });

test("S1-26 50% ± 3 of 1,000 requests are delayed by 10 s, switched on and off at run time", async () => {
  const cluster = { limits: { maxConnections: 2000, maxPendingRequests: 0, maxRequests: 2000 } };
  rig = new Rig({ cluster, listener: { maxConnections: 2000 } });
  rig.upstream();
  expect(await askThousand()).toEqual({ atOnce: 1000, delayed: 0 });
  const fault = { ...PLAIN, delay: { ...TEN_SECONDS, ratio: 0.5 } };
  rig.proxy.setFault({ listener: "in", route: null, fault, forMs: null });
  const { atOnce, delayed } = await askThousand();
  expect(atOnce + delayed).toBe(1000);
  expect(delayed).toBeGreaterThanOrEqual(470);
  expect(delayed).toBeLessThanOrEqual(530);
  expect(held()).toBe(delayed);
  expect(rig.proxy.clearFaults(null, null)).toBe(1);
  expect(await askThousand()).toEqual({ atOnce: 1000, delayed: 0 });
});

test("an abort answers its share here, and the upstream hears of the rest only", async () => {
  rigWith({ abort: { status: 503, ratio: 0.25 } });
  const upstream = rig.upstream();
  let aborted = 0;
  for (let index = 0; index < 200; index++) {
    const { status, body } = await rig.ask();
    if (status === 200) continue;
    expect([status, body]).toEqual([503, "fault injected\n"]);
    aborted++;
  }
  expect(aborted).toBeGreaterThan(30);
  expect(aborted).toBeLessThan(70);
  expect(upstream.requests.length).toBe(200 - aborted);
  expect(rig.metric("outrigger_faults_total", { fault: "abort" })).toBe(aborted);
  await rig.advance(2_000);
  expect(flags().filter((one) => one === "FI").length).toBe(aborted);
  expect(rig.log.join()).toContain("fault_filter_abort");
});

test("a random delay lies between its bounds; with an abort the answer comes after it", async () => {
  const delay = { minMs: 100, maxMs: 300, ratio: 1 };
  rigWith({ delay, abort: { status: 500, ratio: 1 } });
  const took: number[] = [];
  for (let index = 0; index < 50; index++) {
    const startedMs = rig.world.clock.now();
    expect((await rig.ask()).status).toBe(500);
    took.push(rig.world.clock.now() - startedMs);
  }
  expect(Math.min(...took)).toBeGreaterThanOrEqual(100);
  expect(Math.max(...took)).toBeLessThan(310);
  expect(Math.max(...took) - Math.min(...took)).toBeGreaterThan(100);
  await rig.advance(2_000);
  expect(flags().every((one) => one === "DI,FI")).toBe(true);
});

test("only requests with all of the headers", async () => {
  rigWith({ abort: { status: 418, ratio: 1 }, headers: { "X-Fault": "tea", "x-who": "me" } });
  rig.upstream();
  const ask = async (headers: string): Promise<number> => {
    const call = rig.client().send(`GET / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`);
    await rig.advance(10);
    return call.status;
  };
  expect(await ask("X-FAULT: tea\r\nX-Who: me\r\n")).toBe(418);
  expect(await ask("X-Fault: tea\r\n")).toBe(200);
  expect(await ask("X-Fault: Tea\r\nX-Who: me\r\n")).toBe(200);
});

test("no more than maxHeld are held; the others go on, and are counted", async () => {
  rigWith({ delay: TEN_SECONDS, maxHeld: 2 });
  rig.upstream();
  const calls = Array.from({ length: 5 }, () => rig.client().get("/"));
  await rig.advance(100);
  expect(calls.map(({ status }) => status).sort()).toEqual([0, 0, 200, 200, 200]);
  expect([held(), rig.metric("outrigger_faults_total", { fault: "overflow" })]).toEqual([2, 3]);
  await rig.advance(10_000);
  expect(calls.every(({ status }) => status === 200)).toBe(true);
});

test("a caller that leaves, and a timeout, free the place of a held request", async () => {
  rigWith({ delay: TEN_SECONDS, maxHeld: 1 }, { timeoutMs: 2_000 });
  const upstream = rig.upstream();
  const gone = rig.client();
  gone.get("/");
  await rig.advance(10);
  gone.peer.terminate();
  await rig.advance(10);
  const late = rig.client().get("/");
  await rig.advance(2_100);
  expect([late.status, held()]).toEqual([504, 2]);
  rig.client().get("/");
  await rig.advance(10);
  expect([held(), upstream.requests.length]).toEqual([3, 0]);
});

test("a body that comes while its request is held arrives whole", async () => {
  rigWith({ delay: { ...TEN_SECONDS, minMs: 50, maxMs: 50 } });
  const upstream = rig.upstream();
  const client = rig.client();
  const call = client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
  client.peer.send("x".repeat(200_000));
  await rig.advance(200);
  expect([call.status, upstream.requests[0]!.body.length]).toEqual([200, 200_000]);
});

test.each([
  [{}, "needs a delay, an abort or a bandwidth"],
  [{ delay: { minMs: 5, maxMs: 1, ratio: 1 } }, "maxMs"],
  [{ delay: { minMs: 5, maxMs: 1e9, ratio: 1 } }, "3600000"],
  [{ delay: { ...TEN_SECONDS, ratio: 2 } }, "delay.ratio"],
  [{ abort: { status: 200, ratio: 1 } }, "abort.status"],
  [{ abort: { status: 503, ratio: 1 }, headers: { a: 1 } }, "texts"],
  [{ abort: { status: 503, ratio: 1 }, maxHeld: 0 }, "maxHeld"],
  [{ bandwidth: { bytesPerSecond: 0, ratio: 1 } }, "bandwidth.bytesPerSecond"],
  [{ bandwidth: { bytesPerSecond: 9, ratio: 2 } }, "bandwidth.ratio"],
] as const)("a config that makes no sense is refused: %j", (policy, problem) => {
  rig = new Rig();
  const filters = [{ filter: "fault", config: policy }];
  expect(() => rig.apply({ route: { filters } })).toThrow(problem);
});
