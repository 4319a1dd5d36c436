import { expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import type { HttpAnswer, HttpPost } from "../component.ts";
import type { PipelineRunner } from "../runner.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import { HttpClient } from "../../http/client.ts";
import { append, expectBalanced, policyOf, startPipeline, worldWithLogs } from "../testdata/harness.ts";

const LOG = "/logs/app.log";
const URL = "http://hook:9000/in";

interface Seen {
  readonly atMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

function start(
  config: Readonly<Record<string, unknown>>,
  reply: (request: number, body: string) => Partial<HttpAnswer>,
): { world: SimulatedWorld; runner: PipelineRunner; seen: Seen[]; said: string[] } {
  const world = worldWithLogs(1);
  const seen: Seen[] = [];
  const said: string[] = [];
  const post: HttpPost = async (_url, headers, body) => {
    seen.push({ atMs: world.clock.now(), headers, body });
    await world.clock.sleep(5);
    const text = headers["content-encoding"] === "gzip" ? gunzipSync(body) : Buffer.from(body);
    return { status: 200, headers: {}, body: "", ...reply(seen.length, text.toString()) };
  };
  world.files.makeFolder("/secrets");
  world.files.write("/secrets/token", "Bearer s3cret\n");
  const sink = { component: "http", config: { url: URL, ...config } as never };
  const report = (line: string): number => said.push(line);
  const runner = startPipeline(world, policyOf({ sinks: { hook: sink } }), { post, report });
  return { world, runner, seen, said };
}

test("S2-17 a 400 is never tried again: the events go to the dead letters with the answer", async () => {
  const { world, runner, seen } = start({}, () => ({ status: 400, body: "no such field" }));
  append(world, LOG, "one\ntwo\n");
  await world.clock.advance(600_000);
  expect(seen.length).toBe(1);
  expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 0, deadLettered: 2 });
  const letters = world.files.readText("/state/pipelines/test/dead-letters.jsonl");
  expect(letters).toContain("status 400: no such field");
  expectBalanced(runner);
});

test("429, 5xx and 401 are tried again until they pass, and nothing is lost", async () => {
  for (const status of [401, 408, 429, 500, 503]) {
    const { world, runner } = start({}, (request) => ({ status: request <= 4 ? status : 204 }));
    append(world, LOG, "one\ntwo\n");
    await world.clock.advance(120_000);
    expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 2, deadLettered: 0 });
    expectBalanced(runner);
  }
});

test("Retry-After holds the next request back, in seconds or as a date", async () => {
  for (const written of ["20", "date"]) {
    const { world, seen } = start({}, (request) => {
      const at = new Date(world.clock.wallMs() + 20_000).toUTCString();
      const headers = { "retry-after": written === "date" ? at : written };
      return request === 1 ? { status: 503, headers } : {};
    });
    append(world, LOG, "one\n");
    await world.clock.advance(60_000);
    expect(seen.length).toBe(2);
    expect(seen[1]!.atMs - seen[0]!.atMs).toBeGreaterThan(18_900);
  }
});

test("a secret header comes from its file, is read again, and is in no report", async () => {
  const headers = { Authorization: { file: "/secrets/token" }, "x-team": "shop" };
  const { world, seen, said } = start({ headers }, (request) => ({
    status: request === 1 ? 401 : 200,
  }));
  append(world, LOG, "one\n");
  await world.clock.until(() => seen.length === 1, 10_000);
  world.files.write("/secrets/token", "Bearer new\n");
  await world.clock.advance(10_000);
  expect(seen.map(({ headers }) => headers["authorization"])).toEqual(["Bearer s3cret", "Bearer new"]);
  expect(seen[0]!.headers["x-team"]).toBe("shop");
  expect(said.join("\n")).not.toContain("s3cret");
});

