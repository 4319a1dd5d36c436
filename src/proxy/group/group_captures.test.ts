import { afterEach, expect, test } from "bun:test";
import type { CapturedRequest, CaptureOrder } from "../../api/capture.ts";
import { readCaptureOrder } from "../../api/capture_order.ts";
import { GroupRig } from "../../sim/group_rig.ts";

let rig: GroupRig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const ORDER = readCaptureOrder({ maxBytes: 1e6, durationMs: 1_000 }) as CaptureOrder;

test("a capture is over all workers, also one that takes another's place", async () => {
  rig = new GroupRig(3);
  await rig.apply({});
  rig.upstream();
  const seen: CapturedRequest[] = [];
  const end = rig.group.capture(ORDER, (requests) => seen.push(...requests));
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
  end();
  await rig.advance(10);
  await rig.ask(20);
  expect(seen.length).toBe(120);
});
