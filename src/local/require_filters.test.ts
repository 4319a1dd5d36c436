import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { appText, snapshotsOf } from "../compile/testdata/from_text.ts";
import { ProblemsFailure } from "./load_set.ts";
import { requireFilters } from "./require_filters.ts";

const SNAPSHOTS = snapshotsOf(
  appText("front", 8080, [
    "filters:",
    "  - { file: /own/gone.ts }",
    "  - { file: /own/broken.ts }",
    "  - { file: /own/empty.ts }",
  ]),
);

test("code that cannot be loaded is named, each with its line, and is not run", () => {
  const world = createSimulatedWorld({ seed: 1 });
  world.files.makeFolder("/own");
  world.files.write("/own/broken.ts", "export default {\n  onRequest( { return;\n};\n");
  world.files.write("/own/empty.ts", "throw new Error('run');\nexport const onRequest = 5;\n");
  let failure: unknown = null;
  try {
    requireFilters(world, SNAPSHOTS);
  } catch (error) {
    failure = error;
  }
  expect(failure).toBeInstanceOf(ProblemsFailure);
  const told = (failure as ProblemsFailure).message.split("\n");
  expect(told[0]).toBe(
    "shop.yaml:8:9: filter gone: cannot read /own/gone.ts: there is no such file or folder (ENOENT)",
  );
  expect(told[1]).toMatch(/^\/own\/broken\.ts:2:\d+: filter broken: Expected /);
  expect(told[2]).toMatch(/^\/own\/empty\.ts:1:1: filter empty: the file has no default export; add/);
  for (const name of ["gone", "broken", "empty"]) {
    world.files.write(`/own/${name}.ts`, "throw new Error('it must not run');\nexport default {};\n");
  }
  requireFilters(world, SNAPSHOTS);
});
