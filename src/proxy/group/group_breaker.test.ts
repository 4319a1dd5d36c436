import { expect, test } from "bun:test";
import type { BreakerPolicy } from "../../api/snapshot.ts";
import type { BreakerState } from "../cluster/breaker.ts";
import { breakerMemory, buryBreaker, GroupBreaker } from "./group_breaker.ts";

const POLICY: BreakerPolicy = {
  errorRate: 0.5,
  minRequests: 4,
  windowMs: 10_000,
  openMs: 5_000,
  halfOpenRequests: 2,
};

function group(over: Partial<BreakerPolicy> = {}) {
  const memory = breakerMemory(2, 1);
  const told: [worker: number, to: BreakerState][] = [];
  const [a, b] = [0, 1].map((worker) => {
    const seat = { worker, workers: 2, clockOffsetMs: 0 };
    const policy = { ...POLICY, ...over };
    return new GroupBreaker(policy, memory, seat, (to) => told.push([worker, to]));
  });
  return { memory, told, a: a!, b: b! };
}

test("opens by the failures of all, and the one that opened it tells of it", () => {
  const { a, b, told } = group();
  for (const one of [a, b, a, b]) one.record(one.tryAcquire(0), 0, true);
  expect([a.state, b.state]).toEqual(["open", "open"]);
  expect(told).toEqual([[1, "open"]]);
  expect([a.tryAcquire(1), b.tryAcquire(1)]).toEqual([0, 0]);
});

test("probes are counted over all, and a dead worker's are given back", () => {
  const { a, b, memory, told } = group();
  for (const one of [a, b, a, b]) one.record(one.tryAcquire(0), 0, true);
  const first = a.tryAcquire(5_000);
  expect([first > 0, b.tryAcquire(5_000) > 0]).toEqual([true, true]);
  expect([a.tryAcquire(5_000), b.tryAcquire(5_000)]).toEqual([0, 0]);
  buryBreaker(memory, 1);
  const [probe, another] = [a.tryAcquire(5_001), a.tryAcquire(5_001)];
  expect([probe > 0, another]).toEqual([true, 0]);
  a.record(first, 5_002, false);
  a.record(probe, 5_002, false);
  expect(told.map(([, to]) => to)).toEqual(["open", "half-open", "closed"]);
  expect(b.state).toBe("closed");
});

test("a lock that a dead worker held is opened", () => {
  const { a, b, memory } = group();
  for (const one of [a, b, a, b]) one.record(one.tryAcquire(0), 0, true);
  // As if worker 1 had ended between its two writes.
  new Int32Array(memory.cells)[3] = 2;
  buryBreaker(memory, 1);
  expect(a.tryAcquire(5_000)).not.toBe(0);
});

test("slow calls of all workers open it as well", () => {
  const { a, b, told } = group({ slowCallMs: 100, slowCallRate: 0.5 });
  for (const one of [a, b, a, b]) one.record(one.tryAcquire(0), 0, false, 150);
  expect([a.state, told.length]).toEqual(["open", 1]);
});
