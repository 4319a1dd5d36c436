import { describe, expect, test } from "bun:test";
import type { Event, Fields } from "../api/event.ts";
import type { Timer } from "../base/world.ts";
import { object } from "../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "./component.ts";
import { COMPONENTS } from "./plan.ts";
import type { PipelineOptions } from "./runner.ts";
import {
  append,
  expectBalanced,
  messages,
  policyOf,
  startPipeline,
  stopPipeline,
  worldWithLogs,
} from "./testdata/harness.ts";

const LOG = "/logs/app.log";

/** Steps of one line each, by name. */
function withSteps(
  steps: Readonly<Record<string, (context: TransformContext) => Transform>>,
): PipelineOptions {
  const transforms = Object.entries(steps).map(
    ([name, create]): TransformDefinition<unknown> => ({
      name,
      summary: "A step of a test.",
      status: "beta",
      security: "None.",
      config: object({}),
      examples: [],
      create: (_, context) => create(context),
    }),
  );
  const all = [...COMPONENTS.transforms, ...transforms];
  return { components: { ...COMPONENTS, transforms: all } };
}

function step(component: string, more: object = {}) {
  return { component, config: {}, ...more };
}

function textOf(event: Event): string {
  return event.decode()["message"] as string;
}

/** Joins lines until one that says "end", or nothing came for a second. */
function joiner(context: TransformContext): Transform {
  let held: Event[] = [];
  let timer: Timer | null = null;
  const join = (): Event[] => {
    const parents = held;
    held = [];
    timer?.cancel();
    timer = null;
    if (parents.length === 0) return [];
    return [context.derive(parents, { message: parents.map(textOf).join("+") })];
  };
  return {
    apply: (events) => {
      const out: Event[] = [];
      for (const event of events) {
        context.hold(event);
        held.push(event);
        if (textOf(event) === "end") out.push(...join());
      }
      if (held.length > 0) timer ??= context.world.clock.after(1000, () => context.emit(join()));
      return out;
    },
    flush: join,
    close: () => timer?.cancel(),
  };
}

/** One event for each word. */
const splitter = (context: TransformContext): Transform => ({
  apply: (events) =>
    events.flatMap((event) => {
      const words: Fields[] = textOf(event).split(" ").map((message) => ({ message }));
      return context.split(event, words);
    }),
});

describe("events that a step makes", () => {
  test("several become one: acknowledged when that one has ended, and not before", async () => {
    const world = worldWithLogs(1);
    const policy = policyOf({ steps: [step("joiner")] });
    const runner = startPipeline(world, policy, withSteps({ joiner }));
    append(world, LOG, "a\nb\nend\nc\n");
    await world.clock.advance(500);
    expect(messages(world)).toEqual(["a+b+end"]);
    expect(runner.ledger().sources["app"]).toEqual({
      received: 4,
      made: 1,
      recovered: 0,
      delivered: 1,
      dropped: {},
      buffered: 1,
      deadLettered: 0,
      replaced: 3,
    });
    expectBalanced(runner);
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(["a+b+end", "c"]);
    expectBalanced(runner);
    world.stdio.stdout.isBlocked = true;
    append(world, LOG, "d\nend\n");
    await world.clock.advance(3000);
    expect(runner.ledger().sources["app"]).toMatchObject({ buffered: 1, replaced: 6 });
    await stopPipeline(world, runner);
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(1);
    world.stdio.stdout.clear();
    startPipeline(world, policy, withSteps({ joiner }));
    await world.clock.advance(3000);
    expect(messages(world)).toEqual(["d+end"]);
  });

  test("one becomes several: each goes its own way, the source hears when the last has ended", async () => {
    const world = worldWithLogs(1);
    const sinks = {
      out: { component: "stdout", config: {} },
      errors: { component: "stdout", config: {}, from: { when: 'event.message == "b"' } },
    };
    const policy = policyOf({ steps: [step("splitter")], sinks });
    const runner = startPipeline(world, policy, withSteps({ splitter }));
    append(world, LOG, "a b c\nd\n");
    await world.clock.advance(3000);
    expect(messages(world).sort()).toEqual(["a", "b", "b", "c", "d"]);
    expect(runner.ledger().sources["app"]).toMatchObject({
      received: 2,
      made: 4,
      replaced: 2,
      delivered: 4,
    });
    expect(runner.ledger().sinks["errors"]).toMatchObject({ received: 1, delivered: 1 });
    expectBalanced(runner);
    await stopPipeline(world, runner);
    const next = startPipeline(world, policy, withSteps({ splitter }));
    await world.clock.advance(3000);
    expect(next.ledger().sources["app"]!.received).toBe(0);
  });

  test("ids: of what was made of one event each has its own, the same after a resend", async () => {
    const world = worldWithLogs(1);
    const ids: string[] = [];
    const looker = (): Transform => ({
      apply: (events) => {
        for (const { id } of events) ids.push(id.slice(id.lastIndexOf("-")));
        return events;
      },
    });
    const steps = [step("splitter"), step("looker")];
    startPipeline(world, policyOf({ steps }), withSteps({ splitter, looker }));
    append(world, LOG, "a b\nc\n");
    await world.clock.advance(3000);
    expect(ids).toEqual(["-0", "-0.1", "-4"]);
  });

  test("a stop lets go of what is held, through the steps behind", async () => {
    const world = worldWithLogs(1);
    const steps = [step("joiner"), step("splitter")];
    const runner = startPipeline(world, policyOf({ steps }), withSteps({ joiner, splitter }));
    append(world, LOG, "a x\nb\n");
    await world.clock.advance(300);
    expect(messages(world)).toEqual([]);
    await stopPipeline(world, runner);
    expect(messages(world)).toEqual(["a", "x+b"]);
    expectBalanced(runner);
  });

  test("absorbed: acknowledged at once, and what is made later needs one parent only", async () => {
    const world = worldWithLogs(1);
    const counter = (context: TransformContext): Transform => {
      let anchor: Event | null = null;
      let count = 0;
      const flush = (): Event[] => {
        if (anchor === null) return [];
        const made = context.derive([anchor], { message: `${count} lines` });
        anchor = null;
        count = 0;
        return [made];
      };
      return {
        apply: (events) => {
          for (const event of events) {
            count += 1;
            if (anchor === null) context.hold((anchor = event));
            else context.absorb(event);
          }
          return [];
        },
        flush,
      };
    };
    const policy = policyOf({ steps: [step("counter")] });
    const runner = startPipeline(world, policy, withSteps({ counter }));
    append(world, LOG, "a\nb\nc\n");
    await world.clock.advance(2000);
    expect(runner.ledger().sources["app"]).toMatchObject({ buffered: 1, replaced: 2 });
    expectBalanced(runner);
    await stopPipeline(world, runner);
    expect(messages(world)).toEqual(["3 lines"]);
    expectBalanced(runner);
  });
});

