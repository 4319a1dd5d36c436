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

test("a step in TypeScript is waited for; one that cannot be loaded is said", async () => {
  const steps = "[{ parse: { json: {} } }, { typescript: ./own.ts }]";
  const tests = "  tests:\n    - { in: { n: 1 }, out: [{ n: 1, own: true }] }\n";
  const files = { "/home/app/p.yaml": `${pipelineFile(steps)}${tests}` };
  const own = "export default async (event) => ({ ...event, own: true });";
  const world = machine({ ...files, "/home/app/own.ts": own });
  const good = await outrigger(world, "pipeline", "test", "p.yaml");
  expect([good.code, good.out]).toEqual([0, "ok  orders: tests[0]\n1 passed, 0 failed\n"]);
  const missing = await outrigger(machine(files), "pipeline", "test", "p.yaml");
  expect(missing.code).toBe(1);
  expect(missing.out).toContain("own.ts cannot be loaded");
  expect(missing.out).toContain("steps.1.typescript still holds 1 after 5 s");
});
