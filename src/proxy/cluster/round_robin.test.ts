import { expect, test } from "bun:test";
import { Endpoint } from "./endpoint.ts";
import { RoundRobin } from "./round_robin.ts";

const endpoints = (count: number): Endpoint[] =>
  Array.from({ length: count }, (_, index) => new Endpoint(`10.0.0.${index}`, 80));

test("each in turn", () => {
  const all = endpoints(3);
  const balancer = new RoundRobin();
  const picks = Array.from({ length: 7 }, () => all.indexOf(balancer.pick(all, null)!));
  expect(picks).toEqual([0, 1, 2, 0, 1, 2, 0]);
});

test("nothing of nothing, the one of one even where it is to be avoided", () => {
  const balancer = new RoundRobin();
  const [only] = endpoints(1);
  expect(balancer.pick([], null)).toBeNull();
  expect(balancer.pick([only!], only!)).toBe(only!);
});

test("never the one to avoid where there is another", () => {
  const balancer = new RoundRobin();
  const all = endpoints(3);
  for (let count = 0; count < 30; count++) {
    const avoid = all[count % 3]!;
    expect(balancer.pick(all, avoid)).not.toBe(avoid);
  }
});

test("a list that shrinks or grows is gone through whole", () => {
  const balancer = new RoundRobin();
  const all = endpoints(5);
  for (let count = 0; count < 4; count++) balancer.pick(all, null);
  for (const size of [2, 5, 3]) {
    const list = all.slice(0, size);
    const picked = new Set(Array.from({ length: size }, () => balancer.pick(list, null)));
    expect(picked.size).toBe(size);
  }
});