test("a body is packed where asked, and one event a request where asked", async () => {
  const packed = start({ compress: "gzip" }, (_, body) => ({ status: body === "" ? 500 : 200 }));
  append(packed.world, LOG, "one\ntwo\n");
  await packed.world.clock.advance(5000);
  expect(gunzipSync(packed.seen[0]!.body).toString()).toBe('[{"message":"one"},{"message":"two"}]');
  const single = start({ body: "single" }, () => ({}));
  append(single.world, LOG, "one\ntwo\n");
  await single.world.clock.advance(5000);
  const bodies = single.seen.map(({ body }) => Buffer.from(body).toString());
  expect(bodies).toEqual(['{"message":"one"}', '{"message":"two"}']);
});

test("sink 401 with acknowledgements on: senders are told, nothing is lost, and it ends by itself", async () => {
  let isLockedOut = true;
  const world = worldWithLogs(1);
  const got: string[] = [];
  const post: HttpPost = async (_url, _headers, body) => {
    await world.clock.sleep(5);
    if (isLockedOut) return { status: 401, headers: {}, body: "who are you?" };
    got.push(...Buffer.from(body).toString().trim().split("\n"));
    return { status: 200, headers: {}, body: "" };
  };
  const source = {
    component: "http",
    config: {
      listen: "http://127.0.0.1:8080",
      acknowledge: "delivered",
      deliveryTimeout: "2s",
    },
  } as const;
  const backoff = { base: "100ms", max: "1s" };
  const config = { url: URL, body: "lines", batch: { maxAge: "10ms" }, backoff };
  const sinks = { hook: { component: "http", config } };
  const runner = startPipeline(world, policyOf({ sources: { in: source }, sinks }), { post });
  await world.clock.advance(10);
  const client = new HttpClient(world);
  const send = async (line: string): Promise<number> => {
    let status = 0;
    const address = { host: "127.0.0.1", port: 8080 };
    const headers = { "content-type": "text/plain" };
    const request = { method: "POST", path: "/", address, headers, body: line, timeoutMs: 10_000 };
    void client.request(request).then((answer) => (status = answer.status));
    expect(await world.clock.until(() => status !== 0, 20_000)).toBe(true);
    return status;
  };
  expect(await send("one\n")).toBe(503);
  expect(runner.ledger().sources["in"]).toMatchObject({ delivered: 0, buffered: 1 });
  expectBalanced(runner);
  isLockedOut = false;
  await world.clock.advance(5000);
  expect(await send("two\n")).toBe(200);
  expect(got).toEqual(['{"message":"one"}', '{"message":"two"}']);
  expect(runner.ledger().sources["in"]).toMatchObject({ delivered: 2, deadLettered: 0 });
  expectBalanced(runner);
});

test("order kept: whatever fails, is divided or comes late, no event overtakes another", async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const world = worldWithLogs(seed);
    const { random } = world;
    const got: number[] = [];
    let open = 0;
    const post: HttpPost = async (_url, _headers, body) => {
      open += 1;
      expect(open).toBe(1);
      await world.clock.sleep(random.next() * 50);
      open -= 1;
      const events = JSON.parse(Buffer.from(body).toString()) as { message: string }[];
      const chance = random.next();
      if (chance < 0.3) return { status: 503, headers: {}, body: "" };
      if (events.length > 5 && chance < 0.6) return { status: 413, headers: {}, body: "" };
      got.push(...events.map(({ message }) => Number(message)));
      return { status: 200, headers: {}, body: "" };
    };
    const backoff = { base: "10ms", max: "100ms" };
    const batch = { maxEvents: 20, maxAge: "10ms" };
    const config = { url: URL, order: "kept", maxInFlight: 8, batch, backoff };
    const sinks = { hook: { component: "http", config } };
    const runner = startPipeline(world, policyOf({ sinks }), { post });
    for (let n = 0; n < 300; n += 30) {
      append(world, LOG, Array.from({ length: 30 }, (_, i) => `${n + i}\n`).join(""));
      await world.clock.advance(random.next() * 200);
    }
    await world.clock.advance(60_000);
    expect([seed, got]).toEqual([seed, Array.from({ length: 300 }, (_, n) => n)]);
    expectBalanced(runner);
  }
});
