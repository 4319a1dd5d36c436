import { describe, expect, test } from "bun:test";
import { ROUGH } from "../../base/simulated/faults.ts";
import type { LinkFaults } from "../../base/simulated/faults.ts";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import { createPost } from "../../http/post.ts";
import { HttpServer } from "../../http/server.ts";
import type { PipelineRunner } from "../runner.ts";
import { FakeElasticsearch } from "../testdata/fake_elasticsearch.ts";
import {
  append,
  expectBalanced,
  policyOf,
  startPipeline,
  stopPipeline,
  worldWithLogs,
} from "../testdata/harness.ts";
import { Lives } from "../testdata/lives.ts";

const LOG = "/logs/app.log";
const LETTERS = "/state/pipelines/test/dead-letters.jsonl";

interface Parts {
  readonly world: SimulatedWorld;
  readonly server: FakeElasticsearch;
  readonly runner: PipelineRunner;
  readonly said: string[];
}

function search(config: Readonly<Record<string, unknown>> = {}) {
  const whole = { url: "http://search:9200", index: "logs", ...config };
  return policyOf({ sinks: { search: { component: "elasticsearch", config: whole } } });
}

function start(config: Readonly<Record<string, unknown>> = {}, seed = 1): Parts {
  const world = worldWithLogs(seed);
  const server = new FakeElasticsearch(world);
  const said: string[] = [];
  const report = (line: string): number => said.push(line);
  const runner = startPipeline(world, search(config), { post: server.post, report });
  return { world, server, runner, said };
}

function lines(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `line ${from + i}`);
}

describe("delivery", () => {
  test("S2-17 documents arrive in batches by count, and after a while what is left", async () => {
    const { world, server, runner } = start({ batch: { maxEvents: 10, maxAge: "2s" } });
    append(world, LOG, `${lines(25).join("\n")}\n`);
    await world.clock.advance(1500);
    expect(server.documents.size).toBe(20);
    await world.clock.advance(1500);
    expect(server.messages.sort()).toEqual(lines(25).sort());
    expect(server.requests).toBe(3);
    expectBalanced(runner);
  });

  test("the index is named by the event's fields and day", async () => {
    const world = worldWithLogs(1);
    const server = new FakeElasticsearch(world);
    const sink = {
      component: "elasticsearch",
      config: { url: "http://search:9200/", index: "logs-{{app}}-{{day}}" },
    };
    const steps = [{ component: "parse", config: { json: {} } }];
    startPipeline(world, policyOf({ steps, sinks: { search: sink } }), { post: server.post });
    append(world, LOG, '{"app":"Shop/API","time":"2025-03-01 10:00:00","message":"a"}\n');
    append(world, LOG, '{"message":"b"}\n');
    await world.clock.advance(5000);
    expect(Object.fromEntries(server.indices)).toEqual({
      "logs-shop-api-2025.03.01": 1,
      "logs-none-2026.01.01": 1,
    });
  });

  test("no more requests at once than maxInFlight", async () => {
    const { world, server } = start({ batch: { maxEvents: 10 }, maxInFlight: 3 });
    server.latencyMs = 50;
    append(world, LOG, `${lines(1000).join("\n")}\n`);
    await world.clock.advance(10_000);
    expect(server.documents.size).toBe(1000);
    expect(server.mostOpen).toBe(3);
  });
});

describe("the server fails", () => {
  test("down, then up: every document once, said once, with growing waits", async () => {
    const { world, server, runner, said } = start({ batch: { maxEvents: 10 } });
    server.whole = () => "none";
    append(world, LOG, `${lines(30).join("\n")}\n`);
    await world.clock.advance(60_000);
    expect(server.documents.size).toBe(0);
    expect(runner.ledger().sources["app"]!.buffered).toBe(30);
    expectBalanced(runner);
    expect(server.requests).toBeLessThan(40);
    server.whole = () => null;
    await world.clock.advance(60_000);
    expect(server.messages.sort()).toEqual(lines(30).sort());
    expect(said.filter((line) => line.includes("tried again until it works")).length).toBe(1);
    expect(said.at(-1)).toContain("takes events again");
    expectBalanced(runner);
  });

  test("401, 404 and 503 of a whole request lose nothing", async () => {
    for (const status of [401, 404, 429, 503]) {
      const { world, server, runner } = start();
      server.whole = (request) => (request <= 5 ? status : null);
      append(world, LOG, `${lines(20).join("\n")}\n`);
      await world.clock.advance(120_000);
      expect(server.documents.size).toBe(20);
      expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 20, deadLettered: 0 });
    }
  });

  test("an answer that never comes: sent again, and stored once", async () => {
    const { world, server, runner } = start({ timeout: "1s" });
    server.whole = (request) => (request === 1 ? "late" : null);
    append(world, LOG, `${lines(20).join("\n")}\n`);
    await world.clock.advance(120_000);
    expect(server.requests).toBe(2);
    expect(server.documents.size).toBe(20);
    expect(runner.metrics()).toContain('counter="duplicates"} 20');
    expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 20, buffered: 0 });
  });

  test("created documents are never sent twice: only what was refused goes again", async () => {
    const { world, server, runner } = start({ batch: { maxEvents: 100 } });
    const sent = new Map<string, number>();
    server.item = ({ document }, request) => {
      const { message } = JSON.parse(document) as { message: string };
      sent.set(message, (sent.get(message) ?? 0) + 1);
      return request < 4 && message.endsWith("7") ? 429 : 201;
    };
    append(world, LOG, `${lines(100).join("\n")}\n`);
    await world.clock.advance(60_000);
    const again = [...sent].filter(([, times]) => times > 1).map(([message]) => message);
    expect(again.sort()).toEqual(lines(100).filter((line) => line.endsWith("7")).sort());
    expect(server.documents.size).toBe(100);
    expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 100, buffered: 0 });
  });

  test("429 and 5xx of some documents: those alone are sent again", async () => {
    const { world, server, runner } = start();
    const tries = new Map<string, number>();
    server.item = ({ id, document }) => {
      const n = (tries.get(id!) ?? 0) + 1;
      tries.set(id!, n);
      const number = Number(/\d+"}$/.exec(document)?.[0].slice(0, -2));
      if (number % 5 === 0 && n < 4) return number % 2 === 0 ? 429 : 503;
      return 201;
    };
    append(world, LOG, `${lines(20).join("\n")}\n`);
    await world.clock.advance(120_000);
    expect(server.documents.size).toBe(20);
    expect(server.seen).toBe(20 + 4 * 3);
    expectBalanced(runner);
  });

  test("all documents 503 for long: nothing is given up", async () => {
    const { world, server, runner } = start({ itemAttempts: 3 });
    server.item = () => 503;
    append(world, LOG, `${lines(5).join("\n")}\n`);
    await world.clock.advance(600_000);
    expect(runner.ledger().sources["app"]).toMatchObject({ buffered: 5, deadLettered: 0 });
    server.item = () => 201;
    await world.clock.advance(60_000);
    expect(server.documents.size).toBe(5);
  });
});

