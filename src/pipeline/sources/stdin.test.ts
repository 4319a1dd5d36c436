import { expect, test } from "bun:test";
import {
  STDOUT,
  expectBalanced,
  messages,
  policyOf,
  startPipeline,
  worldWithLogs,
} from "../testdata/harness.ts";

const policy = (config = {}) => policyOf({ sources: { in: { component: "stdin", config } } });

test("lines split at every byte, the last one without a newline", async () => {
  const input = "one\r\ntwo é\n\nthree\n四";
  const bytes = Buffer.from(input);
  for (let at = 0; at <= bytes.length; at++) {
    const world = worldWithLogs(1);
    const runner = startPipeline(world, policy());
    world.stdio.stdin.feedBytes(bytes.subarray(0, at));
    world.stdio.stdin.feedBytes(bytes.subarray(at));
    world.stdio.stdin.end();
    await world.clock.advance(100);
    const found = ["one", "two é", "three", "四"];
    expect({ at, found: messages(world) }).toEqual({ at, found });
    expectBalanced(runner);
  }
});

test("a long line is split, or its rest is passed over", async () => {
  for (const [longLines, expected] of [
    ["split", ["x".repeat(64), "x".repeat(36), "next"]],
    ["cut", ["x".repeat(64), "next"]],
  ] as const) {
    const world = worldWithLogs(1);
    startPipeline(world, policy({ maxLineBytes: "64B", longLines }));
    world.stdio.stdin.feed("x".repeat(70));
    await world.clock.advance(10);
    world.stdio.stdin.feed(`${"x".repeat(30)}\nnext\n`);
    await world.clock.advance(10);
    expect(messages(world)).toEqual([...expected]);
  }
});

test("the writer waits while a sink pushes back", async () => {
  const world = worldWithLogs(1);
  world.stdio.stdout.isBlocked = true;
  const buffer = { maxEvents: 2, maxBytes: 1000 };
  const runner = startPipeline(world, {
    ...policy(),
    sinks: { out: { ...STDOUT, buffer } },
  });
  for (let i = 0; i < 10; i++) world.stdio.stdin.feed(`${i}\n`);
  await world.clock.advance(10);
  expect(runner.ledger().sources["in"]!.received).toBe(2);
  world.stdio.stdout.isBlocked = false;
  await world.clock.advance(100);
  expect(messages(world)).toEqual(Array.from({ length: 10 }, (_, i) => String(i)));
  expectBalanced(runner);
});
