import { afterEach, expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";
import type { SnapshotShape } from "../../sim/snapshots.ts";
import { type Received, reply, SimUpstream } from "../../sim/upstream.ts";

const COLLECTOR = { host: "10.0.3.1", port: 4318 };

let rig: Rig;
let collector: SimUpstream;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const taken = ({ peer }: Received): void => peer.send(reply(202, ""));

function traced(answer: (request: Received) => void, tracing: Partial<SnapshotShape["tracing"]> = {}): void {
  const { host, port } = COLLECTOR;
  const url = `http://${host}:${port}/v1/traces?key=1`;
  rig = new Rig({ tracing: { url, exporter: "otlp", ...tracing } });
  rig.upstream();
  listen(answer);
}

function listen(answer: (request: Received) => void): void {
  const { host, port } = COLLECTOR;
  collector = new SimUpstream(rig.world.at(host), host, port, answer);
  rig.upstreams.push(collector);
}

/** So many requests on one connection, all of them sampled. */
async function ask(count: number): Promise<void> {
  const client = rig.client();
  for (let n = 0; n < count; n++) {
    const call = client.get(`/${n}`);
    await rig.world.clock.until(() => call.answer !== null, 1_000);
    expect(call.status).toBe(200);
  }
  client.peer.close();
}

const count = (outcome: string): number => rig.metric("outrigger_spans_total", { outcome });

function spansIn({ body }: Received): number {
  const { resourceSpans } = JSON.parse(body);
  return resourceSpans[0].scopeSpans[0].spans.length;
}

const kinds = (): string[] =>
  rig.proxy
    .stats()
    .events.map(({ kind }) => kind)
    .filter((kind) => kind.startsWith("collector"));

test("spans go out together, a second after the first, to the URL's path", async () => {
  traced(taken);
  await ask(3);
  expect(collector.requests.length).toBe(0);
  await rig.advance(1_100);
  const [request, ...others] = collector.requests;
  expect(others).toEqual([]);
  expect([request!.method, request!.target, spansIn(request!)]).toEqual(["POST", "/v1/traces?key=1", 3]);
  expect(request!.headers.get("content-type")).toBe("application/json");
  expect(request!.headers.get("host")).toBe("10.0.3.1:4318");
  expect([count("sent"), count("failed"), count("dropped")]).toEqual([3, 0, 0]);
});

test("a full batch goes out at once, and the connection is used again", async () => {
  traced(taken);
  await ask(513);
  await rig.advance(1_100);
  expect(collector.requests.map(spansIn)).toEqual([512, 1]);
  expect(collector.peers.length).toBe(1);
});

test("without tracing there is no such metric", async () => {
  rig = new Rig();
  rig.upstream();
  await rig.ask();
  expect(rig.proxy.metrics()).not.toContain("outrigger_spans");
});

test("a collector that is busy or away for a moment gets the batch again", async () => {
  let tries = 0;
  traced(({ peer }) => {
    tries++;
    if (tries === 1) peer.send(reply(503, ""));
    else if (tries === 2) peer.terminate();
    else peer.send(reply(200, "{}"));
  });
  await ask(2);
  await rig.advance(10_000);
  expect(collector.requests.map(spansIn)).toEqual([2, 2, 2]);
  expect(new Set(collector.requests.map(({ body }) => body)).size).toBe(1);
  expect([count("sent"), count("failed")]).toEqual([2, 0]);
  expect(kinds()).toEqual([]);
});

test("it waits as long as a busy collector asks it to", async () => {
  let tries = 0;
  traced(({ peer }) => {
    peer.send(tries++ === 0 ? "HTTP/1.1 429 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n" : reply(200, ""));
  });
  await ask(1);
  await rig.advance(7_500);
  expect(tries).toBe(1);
  await rig.advance(1_000);
  expect(tries).toBe(2);
});

test("what the collector will not have is not sent again, counted, and told once", async () => {
  traced(({ peer }) => peer.send(reply(400, "no")));
  await ask(2);
  await rig.advance(2_000);
  await ask(1);
  await rig.advance(2_000);
  expect(collector.requests.length).toBe(2);
  expect([count("sent"), count("failed")]).toEqual([0, 3]);
  expect(kinds()).toEqual(["collector-away"]);
  collector.answer = taken;
  await ask(1);
  await rig.advance(2_000);
  expect(kinds()).toEqual(["collector-away", "collector-back"]);
});

test("spans that OTLP rejects in part are counted", async () => {
  traced(({ peer }) => peer.send(reply(200, '{"partialSuccess":{"rejectedSpans":"2"}}')));
  await ask(5);
  await rig.advance(2_000);
  expect([count("sent"), count("failed")]).toEqual([3, 2]);
});

test("a collector that is away costs spans and no request; what waits is bounded", async () => {
  rig = new Rig({ tracing: { url: "http://10.0.3.9:4318/v1/traces" } });
  rig.upstream();
  await ask(3_000);
  expect(count("dropped")).toBeGreaterThanOrEqual(3_000 - 2_048 - 512);
  expect(count("dropped")).toBeLessThan(3_000);
  await rig.advance(120_000);
  expect(count("failed") + count("dropped")).toBe(3_000);
  expect(kinds()).toEqual(["collector-away"]);
});

test("a collector that does not answer is given up after its time, and after its attempts", async () => {
  traced(() => {});
  await ask(1);
  await rig.advance(60_000);
  expect(collector.requests.length).toBe(4);
  expect(count("failed")).toBe(1);
});

test("a name is asked of DNS, for each request", async () => {
  rig = new Rig(null);
  rig.world.net.setName("collector.test", { addresses: ["10.0.3.1"], ttlMs: 1_000 });
  rig.apply({ tracing: { url: "http://collector.test:4318/v1/traces", exporter: "otlp" } });
  rig.upstream();
  listen(taken);
  await ask(1);
  await rig.advance(1_500);
  expect(collector.requests[0]!.headers.get("host")).toBe("collector.test:4318");
  expect(count("sent")).toBe(1);
});

test("a drain sends what waits; what is added after its end is dropped", async () => {
  traced(taken);
  await ask(600);
  const drained = rig.proxy.drain();
  await rig.advance(2_000);
  await drained;
  expect(collector.requests.map(spansIn).reduce((sum, n) => sum + n)).toBe(600);
  expect(count("sent")).toBe(600);
});

test("a drain does not wait for a collector that is away", async () => {
  rig = new Rig({ tracing: { url: "http://10.0.3.9:4318/v1/traces" } });
  rig.upstream();
  await ask(1);
  const begun = rig.world.clock.now();
  let endedMs = 0;
  void rig.proxy.drain().then(() => {
    endedMs = rig.world.clock.now() - begun;
  });
  await rig.advance(30_000);
  expect(endedMs).toBeGreaterThan(0);
  expect(endedMs).toBeLessThan(5_000);
  expect(count("failed") + count("dropped")).toBe(1);
});

test("a new Snapshot sends elsewhere from the next batch on", async () => {
  traced(taken);
  await ask(1);
  rig.apply({ tracing: { url: "http://10.0.3.2:9411/api/v2/spans" } });
  const other = new SimUpstream(rig.world.at("10.0.3.2"), "10.0.3.2", 9411, taken);
  rig.upstreams.push(other);
  await ask(1);
  await rig.advance(2_000);
  expect([collector.requests.length, other.requests.length]).toEqual([0, 1]);
  expect((JSON.parse(other.requests[0]!.body) as unknown[]).length).toBe(2);
});