describe("documents that are refused", () => {
  test("a mapping error goes to the dead letters, and is never sent again", async () => {
    const { world, server, runner } = start();
    server.item = ({ document }) => (document.includes("line 3") ? 400 : 201);
    append(world, LOG, `${lines(10).join("\n")}\n`);
    await world.clock.advance(30_000);
    expect(server.seen).toBe(10);
    expect(runner.ledger().sources["app"]).toEqual({
      received: 10,
      made: 0,
      recovered: 0,
      delivered: 9,
      dropped: {},
      buffered: 0,
      deadLettered: 1,
      replaced: 0,
    });
    const letter = JSON.parse(world.files.readText(LETTERS)) as Record<string, unknown>;
    expect(letter).toMatchObject({
      where: "search",
      reason: "mapper_parsing_exception: failed to parse field [n]",
      source: "app",
      offset: 21,
      event: { message: "line 3" },
    });
    expect(world.files.stat(LETTERS)!.mode & 0o777).toBe(0o600);
    expectBalanced(runner);
    await stopPipeline(world, runner);
    expect(world.leaks()).toEqual([]);
  });

  test("a document that alone gets 500 is given up; the others pass", async () => {
    const { world, server, runner } = start({ itemAttempts: 3 });
    server.item = ({ document }) => (document.includes('"poison"') ? 500 : 201);
    append(world, LOG, "poison\n");
    for (let i = 0; i < 100; i++) {
      append(world, LOG, `line ${i}\n`);
      await world.clock.advance(2000);
    }
    expect(server.documents.size).toBe(100);
    expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 100, deadLettered: 1 });
  });

  test("a request that is too large is divided until the culprit is found", async () => {
    const { world, server, runner } = start();
    server.whole = (_, documents) => (documents > 4 ? 413 : null);
    append(world, LOG, `${lines(50).join("\n")}\n`);
    await world.clock.advance(30_000);
    expect(server.documents.size).toBe(50);
    server.whole = () => 413;
    append(world, LOG, "one\ntwo\n");
    await world.clock.advance(30_000);
    expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 50, deadLettered: 2 });
    expectBalanced(runner);
  });
});

test("S2-17 killed at any moment with a failing server: every line once in the index", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = worldWithLogs(seed);
    const { random } = world;
    const lives = new Lives(world, search({ batch: { maxEvents: 7, maxAge: "300ms" } }));
    lives.fail();
    let written = 0;
    for (let step = 0; step < 60; step++) {
      const count = Math.floor(random.next() * 20);
      append(world, LOG, lines(count, written).map((line) => `${line}\n`).join(""));
      written += count;
      await world.clock.advance(random.next() * 800);
      expectBalanced(lives.runner);
      if (random.next() <= 0.15) lives.next();
    }
    await lives.recover();
    const found = lives.server.messages.sort();
    expect({ seed, found }).toEqual({ seed, found: lines(written).sort() });
  }
});

test("S2-17 over HTTP, with resets and refusals: every line once in the index", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const faults: LinkFaults = { ...ROUGH, reset: 0.05, connectRefused: 0.1 };
    const world = createSimulatedWorld({ seed, faults });
    world.files.makeFolder("/logs");
    const index = new FakeElasticsearch(world);
    const server = new HttpServer(world, {
      address: { host: "127.0.0.1", port: 9200 },
      handle: async ({ path, headers, body }) => {
        const type = headers.get("content-type") ?? "";
        return index.post(`http://127.0.0.1:9200${path}`, { "content-type": type }, body);
      },
    });
    server.start();
    const config = { url: "http://127.0.0.1:9200", batch: { maxEvents: 10 }, timeout: "2s" };
    const policy = policyOf({ sinks: { search: { component: "elasticsearch", config } } });
    const runner = startPipeline(world, policy, { post: createPost(world) });
    for (let i = 0; i < 20; i++) {
      append(world, LOG, `${lines(20, i * 20).join("\n")}\n`);
      await world.clock.advance(500);
      expectBalanced(runner);
    }
    const done = (): boolean => runner.ledger().sources["app"]!.delivered === 400;
    expect(await world.clock.until(done, 600_000)).toBe(true);
    expect(index.messages.sort()).toEqual(lines(400).sort());
    expect(runner.metrics()).toContain('counter="failed_requests"');
    await stopPipeline(world, runner);
    server.stop();
  }
});
