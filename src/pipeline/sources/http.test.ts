import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import { HttpClient } from "../../http/client.ts";
import {
  STDOUT,
  expectBalanced,
  messages,
  policyOf,
  startPipeline,
  stopPipeline,
} from "../testdata/harness.ts";

const ADDRESS = { host: "127.0.0.1", port: 8080 };

const policy = (config = {}) =>
  policyOf({
    sources: { in: { component: "http", config: { listen: "http://127.0.0.1:8080", ...config } } },
  });

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

interface Answered {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  readonly json: Record<string, unknown>;
}

function begin(world: SimulatedWorld, asked: Asked): { answered: Answered | null } {
  const { method = "POST", path = "/", headers = {}, body = "" } = asked;
  const state: { answered: Answered | null } = { answered: null };
  const bytes = Buffer.from(body);
  void new HttpClient(world)
    .request({ method, address: ADDRESS, path, headers, body: bytes, timeoutMs: 60_000 })
    .then((answer) => {
      const text = Buffer.from(answer.body).toString();
      const json = text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : {};
      state.answered = { status: answer.status, headers: answer.headers, body: text, json };
    });
  return state;
}

async function ask(world: SimulatedWorld, asked: Asked): Promise<Answered> {
  const state = begin(world, asked);
  await world.clock.until(() => state.answered !== null, 60_000);
  if (state.answered === null) throw new Error("no answer");
  return state.answered;
}

const JSON_TYPE = { "content-type": "application/json" };
const fieldsOf = (world: SimulatedWorld): unknown[] =>
  world.stdio.text().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));

describe("bodies", () => {
  test("an object, a list, objects by line, lines", async () => {
    const world = createSimulatedWorld({ seed: 1, faults: { partialRead: 1, windowBytes: 512 } });
    const runner = startPipeline(world, policy());
    const one = await ask(world, { headers: JSON_TYPE, body: '{"a":1}' });
    expect([one.status, one.json]).toEqual([200, { accepted: 1 }]);
    await ask(world, { headers: JSON_TYPE, body: '[{"a":2},{"a":3}]' });
    const ndjson = { "content-type": "application/x-ndjson; charset=utf-8" };
    await ask(world, { headers: ndjson, body: '{"a":4}\n\n{"a":5}' });
    await ask(world, { body: "six\r\nseven", path: "/any/where?x=1" });
    await world.clock.advance(100);
    const plain = ["six", "seven"].map((message) => ({ message }));
    expect(fieldsOf(world)).toEqual([1, 2, 3, 4, 5].map((a) => ({ a }) as object).concat(plain));
    expectBalanced(runner);
    await stopPipeline(world, runner);
    expect(world.leaks()).toEqual([]);
  });

  test("a body that is wrong is refused whole, with its place", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    const runner = startPipeline(world, policy({ maxItems: 3 }));
    const refused = async (body: string, headers = JSON_TYPE): Promise<string> => {
      const { status, json } = await ask(world, { headers, body });
      expect(status).toBe(400);
      return (json["error"] as { reason: string }).reason;
    };
    expect(await refused("{")).toBe("the body is not JSON");
    expect(await refused("7")).toBe("the body is not a JSON object");
    expect(await refused('[{"a":1},7]')).toBe("item 2 of the body is not a JSON object");
    const ndjson = { "content-type": "application/x-ndjson" };
    expect(await refused('{"a":1}\n{', ndjson)).toBe("line 2 is not JSON");
    expect(await refused("[{},{},{},{}]")).toContain("at most 3 events");
    expect(await refused("1\n2\n3\n4\n", { "content-type": "text/plain" })).toContain("at most 3");
    expect(runner.ledger().sources["in"]!.received).toBe(0);
  });

  test("gzip is read within the bound; another encoding is refused", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    startPipeline(world, policy({ maxBodyBytes: "1KiB" }));
    const gzip = { "content-encoding": "gzip" };
    const send = async (body: Uint8Array, headers: Record<string, string> = gzip) =>
      (await ask(world, { headers, body })).status;
    expect(await send(gzipSync("one\ntwo\n"))).toBe(200);
    expect(await send(gzipSync(Buffer.alloc(1_000_000)))).toBe(413);
    expect(await send(Buffer.from("no gzip"))).toBe(400);
    expect(await send(Buffer.from("x"), { "content-encoding": "br" })).toBe(415);
    expect(await send(Buffer.alloc(2000, "x"), {})).toBe(413);
    await world.clock.advance(100);
    expect(messages(world)).toEqual(["one", "two"]);
  });
});

