import { expect, test } from "bun:test";
import { machine, outrigger, SHOP } from "./testdata/machine.ts";

test("explain app names the line of each part", async () => {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  const { code, out } = await outrigger(world, "explain", "app/frontend", "shop.yaml");
  expect(code).toBe(0);
  expect(out).toMatch(/timeoutMs = 2000 +shop\.yaml:9:12/);
  const json = JSON.parse(
    (await outrigger(world, "explain", "app/frontend", "-f", "shop.yaml", "-o", "json")).out,
  );
  expect(json[0]).toHaveProperty("pointer");
});

test("explain field says what may stand there", async () => {
  const { code, out } = await outrigger(machine(), "explain", "field", "app.calls.api.breaker");
  expect(code).toBe(0);
  expect(out).toContain("breaker");
  const wrong = await outrigger(machine(), "explain", "pod/x");
  expect([wrong.code, wrong.err]).toEqual([
    2,
    'error: "pod/x" cannot be explained\n  name app/NAME with its files, or field with its path\n',
  ]);
});
