import { expect, test } from "bun:test";
import { buryGauges, gaugeCells, gaugeDrifts, gaugeMemory, GroupGauge, takeDrifts } from "./gauge.ts";

function gauges(workers: number) {
  const memory = gaugeMemory(3, workers);
  const cells = new Int32Array(memory);
  // The middle one of three, so that a wrong place shows.
  const at = gaugeCells(workers);
  const all = Array.from({ length: workers }, (_, worker) => new GroupGauge(cells, at, worker));
  return { memory, cells, at, all };
}

test("a bound holds for all together, to the last one", () => {
  const { all } = gauges(3);
  const taken = [0, 1, 2, 0, 1, 2].map((worker) => all[worker]!.enter(5));
  expect(taken).toEqual([true, true, true, true, true, false]);
  expect(all.map(({ own, total }) => [own, total])).toEqual([[2, 5], [2, 5], [1, 5]]);
  all[2]!.leave();
  expect([all[0]!.enter(5), all[1]!.enter(5)]).toEqual([true, false]);
});

test("a bound that is no whole number admits whoever is below it", () => {
  const { all } = gauges(2);
  expect([all[0]!.enter(1.5), all[1]!.enter(1.5), all[0]!.enter(1.5)]).toEqual([true, true, false]);
});

test("what a dead worker held is given back", () => {
  const { memory, cells, at, all } = gauges(2);
  for (let count = 0; count < 3; count++) all[0]!.enter(10);
  all[1]!.enter(10);
  buryGauges(memory, 2, 0);
  expect([all[0]!.own, all[1]!.total]).toEqual([0, 1]);
  expect(gaugeDrifts(memory, 2)).toEqual([0, 0, 0]);
  // It had counted one in the sum, and not yet in its column.
  Atomics.add(cells, at, 1);
  expect(gaugeDrifts(memory, 2)).toEqual([0, 1, 0]);
  takeDrifts(memory, 2, [0, 1, 0]);
  expect([...cells]).toEqual([0, 0, 0, 1, 0, 1, 0, 0, 0]);
});
