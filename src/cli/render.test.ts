import { expect, test } from "bun:test";
import { parse } from "yaml";
import { GENERATORS } from "../render/mod.ts";
import { machine, outrigger, SHOP } from "./testdata/machine.ts";

test("each format is printed, or all are written to a folder", async () => {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  await outrigger(world, "render", "shop.yaml", "--dir", "out");
  for (const { name, fileName } of GENERATORS) {
    const { code, out } = await outrigger(world, "render", "shop.yaml", "--format", name);
    expect([name, code]).toEqual([name, 0]);
    expect(parse(out)).toBeObject();
    expect(world.files.readText(`/home/app/out/${fileName}`)).toBe(out);
  }
  const known = GENERATORS.map(({ name }) => name).join(", ");
  const wrong = await outrigger(world, "render", "shop.yaml", "--format", "grafana");
  expect([wrong.code, wrong.err]).toEqual([
    2,
    `error: there is no format grafana\n  known are ${known}\n`,
  ]);
});
