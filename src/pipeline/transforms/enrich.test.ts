import { expect, test } from "bun:test";
import { append, policyOf, startPipeline, worldWithLogs } from "../testdata/harness.ts";

test("S2-17 fixed fields win over what a line says of itself", async () => {
  const world = worldWithLogs(1);
  append(world, "/logs/app.log", '{"message":"one","app":"another"}\n');
  const steps = [
    { component: "parse", config: { json: {} } },
    { component: "enrich", config: { fields: { app: "api", namespace: "shop" } } },
  ];
  startPipeline(world, policyOf({ steps }));
  await world.clock.advance(3000);
  expect(world.stdio.text()).toBe('{"message":"one","app":"api","namespace":"shop"}\n');
});
