import { expect, test } from "bun:test";
import { machine, outrigger } from "./testdata/machine.ts";
import { pipelineFile } from "./testdata/running_pipeline.ts";

test("pipeline replay shows what a new version makes differently", async () => {
  const next = "[{ parse: { json: {} }, onError: drop }, { filter: 'event.n != 2' }]";
  const world = machine({
    "/home/app/old.yaml": pipelineFile(),
    "/home/app/new.yaml": pipelineFile(next),
    "/home/app/in.log": '{"n":1}\n{"n":2}\nodd\n',
  });
  const args = ["pipeline", "replay", "old.yaml", "--input", "in.log", "--against"];
  const { code, out } = await outrigger(world, ...args, "new.yaml");
  expect(code).toBe(1);
  expect(out).toContain('2: {"n":2}\n  - {"n":2} to out\n  + dropped by steps.1.filter');
  expect(out).toContain("3: odd\n  - dead letter of steps.0.parse: not-json\n  + dropped by");
  expect(out).toEndWith("3 events, 2 come out differently\n");
  expect((await outrigger(world, ...args, "old.yaml")).code).toBe(0);
});

test("it reads what pipeline trace has captured", async () => {
  const captured = { id: "x", source: "app", path: "", in: '{"n":5}', happened: [] };
  const world = machine({
    "/home/app/old.yaml": pipelineFile(),
    "/home/app/new.yaml": pipelineFile("[]"),
    "/home/app/in.jsonl": `${JSON.stringify(captured)}\n`,
  });
  const args = ["pipeline", "replay", "old.yaml", "--against", "new.yaml", "--input", "in.jsonl"];
  expect((await outrigger(world, ...args)).out).toContain('1: {"n":5}\n  - {"n":5} to out');
});
