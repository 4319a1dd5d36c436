import { expect, test } from "bun:test";
import { machine, outrigger, SHOP } from "./testdata/machine.ts";

test("S2-9 diff shows only what changed, with its line, and its status says whether", async () => {
  const after = SHOP.replace("api: { timeout: 2s }", "api: { timeout: 3s }");
  const world = machine({ "/home/app/a.yaml": SHOP, "/home/app/b.yaml": after });
  expect(await outrigger(world, "diff", "a.yaml", "a.yaml")).toEqual({
    code: 0,
    out: "no difference\n",
    err: "",
  });
  const { code, out } = await outrigger(world, "diff", "a.yaml", "b.yaml");
  expect(code).toBe(1);
  expect(out.trim().split("\n").length).toBe(2);
  expect(out).toContain("timeout of calls to api changed");
  expect(out).toContain("b.yaml:9:");
  const json = JSON.parse((await outrigger(world, "diff", "a.yaml", "b.yaml", "-o", "json")).out);
  expect(json.workloads.map((one: { workload: { name: string } }) => one.workload.name)).toEqual([
    "frontend",
  ]);
});