describe("answers", () => {
  test("429 while the pipeline has no room, and nothing of it is taken", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    world.stdio.stdout.isBlocked = true;
    const buffer = { maxEvents: 2, maxBytes: 10_000 };
    const runner = startPipeline(world, { ...policy(), sinks: { out: { ...STDOUT, buffer } } });
    expect((await ask(world, { body: "1\n2\n" })).status).toBe(200);
    const busy = await ask(world, { body: "3\n" });
    expect([busy.status, busy.headers.get("retry-after")]).toEqual([429, "1"]);
    const bulk = await ask(world, { path: "/_bulk", body: '{"index":{}}\n{"a":1}\n' });
    expect([bulk.status, bulk.json["status"]]).toEqual([429, 429]);
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(100);
    expect((await ask(world, { body: "3\n" })).status).toBe(200);
    await world.clock.advance(100);
    expect(messages(world)).toEqual(["1", "2", "3"]);
    expectBalanced(runner);
  });

  test("delivered: the answer waits for the sinks, for a while", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    world.stdio.stdout.isBlocked = true;
    const runner = startPipeline(
      world,
      policy({ acknowledge: "delivered", deliveryTimeout: "10s" }),
    );
    const state = begin(world, { body: "one\n" });
    await world.clock.advance(5000);
    expect(state.answered).toBe(null);
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(100);
    expect(state.answered!.status).toBe(200);
    world.stdio.stdout.isBlocked = true;
    const late = await ask(world, { body: "two\n" });
    expect(late.status).toBe(503);
    expect(late.body).toContain("may come twice");
    world.stdio.stdout.isBlocked = false;
    await stopPipeline(world, runner);
    expect(world.leaks()).toEqual([]);
  });

  test("a token, however it is shown; a page of a browser never", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    world.files.makeFolder("/secrets");
    world.files.write("/secrets/ingest", "s3cret\n");
    startPipeline(world, policy({ tokenFile: "/secrets/ingest" }));
    const status = async (authorization?: string): Promise<number> => {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      return (await ask(world, { headers, body: "x\n" })).status;
    };
    const base64 = (text: string): string => Buffer.from(text).toString("base64");
    expect(await status()).toBe(401);
    expect(await status("Bearer wrong")).toBe(401);
    expect(await status("Bearer s3cret")).toBe(200);
    expect(await status(`ApiKey ${base64("id:s3cret")}`)).toBe(200);
    expect(await status(`Basic ${base64("elastic:s3cret")}`)).toBe(200);
    expect(await status(`Basic ${base64("elastic:s3cre")}`)).toBe(401);
    world.files.write("/secrets/ingest", "other\n");
    await world.clock.advance(10_000);
    expect(await status("Bearer s3cret")).toBe(401);
    world.files.remove("/secrets/ingest");
    await world.clock.advance(10_000);
    expect(await status("Bearer other")).toBe(401);
    const page = { authorization: "Bearer other", origin: "http://evil.example" };
    expect((await ask(world, { headers: page, body: "x\n" })).status).toBe(403);
  });

  test("other methods and paths", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    startPipeline(world, policy());
    expect((await ask(world, { method: "DELETE" })).status).toBe(405);
    expect((await ask(world, { method: "GET", path: "/_search" })).status).toBe(404);
  });
});

describe("the bulk API", () => {
  test("each item has its answer, and what can be taken is", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    const runner = startPipeline(world, policy({ indexField: "index", idField: "id" }));
    const body =
      '{"create":{"_index":"logs","_id":"1"}}\n{"a":1}\n' +
      '{"index":{}}\nbroken\n' +
      '{"delete":{"_id":"1"}}\n' +
      '{"index":{}}\n{"a":2}\n';
    const { status, headers, json } = await ask(world, { path: "/fallback/_bulk", body });
    expect([status, headers.get("x-elastic-product")]).toEqual([200, "Elasticsearch"]);
    const items = json["items"] as Record<string, { status: number; _index: string }>[];
    expect(json["errors"]).toBe(true);
    expect(items.map((item) => Object.values(item)[0]!.status)).toEqual([201, 400, 400, 201]);
    expect(items[3]!["index"]!._index).toBe("fallback");
    await world.clock.advance(100);
    expect(fieldsOf(world)).toEqual([
      { a: 1, index: "logs", id: "1" },
      { a: 2, index: "fallback" },
    ]);
    expectBalanced(runner);
    const brief = await ask(world, {
      path: "/_bulk?filter_path=errors,items.*.error,items.*.status",
      body: '{"create":{}}\n{"a":3}\n',
    });
    expect(brief.json).toEqual({ errors: false, items: [{ create: { status: 201 } }] });
    const wrong = await ask(world, { path: "/_bulk", body: '{"create":{}}\n{"a":3}' });
    expect(wrong.status).toBe(400);
    expect(wrong.body).toContain("terminated by a newline");
  });

  test("what clients ask for before they send", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    startPipeline(world, policy({ elasticsearchVersion: "8.19.1" }));
    const info = await ask(world, { method: "GET" });
    expect(info.headers.get("x-elastic-product")).toBe("Elasticsearch");
    expect(info.json).toMatchObject({
      version: { number: "8.19.1" },
      tagline: "You Know, for Search",
    });
    const license = await ask(world, { method: "GET", path: "/_license?human=false" });
    expect(license.json).toMatchObject({ license: { status: "active", type: "basic" } });
    expect((await ask(world, { method: "HEAD" })).status).toBe(200);
  });
});
