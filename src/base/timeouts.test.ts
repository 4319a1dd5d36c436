import { expect, test } from "bun:test";
import { createSimulatedWorld } from "./simulated/mod.ts";
import { TimeoutEntry, Timeouts } from "./timeouts.ts";
import { Xoshiro128 } from "./xoshiro.ts";

class Entry extends TimeoutEntry {
  firedAt: number[] = [];
  constructor(readonly run: () => number) {
    super();
  }
  override onTimeout(): void {
    this.firedAt.push(this.run());
  }
}

function setUp() {
  const { clock } = createSimulatedWorld({ seed: 1 });
  const entry = (): Entry => new Entry(() => clock.now());
  return { clock, entry, timeouts: new Timeouts(clock) };
}

test("entries expire after their length, in the order in which they were armed", async () => {
  const { clock, entry, timeouts } = setUp();
  const [a, b] = [entry(), entry()];
  const list = timeouts.list(100);
  expect(timeouts.list(100)).toBe(list);
  list.arm(a);
  await clock.advance(30);
  list.arm(b);
  await clock.advance(69);
  expect([a.firedAt, b.firedAt]).toEqual([[], []]);
  await clock.advance(1_000);
  expect([a.firedAt, b.firedAt]).toEqual([[100], [130]]);
});

test("disarmed entries stay silent, and arming again starts the time anew", async () => {
  const { clock, entry, timeouts } = setUp();
  const [a, b, c] = [entry(), entry(), entry()];
  const list = timeouts.list(100);
  for (const one of [a, b, c]) list.arm(one);
  await clock.advance(50);
  b.disarm();
  b.disarm();
  list.arm(a);
  await clock.advance(1_000);
  expect([a.firedAt, b.firedAt, c.firedAt]).toEqual([[150], [], [100]]);
  list.arm(b);
  await clock.advance(100);
  expect(b.firedAt).toEqual([1_150]);
});

test("an entry moves from one list to another", async () => {
  const { clock, entry, timeouts } = setUp();
  const a = entry();
  timeouts.list(10).arm(a);
  timeouts.list(50).arm(a);
  await clock.advance(200);
  expect(a.firedAt).toEqual([50]);
});

test("a length of 0 never expires and sets no timer", async () => {
  const { clock, entry, timeouts } = setUp();
  const a = entry();
  timeouts.list(0).arm(a);
  expect(clock.pendingTimers).toBe(0);
  await clock.advance(1_000_000);
  expect(a.firedAt).toEqual([]);
});

test("entries may be armed and disarmed from inside onTimeout", async () => {
  const { clock, entry, timeouts } = setUp();
  const list = timeouts.list(10);
  const victim = entry();
  let rounds = 0;
  const again: Entry = new Entry(() => {
    victim.disarm();
    rounds += 1;
    if (rounds < 3) list.arm(again);
    return clock.now();
  });
  list.arm(again);
  list.arm(victim);
  await clock.advance(100);
  expect([again.firedAt, victim.firedAt]).toEqual([[10, 20, 30], []]);
  expect(clock.pendingTimers).toBe(0);
});

test("an entry that throws does not stop those behind it", async () => {
  const { clock, entry, timeouts } = setUp();
  const list = timeouts.list(10);
  const bad = new Entry(() => {
    throw new Error("thrown in onTimeout");
  });
  const good = entry();
  list.arm(bad);
  list.arm(good);
  await expect(clock.advance(100)).rejects.toThrow("thrown in onTimeout");
  await clock.advance(100).catch(() => {});
  expect(good.firedAt).toHaveLength(1);
});

test("ten thousand entries share one timer", async () => {
  const { clock, entry, timeouts } = setUp();
  const entries = Array.from({ length: 10_000 }, entry);
  for (const one of entries) timeouts.list(5).arm(one);
  expect(clock.pendingTimers).toBe(1);
  await clock.advance(5);
  expect(entries.every((one) => one.firedAt.length === 1)).toBe(true);
});

test("any order of arming, disarming and waiting expires what a plain model says", async () => {
  const random = Xoshiro128.fromSeed(11);
  const { clock, entry, timeouts } = setUp();
  const entries = Array.from({ length: 20 }, entry);
  const due = new Map<Entry, number>();
  const expected = new Map<Entry, number[]>(entries.map((one) => [one, []]));
  const elapse = (until: number): void => {
    for (const [one, at] of due) {
      if (at > until) continue;
      expected.get(one)!.push(at);
      due.delete(one);
    }
  };
  for (let step = 0; step < 500; step += 1) {
    const one = entries[Math.floor(random.next() * entries.length)]!;
    const draw = random.next();
    if (draw < 0.5) {
      const length = [5, 20, 70][Math.floor(random.next() * 3)]!;
      timeouts.list(length).arm(one);
      due.set(one, clock.now() + length);
    } else if (draw < 0.7) {
      one.disarm();
      due.delete(one);
    } else {
      const ms = Math.floor(random.next() * 15);
      elapse(clock.now() + ms);
      await clock.advance(ms);
    }
  }
  for (const one of entries) expect(one.firedAt).toEqual(expected.get(one)!);
});
