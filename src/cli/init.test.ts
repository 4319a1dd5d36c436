import { expect, test } from "bun:test";
import { machine, outrigger } from "./testdata/machine.ts";

test("the first file passes check, and is never written over", async () => {
  const world = machine();
  const args = ["init", "--command", "node server.js", "--port", "3000", "--name", "My App"];
  expect((await outrigger(world, ...args)).code).toBe(0);
  expect(world.files.readText("/home/app/app.yaml")).toContain("name: my-app");
  expect((await outrigger(world, "check", "app.yaml")).code).toBe(0);
  const again = await outrigger(world, ...args);
  expect(again.code).toBe(2);
  expect(again.err).toContain("app.yaml is there already");
  const printed = await outrigger(world, ...args, "-");
  expect(printed.out).toBe(world.files.readText("/home/app/app.yaml"));
});

test("what is missing is named", async () => {
  const { err } = await outrigger(machine(), "init", "--port", "3000");
  expect(err).toContain("--command is missing");
  const port = await outrigger(machine(), "init", "--command", "x", "--port", "eighty");
  expect([port.code, port.err]).toEqual([
    2,
    'error: --port is "eighty"; a number from 1 to 65535 was expected\n',
  ]);
});
