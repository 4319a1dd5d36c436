import { expect, test } from "bun:test";
import { outrigger } from "./testdata/machine.ts";
import { runningSidecars } from "./testdata/running_sidecars.ts";

test("routes stand in matching order with what they do and the line that asks for them", async () => {
  const running = await runningSidecars();
  const { out } = await outrigger(running.world, "routes", "frontend");
  expect(out).toMatch(
    /^shop\/frontend +call:api +\* +\/\* +api +request_id, trace_context.* +2 s +- +- +shop\.yaml:9:5 spec\.calls\.api$/m,
  );
  const json = JSON.parse((await outrigger(running.world, "routes", "-o", "json")).out);
  expect(json.map((one: { app: string; listener: string }) => `${one.app} ${one.listener}`)).toEqual([
    "shop/frontend inbound",
    "shop/frontend call:api",
    "shop/api inbound",
  ]);
  await running.stop();
});
