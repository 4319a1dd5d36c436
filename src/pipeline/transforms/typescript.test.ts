import { describe, expect, test } from "bun:test";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { Timer } from "../../base/world.ts";
import {
  expectBalanced,
  policyOf,
  putFiles,
  startPipeline,
  stopPipeline,
} from "../testdata/harness.ts";
import type { StepRun, WrittenStep } from "../testdata/run_step.ts";
import { messagesOf, runSteps } from "../testdata/run_step.ts";

function worldWith(script: string): SimulatedWorld {
  const world = createSimulatedWorld({ seed: 1 });
  putFiles(world, { "steps/own.ts": script });
  return world;
}

function runScript(script: string, step: WrittenStep = {}): StepRun {
  return runSteps([{ typescript: "./steps/own.ts", ...step }], worldWith(script));
}

describe("what the function returns", () => {
  test("an event, another one, several, none", async () => {
    const run = runScript(`export default (event, ctx) => {
      const { message } = event;
      if (message === "null") return null;
      if (message === "empty") return [];
      if (message === "old") return ctx.drop("too-old");
      if (message === "two") return [{ message: "a" }, { message: "b" }];
      if (message === "one") return [{ message: "c" }];
      ctx.count("seen");
      return { ...event, source: ctx.source, at: ctx.receivedMs > 0 };
    };`);
    await run.feed("null", "empty", "old", "two", "one", "rest");
    expect(run.out()).toEqual([
      { message: "a" },
      { message: "b" },
      { message: "c" },
      { message: "rest", source: "in", at: true },
    ]);
    expect(run.dropped()).toEqual({ "returned-null": 1, "returned-none": 1, "too-old": 1 });
    expect(run.runner.metrics()).toMatch(/own_seen[^\n]* 1\n/);
  });

  test("what is no event fails, as what it throws does: onError decides, and nothing stops", async () => {
    const script = `export default (event) => {
      if (event.message === "throw") throw new Error("no price");
      if (event.message === "nothing") return;
      if (event.message === "number") return 3;
      if (event.message === "list") return [{ a: 1 }, 2];
      return event;
    };`;
    const kept = runScript(script);
    await kept.feed("throw", "nothing", "number", "list", "fine");
    expect(kept.out()).toEqual([
      { message: "throw", parse_error: "threw" },
      { message: "nothing", parse_error: "returned-nothing" },
      { message: "number", parse_error: "returned-no-event" },
      { message: "list", parse_error: "returned-no-event" },
      { message: "fine" },
    ]);
    const dropped = runScript(script, { onError: "drop" });
    await dropped.feed("throw", "fine");
    expect(dropped.out()).toEqual([{ message: "fine" }]);
    expect(dropped.dropped()).toEqual({ threw: 1 });
    const refused = runScript(script, { onError: "deadLetter" });
    await refused.feed("throw", "fine");
    await refused.world.clock.advance(1000);
    expect(refused.runner.ledger().sources["in"]).toMatchObject({ deadLettered: 1, delivered: 1 });
  });

  test("reasons and counters are few: they are labels of metrics", async () => {
    const run = runScript(`export default (event, ctx) => {
      ctx.count("C" + event.message);
      return ctx.drop("reason-" + event.message);
    };`);
    await run.feed(...Array.from({ length: 80 }, (_, i) => `n${i}`));
    const reasons = run.dropped();
    expect(Object.keys(reasons).length).toBe(51);
    expect(reasons["dropped-by-function"]).toBe(30);
    expect(run.runner.metrics()).toMatch(/own_other[^\n]* 80\n/);
  });
});

/** A clock for functions that wait, in virtual time. */
function withSleep(world: SimulatedWorld): void {
  (globalThis as { testSleep?: unknown }).testSleep = (ms: number) =>
    new Promise<void>((resolve) => void (world.clock.after(ms, resolve) satisfies Timer));
}

