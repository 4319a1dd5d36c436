import { describe, expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { CodecError } from "../codec/message.ts";
import { KEPT_SIGHTINGS, Sightings } from "./sightings.ts";

function sightings(): { readonly log: Sightings; readonly told: string[]; wait(ms: number): unknown } {
  const { clock } = createSimulatedWorld({ seed: 1 });
  const told: string[] = [];
  const log = new Sightings(clock, (cluster, text) => told.push(`${cluster}: ${text}`));
  return { log, told, wait: (ms) => clock.advance(ms) };
}

const bad = (header: string): CodecError => new CodecError("bad-header-value", "byte 0x01", header);

test("the same is told once a second, with how often it was", async () => {
  const { log, wait } = sightings();
  for (let n = 0; n < 5; n++) log.refused("response", "app", bad("x"), null);
  log.refused("response", "app", bad("y"), null);
  await wait(1_000);
  log.refused("response", "app", bad("x"), null);
  const seen = log.list().map(({ sequence, header, count }) => [sequence, header, count]);
  expect(seen).toEqual([[1, "x", 1], [2, "y", 1], [3, "x", 5]]);
  expect(log.list(2).map(({ sequence }) => sequence)).toEqual([3]);
});

test("who followed a process that has been replaced sees what its successor saw", () => {
  const { log } = sightings();
  log.refused("request", "in", bad("x"), null);
  expect(log.list(1)).toEqual([]);
  expect(log.list(250).map(({ header }) => header)).toEqual(["x"]);
});

test("who takes gets each once", () => {
  const { log } = sightings();
  log.refused("request", "in", bad("x"), null);
  expect(log.take().length).toBe(1);
  expect(log.take()).toEqual([]);
  log.refused("request", "in", bad("y"), null);
  expect(log.take().map(({ header }) => header)).toEqual(["y"]);
});

test("what others saw is put in order and numbered anew", () => {
  const { log } = sightings();
  const one = { ...sightingAt(30), sequence: 7 };
  log.addAll([one, { ...sightingAt(10), sequence: 9 }]);
  log.addAll([sightingAt(20)]);
  expect(log.list().map(({ sequence, timeMs }) => [sequence, timeMs])).toEqual([
    [1, 10],
    [2, 30],
    [3, 20],
  ]);
});

function sightingAt(timeMs: number) {
  const where = { where: "app", direction: "response", header: "x" } as const;
  const what = { reason: "bad-header-value", detail: "", action: "refused" } as const;
  return { ...where, ...what, sequence: 1, timeMs, requestId: null, method: "", path: "", count: 1 };
}

describe("bounds", () => {
  test("an upstream that makes up names fills no memory, and no log", async () => {
    const { log, told, wait } = sightings();
    for (let n = 0; n < 5_000; n++) log.refused("response", "app", bad(`x${n}`), null);
    expect(log.list().length).toBe(KEPT_SIGHTINGS);
    expect(log.list().at(-1)!.header).toBe("x4999");
    expect(told.length).toBe(10);
    expect(told[0]).toBe("app: a malformed answer was refused: bad-header-value (header x0): byte 0x01");
    await wait(60_000);
    for (let n = 0; n < 5_000; n++) log.refused("response", "app", bad(`y${n}`), null);
    expect(told.length).toBe(20);
  });

  test("a header that is bad in every answer is an event a minute", async () => {
    const { log, told, wait } = sightings();
    for (let second = 0; second < 180; second++) {
      log.refused("response", "app", bad("x"), null);
      await wait(1_000);
    }
    expect([told.length, log.list().length]).toEqual([3, 180]);
  });

  test("what callers send is no event, and of many repairs a few are told", () => {
    const { log, told } = sightings();
    log.refused("request", "in", bad("x"), null);
    expect(told).toEqual([]);
    const repairs = Array.from({ length: 90 }, (_, n) => ({
      kind: "space-before-colon" as const,
      header: `h${n}`,
    }));
    log.repaired("app", repairs, null);
    expect(log.list().length).toBe(9);
  });
});
