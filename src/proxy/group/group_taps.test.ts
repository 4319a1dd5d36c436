import { expect, test } from "bun:test";
import type { RequestRecord } from "../../api/request_record.ts";
import type { TapOrder } from "../../api/tap.ts";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { MAX_TAPPED_PER_SECOND } from "../watch/tap.ts";
import { GroupTaps } from "./group_taps.ts";
import type { Order } from "./messages.ts";

const ORDER = { limit: 7 } as TapOrder;

function worker(fails = false) {
  const told: string[] = [];
  const call = (order: Order): Promise<unknown> => {
    told.push(`${order.kind} ${"id" in order ? order.id : ""}`);
    return fails ? Promise.reject(new Error("it has ended")) : Promise.resolve(null);
  };
  return { call, told };
}

function setup() {
  const { clock } = createSimulatedWorld({ seed: 1 });
  return { clock, taps: new GroupTaps(clock) };
}

const records = (count: number): RequestRecord[] => {
  return Array.from({ length: count }, () => ({}) as RequestRecord);
};

test("each worker looks, one that takes another's place too, until the tap ends", async () => {
  const { taps } = setup();
  const [a, b, late] = [worker(), worker(true), worker()];
  const id = taps.start([a, b], ORDER, () => {});
  taps.bring(late);
  taps.end([a, b, late], id);
  taps.end([a, b, late], id);
  taps.bring(b);
  await Promise.resolve();
  expect([a.told, b.told, late.told]).toEqual([
    ["tap 1", "untap 1"],
    ["tap 1", "untap 1"],
    ["tap 1", "untap 1"],
  ]);
});

test("all workers together show no more a second than one may; the rest is counted", async () => {
  const { clock, taps } = setup();
  const seen = { shown: 0, lost: 0 };
  const id = taps.start([], ORDER, (some, lost) => {
    seen.shown += some.length;
    seen.lost += lost;
  });
  for (let worker = 0; worker < 3; worker += 1) taps.take(id, records(500), 2);
  expect(seen).toEqual({ shown: MAX_TAPPED_PER_SECOND, lost: 506 });
  await clock.advance(1_000);
  taps.take(id, records(1), 0);
  taps.end([], id);
  taps.take(id, records(1), 0);
  expect(seen).toEqual({ shown: MAX_TAPPED_PER_SECOND + 1, lost: 506 });
});