describe("async functions", () => {
  const SLEEPER = `let running = 0;
    export default async (event, ctx) => {
      running += 1;
      const most = running;
      await testSleep(event.ms);
      running -= 1;
      if (event.fail) throw new Error("late");
      if (event.drop) return ctx.drop("asked");
      return { ms: event.ms, most };
    };`;

  function start(options: object = {}): StepRun {
    const world = worldWith(SLEEPER);
    withSleep(world);
    const typescript = { file: "steps/own.ts", ...options };
    return runSteps([{ parse: { json: {} } }, { typescript }], world);
  }

  test("events keep their order, and no more run at once than may", async () => {
    const run = start({ maxConcurrent: 2 });
    await run.feed(...[300, 10, 10, 10].map((ms) => JSON.stringify({ ms })));
    expect(run.out()).toEqual([]);
    await run.world.clock.advance(250);
    expect(run.out()).toEqual([]);
    expectBalanced(run.runner);
    await run.world.clock.advance(500);
    const out = run.out();
    expect(out.map(({ ms }) => ms)).toEqual([300, 10, 10, 10]);
    expect(out.every(({ most }) => (most as number) <= 2)).toBe(true);
    expect(run.dropped()).toEqual({});
  });

  test("a rejection, a drop and a timeout are those of their event", async () => {
    const run = start({ timeout: "1s" });
    await run.feed('{"ms":5000}', '{"ms":5,"fail":true}', '{"ms":5,"drop":true}', '{"ms":5}');
    await run.world.clock.advance(6000);
    expect(run.out().map(({ ms, parse_error: error }) => [ms, error])).toEqual([
      [5000, "timeout"],
      [5, "threw"],
      [5, undefined],
    ]);
    expect(run.dropped()).toEqual({ asked: 1 });
  });

  test("a pipeline that stops waits for what runs", async () => {
    const run = start();
    await run.feed('{"ms":1000}', '{"ms":5}');
    await stopPipeline(run.world, run.runner);
    expect(run.out().map(({ ms }) => ms)).toEqual([1000, 5]);
    expectBalanced(run.runner);
    expect(run.world.clock.pendingTimers).toBe(0);
    expect(run.world.files.watchers).toBe(0);
  });
});

describe("the file", () => {
  test("a change is taken over; one that is wrong leaves the version before at work", async () => {
    const run = runScript("export default () => ({ message: 'first' });");
    await run.feed("x");
    const path = `${run.world.processes.self.folder}/steps/own.ts`;
    run.world.files.write(path, "export default () => ({ message: 'second' });");
    await run.world.clock.advance(6000);
    await run.feed("x");
    run.world.files.write(path, "export default ((;");
    await run.world.clock.advance(6000);
    await run.feed("x");
    run.world.files.write(path, "export const other = 1;");
    await run.world.clock.advance(6000);
    await run.feed("x");
    run.world.files.replace(path, "export default () => ({ message: 'third' });");
    await run.world.clock.advance(6000);
    await run.feed("x");
    expect(messagesOf(run.out())).toEqual(["first", "second", "second", "second", "third"]);
    expect(run.runner.metrics()).toMatch(/load_failures[^\n]* 2\n/);
  });

  test("events wait, in order, for a file that is not there or not right yet", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    putFiles(world, { "steps/other.ts": "" });
    const reports: string[] = [];
    const runner = startPipeline(
      world,
      policyOf({
        sources: { in: { component: "stdin", config: {} } },
        steps: [{ component: "typescript", config: "./steps/own.ts" as never }],
      }),
      { report: (line) => reports.push(line) },
    );
    world.stdio.stdin.feed("a\nb\n");
    await world.clock.advance(100);
    expect(world.stdio.text()).toBe("");
    expect(runner.ledger().sources["in"]).toMatchObject({ received: 2, buffered: 2 });
    expect(reports[0]).toContain("own.ts cannot be loaded");
    expect(reports[0]).toContain("events wait for it");
    putFiles(world, { "steps/own.ts": "export default (e) => ({ m: e.message });" });
    await world.clock.advance(6000);
    world.stdio.stdin.feed("c\n");
    await world.clock.advance(10);
    expect(world.stdio.text()).toBe('{"m":"a"}\n{"m":"b"}\n{"m":"c"}\n');
    expectBalanced(runner);
  });
});
