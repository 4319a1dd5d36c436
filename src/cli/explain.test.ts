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
  const wrong = await outrigger(machine(), "explain", "x");
  const advice = "name app/NAME or KIND/NAME with the files, or field with its path";
  expect([wrong.code, wrong.err]).toEqual([
    2,
    `error: "x" cannot be explained\n  ${advice}\n`,
  ]);
});

test("explain shows of each value of a rendered object its line, or the reason", async () => {
  const text = SHOP.replaceAll(/^spec:$/gm, "spec:\n  image: registry.example.com/shop:1");
  const world = machine({ "/home/app/shop.yaml": text });
  const { code, out, err } = await outrigger(world, "explain", "service/frontend", "shop.yaml");
  expect([code, err]).toEqual([0, ""]);
  expect(out).toMatch(/spec\/ports\/0\/port = 8080 +shop\.yaml:\d+:\d+ spec\.port/);
  expect(out).toMatch(/targetPort = 15006 +because the sidecar's: nobody comes past it/);
  const json = await outrigger(world, "explain", "service/frontend", "shop.yaml", "-o", "json");
  expect(JSON.parse(json.out)[0]).toEqual({
    ...{ pointer: "/apiVersion", value: "v1", source: "file" },
    text: expect.stringContaining("shop.yaml:"),
  });
  const none = await outrigger(world, "explain", "pod/x", "shop.yaml");
  expect([none.code, none.err]).toEqual([2, expect.stringContaining("there are: namespace/shop")]);
});