describe("a step that is wrong", () => {
  test("events that it forgets, or that it throws on, are in the dead letters", async () => {
    const world = worldWithLogs(1);
    const forgetful = (): Transform => ({
      apply: (events) => events.filter((event) => textOf(event) !== "lost"),
    });
    const thrower = (context: TransformContext): Transform => ({
      apply: (events) => {
        const made = events.map((event) => context.derive([event], { message: "made" }));
        if (events.some((event) => textOf(event) === "bad")) throw new Error("no");
        return made;
      },
    });
    const steps = [step("forgetful"), step("thrower", { from: { when: 'event.message == "bad"' } })];
    const runner = startPipeline(world, policyOf({ steps }), withSteps({ forgetful, thrower }));
    append(world, LOG, "one\nlost\nbad\ntwo\n");
    await world.clock.advance(3000);
    expect(messages(world)).toEqual(["one", "two"]);
    expect(runner.ledger().sources["app"]).toMatchObject({
      received: 4,
      made: 1,
      delivered: 2,
      deadLettered: 2,
      replaced: 1,
      buffered: 0,
    });
    expectBalanced(runner);
    const letters = world.files.readText("/state/pipelines/test/dead-letters.jsonl");
    expect(letters).toContain('"where":"steps.0.forgetful","reason":"step-error: the step lost it"');
    expect(letters).toContain('"where":"steps.1.thrower","reason":"step-error: no"');
  });
});

describe("conditions", () => {
  test("a step works on what its condition picks; order stays", async () => {
    const world = worldWithLogs(1);
    const marker = (): Transform => ({
      apply: (events) => {
        for (const event of events) event.decode()["message"] = `${textOf(event)}!`;
        return events;
      },
    });
    const steps = [step("marker", { from: { sources: ["app"], when: 'event.message != "b"' } })];
    const runner = startPipeline(world, policyOf({ steps }), withSteps({ marker }));
    append(world, LOG, "a\nb\nc\nb\nd\n");
    await world.clock.advance(3000);
    expect(messages(world)).toEqual(["a!", "b", "c!", "b", "d!"]);
    expectBalanced(runner);
  });

  test("S0-8 fan out by condition: each sink's count is what the rule says", async () => {
    const world = worldWithLogs(1);
    const sink = (when: string) => ({ component: "discard", config: {}, from: { when } });
    const sinks = {
      even: sink('event.n == "0" || event.n == "2"'),
      odd: sink('event.n == "1"'),
      all: { component: "discard", config: {} },
    };
    const steps = [{ component: "parse", config: { regex: "^(?<n>\\d)" } }];
    const runner = startPipeline(world, policyOf({ steps, sinks }));
    append(world, LOG, Array.from({ length: 999 }, (_, i) => `${i % 3} x\n`).join(""));
    await world.clock.advance(3000);
    const { even, odd, all } = runner.ledger().sinks;
    expect([even!.delivered, odd!.delivered, all!.delivered]).toEqual([666, 333, 999]);
    expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 999 });
    expectBalanced(runner);
  });
});

describe("shedding", () => {
  test("the lowest class gives way first, while a sink pushes back; the rest waits", async () => {
    const world = worldWithLogs(1);
    world.stdio.stdout.isBlocked = true;
    const names = ["error", "info", "debug"];
    const ranker = (): Transform => ({
      apply: (events) => {
        for (const event of events) {
          const name = textOf(event);
          const rank = names.indexOf(name);
          const shedFrom = 1 - 0.25 * rank;
          event.class = { name, rank, shedFrom, dropFrom: shedFrom };
        }
        return events;
      },
    });
    const out = { component: "stdout", config: {}, buffer: { maxEvents: 4300, maxBytes: 1e9 } };
    const policy = policyOf({ steps: [step("ranker")], sinks: { out } });
    const runner = startPipeline(world, policy, withSteps({ ranker }));
    for (let i = 0; i < 60; i++) {
      append(world, LOG, `${Array(30).fill(names.join("\n")).join("\n")}\n`);
      await world.clock.advance(1100);
      expectBalanced(runner);
    }
    const { dropped, received, buffered } = runner.ledger().sources["app"]!;
    expect(Object.keys(dropped).sort()).toEqual(["shed:debug", "shed:info"]);
    expect(dropped["shed:debug"]!).toBeGreaterThan(dropped["shed:info"]!);
    expect(received).toBe(5400);
    expect(buffered + dropped["shed:debug"]! + dropped["shed:info"]!).toBe(5400);
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(5000);
    expect(messages(world).filter((name) => name === "error").length).toBe(1800);
    expectBalanced(runner);
  });
});
