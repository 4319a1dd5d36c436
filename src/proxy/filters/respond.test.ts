import { expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";

test("a fixed answer, and no upstream hears of the request", async () => {
  const config = { status: 410, headers: { "x-why": "moved" }, body: "gone" };
  const rig = new Rig({ route: { filters: [{ filter: "respond", config }] } });
  const upstream = rig.upstream();
  expect(await rig.ask("/a")).toEqual({ status: 410, body: "gone" });
  expect(upstream.requests).toEqual([]);
  expect(await rig.leaks()).toEqual([]);
});
