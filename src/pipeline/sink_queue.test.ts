import { expect, test } from "bun:test";
import type { Event } from "../api/event.ts";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { EventBatch } from "./event_batch.ts";
import { SinkQueue } from "./sink_queue.ts";

const BOUNDS = { maxEvents: 1000, maxBytes: 1_000_000 };

function setUp() {
  const settled: Event[] = [];
  const owner = {
    delivered: (events: readonly Event[]) => void settled.push(...events),
    deliveredBatch: () => {},
    refused: (event: Event) => void settled.push(event),
    roomAgain: () => {},
  };
  const queue = new SinkQueue(createSimulatedWorld({ seed: 1 }).clock, BOUNDS, owner, true);
  return { queue, settled };
}

function batchOf(texts: readonly string[]): EventBatch {
  const chunk = Buffer.from(texts.join(""));
  const batch = new EventBatch("in", "stream", "", chunk, 0, 0, () => {});
  let at = 0;
  for (const text of texts) batch.add(at, (at += text.length));
  return batch;
}

const textsOf = (events: readonly Event[]): string[] => events.map((event) => event.text());

test("leftovers are what was not settled, however it was handed out and settled", () => {
  const { queue, settled } = setUp();
  queue.pushBatch(batchOf(["a", "b", "c", "d"]));
  queue.pushBatch(batchOf(["e", "f", "g"]));
  const first = queue.take(2, Infinity);
  const second = queue.take(3, Infinity);
  queue.delivered(first);
  // One of a request of three, by an array of its own.
  queue.delivered([second[1]!]);
  queue.refused(second[2]!, "bad");
  expect(textsOf(settled)).toEqual(["a", "b", "d", "e"]);
  const third = queue.take(1, Infinity);
  expect(textsOf(third)).toEqual(["f"]);
  expect(queue.unsettled).toBe(3);
  expect(textsOf(queue.leftovers())).toEqual(["c", "f", "g"]);
});

test("a queue that never runs empty keeps nothing of what was taken", async () => {
  const { queue, settled } = setUp();
  const seen: WeakRef<Event>[] = [];
  const turn = (n: number): void => {
    queue.pushBatch(batchOf([`event ${n}`]));
    if (n < 10) return;
    settled.length = 0;
    const taken = queue.take(1, Infinity);
    seen.push(new WeakRef(taken[0]!));
    queue.delivered(taken);
  };
  for (let n = 0; n < 510; n++) turn(n);
  await new Promise((resolve) => setImmediate(resolve));
  Bun.gc(true);
  // The collector may take an old word on the stack for one of them.
  expect(seen.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(50);
  expect(queue.waiting).toBe(10);
});
