import { expect, test } from "bun:test";
import { AssertionError } from "./assert.ts";
import { BoundedQueue } from "./bounded_queue.ts";
import { Xoshiro128 } from "./xoshiro.ts";

test("it keeps the order and refuses what does not fit", () => {
  const queue = new BoundedQueue<string>(2);
  expect(queue.shift()).toBeUndefined();
  expect([queue.push("a"), queue.push("b"), queue.push("c")]).toEqual([true, true, false]);
  expect([queue.size, queue.isFull, queue.peek()]).toEqual([2, true, "a"]);
  expect([queue.shift(), queue.push("d"), queue.shift(), queue.shift()]).toEqual([
    "a",
    true,
    "b",
    "d",
  ]);
  expect([queue.size, queue.peek(), queue.shift()]).toEqual([0, undefined, undefined]);
});

test("it behaves as an array does, through many turns of the ring", () => {
  const random = Xoshiro128.fromSeed(7);
  for (const capacity of [1, 3, 8]) {
    const queue = new BoundedQueue<number>(capacity);
    const model: number[] = [];
    for (let step = 0; step < 2_000; step += 1) {
      const draw = random.next();
      if (draw < 0.01) {
        queue.clear();
        model.length = 0;
      } else if (draw < 0.55) {
        const fits = model.length < capacity;
        if (fits) model.push(step);
        expect(queue.push(step)).toBe(fits);
      } else {
        expect(queue.shift()).toBe(model.shift());
      }
      expect([queue.size, queue.peek()]).toEqual([model.length, model[0]]);
    }
  }
});

test("a capacity that holds nothing is a bug", () => {
  for (const capacity of [0, -1, 1.5]) {
    expect(() => new BoundedQueue(capacity)).toThrow(AssertionError);
  }
});
