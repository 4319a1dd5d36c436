import { expect, test } from "bun:test";
import { Event } from "../../api/event.ts";
import type { EventClass } from "../../api/event.ts";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { parse } from "../../schema/field.ts";
import { nodeOf } from "../../schema/node.ts";
import { EventBatch } from "../event_batch.ts";
import { stepContext } from "../testdata/harness.ts";
import { classify } from "./classify.ts";

function classes(
  config: object,
  levels: readonly unknown[],
  sheds: boolean,
): (EventClass | null)[] {
  const read = parse(classify.config, nodeOf({ by: "event.level", ...config }));
  const context = { ...stepContext(createSimulatedWorld({ seed: 1 })), sheds };
  const step = classify.create(read.value!, context);
  const batch = new EventBatch("in", "s", "", Buffer.from("x"), 0, 0, () => {});
  const events = levels.map((level) => {
    const event = new Event(batch, 0, 1);
    event.fields = { level };
    return event;
  });
  return step.apply(events).map((event) => event.class);
}

test("by rank, the last one for all else; the fill from which each gives way", () => {
  const order = ["error", "warn", "info"];
  const found = classes({ order }, ["error", "warn", "info", "debug", 7, undefined], true);
  expect(found.map((one) => one!.name)).toEqual([
    "error",
    "warn",
    "info",
    "other",
    "other",
    "other",
  ]);
  expect(found.map((one) => one!.rank)).toEqual([0, 1, 2, 3, 3, 3]);
  const fills = found.map((one) => one!.shedFrom);
  expect(fills[0]).toBe(1);
  expect(fills[3]).toBe(0.5);
  expect(fills.toSorted((a, b) => b - a)).toEqual(fills);
});

test("without shed nothing gives way by itself; `other` may be one of the order", () => {
  const found = classes({ order: ["error", "info"], other: "info" }, ["error", "debug"], false);
  expect(found.map((one) => [one!.name, one!.shedFrom, one!.dropFrom])).toEqual([
    ["error", 1, 1],
    ["info", 1, 0.5],
  ]);
});
