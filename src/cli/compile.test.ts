import { expect, test } from "bun:test";
import { readSnapshot } from "../sidecar/read_snapshot.ts";
import { machine, outrigger, SHOP } from "./testdata/machine.ts";

test("compile prints the Snapshot that a sidecar reads, the same each time", async () => {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  const first = await outrigger(world, "compile", "shop.yaml", "--app", "frontend", "-o", "json");
  expect(first.code).toBe(0);
  const snapshot = readSnapshot(first.out, "standard output");
  expect(snapshot.workload).toEqual({ namespace: "shop", name: "frontend" });
  expect(snapshot.policyHash).toMatch(/^[0-9a-f]{16}$/);
  const again = await outrigger(world, "compile", "-f", "shop.yaml", "--app", "shop/frontend");
  expect(again.out).toBe(first.out);
  expect(JSON.parse((await outrigger(world, "compile", "shop.yaml")).out).length).toBe(2);
  const unknown = await outrigger(world, "compile", "shop.yaml", "--app", "fronted");
  expect([unknown.code, unknown.err]).toEqual([
    2,
    "error: no sidecar has the name fronted\n  what there is: shop/api, shop/frontend\n",
  ]);
});
