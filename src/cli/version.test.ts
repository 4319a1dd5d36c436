import { expect, test } from "bun:test";
import manifest from "../../package.json" with { type: "json" };
import { machine, outrigger } from "./testdata/machine.ts";

test("version says what this is", async () => {
  const world = machine();
  expect(await outrigger(world, "version")).toEqual({
    code: 0,
    out: `outrigger ${manifest.version}\n`,
    err: "",
  });
  expect((await outrigger(world, "--version")).out).toBe(`outrigger ${manifest.version}\n`);
  const json = JSON.parse((await outrigger(world, "version", "-o", "json")).out);
  expect(json).toEqual({ name: "outrigger", version: manifest.version });
});
