import { expect, test } from "bun:test";
import { FakeElasticsearch } from "./testdata/fake_elasticsearch.ts";
import {
  append,
  expectBalanced,
  mortal,
  policyOf,
  startPipeline,
  worldWithLogs,
} from "./testdata/harness.ts";

const LOG = "/logs/app.log";
const LETTERS = "/state/pipelines/test/dead-letters.jsonl";

function refusing(world: ReturnType<typeof worldWithLogs>): FakeElasticsearch {
  const server = new FakeElasticsearch(world);
  server.item = () => 400;
  return server;
}

const SEARCH = { url: "http://search:9200", index: "logs" };
const POLICY = policyOf({ sinks: { search: { component: "elasticsearch", config: SEARCH } } });

test("a full disk: not acknowledged, said once, kept when there is room again", async () => {
  const world = worldWithLogs(1);
  const server = refusing(world);
  const said: string[] = [];
  const report = (line: string): number => said.push(line);
  const life = mortal(world);
  const runner = startPipeline(life.world, POLICY, { post: server.post, report });
  await world.clock.advance(2000);
  append(world, LOG, "one\ntwo\n");
  world.files.freeBytes = 40;
  await world.clock.advance(10_000);
  expect(runner.ledger().sources["app"]).toMatchObject({ buffered: 2, deadLettered: 0 });
  expectBalanced(runner);
  expect(said.filter((line) => line.includes("dead letters")).length).toBe(1);
  expect(world.files.stat(LETTERS)!.sizeBytes).toBe(0);
  world.files.freeBytes = Infinity;
  await world.clock.advance(3000);
  expect(world.files.readText(LETTERS).trim().split("\n").length).toBe(2);
  expect(runner.ledger().sources["app"]).toMatchObject({ buffered: 0, deadLettered: 2 });
  expect(said.at(-1)).toContain("written again");
  expectBalanced(runner);
});

test("killed while the disk was full: the events come again", async () => {
  const world = worldWithLogs(1);
  const server = refusing(world);
  const life = mortal(world);
  append(world, LOG, "one\n");
  startPipeline(life.world, POLICY, { post: server.post });
  world.files.freeBytes = 0;
  await world.clock.advance(10_000);
  life.kill();
  world.files.freeBytes = Infinity;
  const runner = startPipeline(world, POLICY, { post: server.post });
  await world.clock.advance(10_000);
  expect(runner.ledger().sources["app"]).toMatchObject({ received: 1, deadLettered: 1 });
  expect(world.files.readText(LETTERS)).toContain('"event":{"message":"one"}');
});

test("the file never grows above its bound; what does not fit is counted as dropped", async () => {
  const world = worldWithLogs(1);
  const server = refusing(world);
  const options = { post: server.post, maxDeadLetterBytes: 1000 };
  const runner = startPipeline(world, POLICY, options);
  append(world, LOG, `${"line\n".repeat(50)}`);
  await world.clock.advance(10_000);
  const { sizeBytes } = world.files.stat(LETTERS)!;
  expect(sizeBytes).toBeLessThanOrEqual(1000);
  const kept = world.files.readText(LETTERS).trim().split("\n").length;
  const line = runner.ledger().sources["app"]!;
  expect(line.deadLettered).toBe(kept);
  expect(line.dropped).toEqual({ "dead-letters-full": 50 - kept });
  expectBalanced(runner);
});
