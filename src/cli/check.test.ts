import { expect, test } from "bun:test";
import { machine, outrigger, SHOP } from "./testdata/machine.ts";

test("files that are right are counted", async () => {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  const checked = await outrigger(world, "check", "shop.yaml");
  expect(checked).toEqual({ code: 0, out: "ok: 2 Apps\n", err: "" });
});

test("all that is wrong is said at once, with its line, and the status is 1", async () => {
  const bad = SHOP.replace("timeout: 2s", "timeuot: 2s").replace("port: 9000", "port: many");
  const world = machine({ "/home/app/shop.yaml": bad });
  const { code, out } = await outrigger(world, "check", "shop.yaml");
  expect(code).toBe(1);
  expect(out.trim().split("\n").length).toBe(2);
  expect(out).toContain('shop.yaml:9:12: "timeuot"');
  expect(out).toContain('did you mean "timeout"?');
  const json = JSON.parse((await outrigger(world, "check", "-o", "json", "shop.yaml")).out);
  expect(json.problems.map((one: { line: number }) => one.line)).toEqual([9, 17]);
});

test("what only shows when it is compiled is found too", async () => {
  const bad = SHOP.replace("api: { timeout: 2s }", "api: { app: nobody }");
  const world = machine({ "/home/app/shop.yaml": bad });
  const { code, out } = await outrigger(world, "check", "shop.yaml");
  expect(code).toBe(1);
  expect(out).toContain("nobody");
});

test("standard input is read for -", async () => {
  const world = machine();
  world.stdio.stdin.feed(SHOP.replace("port: 9000", "prot: 9000"));
  world.stdio.stdin.end();
  expect((await outrigger(world, "check", "-")).out).toContain("stdin:17:3");
});
