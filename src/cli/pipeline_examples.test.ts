import { expect, test } from "bun:test";
import { machine, outrigger } from "./testdata/machine.ts";
import { pipelineFile } from "./testdata/running_pipeline.ts";

function withTests(tests: string): string {
  return `${pipelineFile()}  tests:\n${tests}`;
}

test("pipeline test runs a file's own examples", async () => {
  const good = `    - { in: '{"n":1,"level":"WARN"}', out: [{ level: warn }] }
    - { name: an object is a line of JSON, in: { n: 2 }, out: [{ n: 2 }] }
    - { in: odd, dropped: not-json }
`;
  const world = machine({ "/home/app/p.yaml": withTests(good) });
  const { code, out } = await outrigger(world, "pipeline", "test", "p.yaml");
  expect([code, out.split("\n").at(-2)]).toEqual([0, "3 passed, 0 failed"]);
  expect(out).toContain("ok  orders: an object is a line of JSON");
});

test("what differs is shown, with status 1", async () => {
  const wrong = `    - { in: { n: 1 }, out: [{ n: 2 }] }
    - { in: odd, out: [{ message: odd }] }
`;
  const world = machine({ "/home/app/p.yaml": withTests(wrong) });
  const { code, out } = await outrigger(world, "pipeline", "test", "p.yaml");
  expect(code).toBe(1);
  expect(out).toContain("out[0].n: - 2\n      + 1");
  expect(out).toContain("steps.0.parse gave it up: not-json");
  expect(out).toContain("0 passed, 2 failed");
});

test("files without tests say so", async () => {
  const world = machine({ "/home/app/p.yaml": pipelineFile() });
  const { code, err } = await outrigger(world, "pipeline", "test", "p.yaml");
  expect([code, err.includes("hold no tests")]).toEqual([2, true]);
});
