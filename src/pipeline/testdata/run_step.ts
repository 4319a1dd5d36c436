/** One step in a whole pipeline, with lines from standard input: what comes out, and the books. */
import { expect } from "bun:test";
import type { Fields } from "../../api/event.ts";
import type { ComponentPolicy } from "../../api/snapshot.ts";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { PipelineRunner } from "../runner.ts";
import { STDOUT, expectBalanced, startPipeline } from "./harness.ts";

export type WrittenStep = Readonly<Record<string, unknown>>;

export interface StepRun {
  readonly world: SimulatedWorld;
  readonly runner: PipelineRunner;
  /** Hands lines in and lets a moment pass. */
  feed(...lines: readonly string[]): Promise<void>;
  /** What has come out since the last call. */
  out(): Fields[];
  /** Reasons with their counts. */
  dropped(): Readonly<Record<string, number>>;
}

/** `steps` as a file writes them: `{ filter: "...", onError: "drop" }`. */
export function runSteps(
  steps: readonly WrittenStep[],
  world: SimulatedWorld = createSimulatedWorld({ seed: 1 }),
): StepRun {
  const policies = steps.map((step) => {
    const { onError, from, shed, ...rest } = step;
    const [component] = Object.keys(rest) as [string];
    const config = rest[component] as ComponentPolicy["config"];
    const common = { onError, from, shed } as object;
    return { ...JSON.parse(JSON.stringify(common)), component, config };
  });
  const sources = { in: { component: "stdin", config: {} } };
  const policy = { sources, steps: policies, sinks: { out: STDOUT } };
  const runner = startPipeline(world, policy);
  let seen = 0;
  return {
    world,
    runner,
    feed: async (...lines) => {
      world.stdio.stdin.feed(`${lines.join("\n")}\n`);
      await world.clock.advance(1);
    },
    out: () => {
      const text = world.stdio.text();
      const fresh = text.slice(seen).split("\n").slice(0, -1);
      seen = text.length;
      return fresh.map((line) => JSON.parse(line) as Fields);
    },
    dropped: () => {
      expectBalanced(runner);
      const line = runner.ledger().sources["in"]!;
      expect(line).toHaveProperty("dropped");
      return Object.fromEntries(Object.entries(line.dropped));
    },
  };
}

export function messagesOf(events: readonly Fields[]): unknown[] {
  return events.map(({ message }) => message);
}
