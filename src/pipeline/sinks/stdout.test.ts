import { expect, test } from "bun:test";
import {
  append,
  expectBalanced,
  messages,
  mortal,
  policyOf,
  startPipeline,
  worldWithLogs,
} from "../testdata/harness.ts";

const LOG = "/logs/app.log";

test("S2-17 one event is one line, whatever it holds", async () => {
  const world = worldWithLogs(1);
  append(world, LOG, '{"message":"two\\nlines","quote":"\\"","é":"\\u2028"}\n');
  startPipeline(world, policyOf({ steps: [{ component: "parse", config: { json: {} } }] }));
  await world.clock.advance(3000);
  const [line, rest] = world.stdio.text().split("\n");
  expect(JSON.parse(line!)).toEqual({ message: "two\nlines", quote: '"', é: "\u2028" });
  expect(rest).toBe("");
});

test("a reader that has gone: said once, not acknowledged, written later", async () => {
  const world = worldWithLogs(1);
  const said: string[] = [];
  const life = mortal(world);
  world.stdio.stdout.isClosed = true;
  append(world, LOG, "one\n");
  const options = { report: (line: string) => said.push(line) };
  const runner = startPipeline(life.world, policyOf(), options);
  await world.clock.advance(10_000);
  expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 0, buffered: 1 });
  expect(said.filter((line) => line.includes("standard output takes nothing")).length).toBe(1);
  expectBalanced(runner);
  world.stdio.stdout.isClosed = false;
  await world.clock.advance(3000);
  expect(messages(world)).toEqual(["one"]);
  expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 1, buffered: 0 });
});
