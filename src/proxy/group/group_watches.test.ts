import { expect, test } from "bun:test";
import type { CapturedRequest, CaptureOrder } from "../../api/capture.ts";
import { readCaptureOrder } from "../../api/capture_order.ts";
import type { RequestRecord } from "../../api/request_record.ts";
import type { TapOrder } from "../../api/tap.ts";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { GroupRig } from "../../sim/group_rig.ts";
import { MAX_TAPPED_PER_SECOND } from "../watch/tap.ts";
import { GroupWatches } from "./group_watches.ts";
import type { Order } from "./messages.ts";

const ORDER = { limit: 7 } as TapOrder;
const CAPTURE = readCaptureOrder({ maxBytes: 1e6, durationMs: 1_000 }) as CaptureOrder;

function worker(fails = false) {
  const told: string[] = [];
  const call = (order: Order): Promise<unknown> => {
    told.push(`${order.kind} ${"id" in order ? order.id : ""}`);
    return fails ? Promise.reject(new Error("it has ended")) : Promise.resolve(null);
  };
  return { call, told };
}

function setup(workers: () => readonly ReturnType<typeof worker>[] = () => []) {
  const { clock } = createSimulatedWorld({ seed: 1 });
  return { clock, watches: new GroupWatches(clock, workers) };
}

const records = (count: number): RequestRecord[] => {
  return Array.from({ length: count }, () => ({}) as RequestRecord);
};

test("each worker looks, one that takes another's place too, until the tap ends", async () => {
  const [a, b, late] = [worker(), worker(true), worker()];
  const workers = [a, b];
  const { watches } = setup(() => workers);
  const end = watches.tap(ORDER, () => {});
  watches.bring(late);
  workers.push(late);
  void end();
  watches.bring(b);
  await end();
  watches.bring(b);
  await Promise.resolve();
  expect([a.told, b.told, late.told]).toEqual([
    ["watch 1", "unwatch 1"],
    ["watch 1", "unwatch 1"],
    ["watch 1", "unwatch 1"],
  ]);
});

test("all workers together show no more a second than one may; the rest is counted", async () => {
  const { clock, watches } = setup();
  const seen = { shown: 0, lost: 0 };
  const end = watches.tap(ORDER, (some, lost) => {
    seen.shown += some.length;
    seen.lost += lost;
  });
  for (let worker = 0; worker < 3; worker += 1) watches.take(1, records(500), 2);
  expect(seen).toEqual({ shown: MAX_TAPPED_PER_SECOND, lost: 506 });
  await clock.advance(1_000);
  watches.take(1, records(1), 0);
  await end();
  watches.take(1, records(1), 0);
  expect(seen).toEqual({ shown: MAX_TAPPED_PER_SECOND + 1, lost: 506 });
});

test("a capture is over all workers, also one that takes another's place", async () => {
  const rig = new GroupRig(3);
  await rig.apply({});
  rig.upstream();
  const seen: CapturedRequest[] = [];
  const end = rig.group.capture(CAPTURE, (requests) => seen.push(...requests));
  await rig.advance(10);
  await rig.ask(60);
  expect(seen.length).toBe(60);
  const [thread] = rig.world.threads.running;
  thread!.post({ kind: "close" });
  await rig.advance(1);
  thread!.end("it fell over");
  await rig.advance(2_000);
  await rig.ask(60);
  expect(seen.length).toBe(120);
  // What no worker has handed on yet.
  await rig.ask(20, 20);
  await rig.settled(end());
  expect(seen.length).toBe(140);
  await rig.ask(20);
  expect(seen.length).toBe(140);
  expect(await rig.leaks()).toEqual([]);
});
