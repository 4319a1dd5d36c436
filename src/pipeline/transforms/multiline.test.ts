import { describe, expect, test } from "bun:test";
import { parse } from "../../schema/field.ts";
import { nodeOf } from "../../schema/node.ts";
import { expectBalanced, stopPipeline } from "../testdata/harness.ts";
import { runSteps } from "../testdata/run_step.ts";
import { multiline } from "./multiline.ts";

async function joined(config: object, lines: readonly string[]): Promise<unknown[]> {
  const run = runSteps([{ multiline: config }]);
  await run.feed(...lines);
  await run.world.clock.advance(2000);
  expectBalanced(run.runner);
  return run.out().map(({ message }) => message);
}

const TRACES: Record<string, readonly (readonly string[])[]> = {
  java: [
    ["INFO started"],
    [
      'Exception in thread "main" java.lang.RuntimeException: no stock',
      "\tat shop.Stock.take(Stock.java:40)",
      "\tat shop.Main.main(Main.java:9)",
      "\tSuppressed: java.io.IOException: close",
      "\t\tat shop.Stock.close(Stock.java:51)",
      "Caused by: java.sql.SQLException: gone",
      "\tat shop.Db.query(Db.java:3)",
      "\t... 2 more",
    ],
    ["ERROR in a logger", "org.shop.OrderException: late", "\tat shop.A.b(Unknown Source)"],
    ["INFO java.lang is fine"],
  ],
  python: [
    ["INFO started"],
    [
      "ERROR:root:payment failed",
      "Traceback (most recent call last):",
      '  File "/app/pay.py", line 3, in pay',
      "    send(order)",
      "    ~~~~^^^^^^^",
      "ConnectionError: refused",
      "During handling of the above exception, another exception occurred:",
      "Traceback (most recent call last):",
      '  File "/app/pay.py", line 9, in <module>',
      "ValueError: no order",
    ],
    ["INFO next"],
    ["WARNING last"],
  ],
  go: [
    ["2026/11/21 09:15:18 started"],
    [
      "panic: runtime error: index out of range [3] with length 3",
      "goroutine 1 [running]:",
      "main.(*Shop).pay(0xc000012345, {0x1, 0x2})",
      "\t/app/main.go:8 +0x1d",
      "created by main.main in goroutine 1",
      "\t/app/main.go:3 +0x25",
      "exit status 2",
    ],
    ["2026/11/21 09:15:19 started"],
  ],
  node: [
    ["listening on 3000"],
    [
      "Error: connect ECONNREFUSED 127.0.0.1:80",
      "    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)",
      "    at async pay (/app/pay.js:3:5) {",
      "  errno: -111,",
      "  code: 'ECONNREFUSED',",
      "  [cause]: Error: x",
      "      at y (/app/y.js:1:1)",
      "}",
    ],
    ["GET / 200"],
  ],
};

describe("stack traces", () => {
  for (const [preset, events] of Object.entries(TRACES)) {
    test(preset, async () => {
      expect(await joined({ preset }, events.flat())).toEqual(events.map((one) => one.join("\n")));
    });
  }
});

describe("what belongs together", () => {
  test("by a pattern of the first line, or of those that follow", async () => {
    const lines = ["> a", "b", "> c", "> d", "e"];
    expect(await joined({ start: "^> " }, lines)).toEqual(["> a\nb", "> c", "> d\ne"]);
    expect(await joined({ continue: "^[a-z]" }, lines)).toEqual(["> a\nb", "> c", "> d\ne"]);
    expect(await joined({ continue: "^[a-z]" }, ["b", "> c"])).toEqual(["b", "> c"]);
  });

  test("standard output and standard error of one container are never joined", async () => {
    const run = runSteps([{ parse: { json: {} } }, { multiline: { continue: "^ " } }]);
    const line = (stream: string, message: string): string => JSON.stringify({ stream, message });
    await run.feed(line("out", "a"), line("err", "x"), line("out", " b"), line("err", " y"));
    await run.world.clock.advance(2000);
    expect(run.out()).toEqual([
      { stream: "out", message: "a\n b" },
      { stream: "err", message: "x\n y" },
    ]);
  });

  test("an event waits no longer than maxWait for its next line", async () => {
    const run = runSteps([{ multiline: { continue: "^ ", maxWait: "100ms" } }]);
    await run.feed("a", " b");
    expect(run.out()).toEqual([]);
    await run.world.clock.advance(90);
    await run.feed(" c");
    await run.world.clock.advance(90);
    expect(run.out()).toEqual([]);
    await run.world.clock.advance(20);
    expect(run.out()).toEqual([{ message: "a\n b\n c" }]);
    await run.feed(" d");
    await run.world.clock.advance(200);
    expect(run.out()).toEqual([{ message: " d" }]);
    expect(run.runner.ledger().sources["in"]).toMatchObject({ received: 4, replaced: 3, made: 1 });
  });

  test("lines, bytes and streams are bounded", async () => {
    expect(await joined({ continue: "^ ", maxLines: 2 }, ["a", " b", " c", "d"])).toEqual([
      "a\n b",
      " c",
      "d",
    ]);
    const long = ` ${"x".repeat(600)}`;
    expect(await joined({ continue: "^ ", maxBytes: "1KiB" }, ["a", long, long])).toEqual([
      `a\n${long}`,
      long,
    ]);
    const run = runSteps([
      { parse: { json: {} } },
      { multiline: { continue: "^ ", maxStreams: 2 } },
    ]);
    await run.feed(...["1", "2", "3"].map((stream) => JSON.stringify({ stream, message: stream })));
    expect(run.out()).toEqual([{ stream: "1", message: "1" }]);
  });

  test("what is held leaves when the pipeline stops", async () => {
    const run = runSteps([{ multiline: { continue: "^ ", maxWait: "1m" } }]);
    await run.feed("a", " b");
    await stopPipeline(run.world, run.runner);
    expect(run.out()).toEqual([{ message: "a\n b" }]);
    expectBalanced(run.runner);
    expect(run.world.clock.pendingTimers).toBe(0);
  });

  test("a line that invites searching without end is searched once", async () => {
    const lines = ["panic: x", `f${"(".repeat(60_000)}x`];
    expect((await joined({ preset: "go", maxBytes: "1MiB" }, lines)).length).toBe(2);
  });

  test("exactly one way is given", () => {
    for (const config of [{}, { start: "a", preset: "go" }]) {
      expect(parse(multiline.config, nodeOf(config)).problems[0]!.message).toContain(
        "expected start",
      );
    }
  });
});
