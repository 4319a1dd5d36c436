import { dirname, resolve } from "node:path";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { Command } from "./command.ts";
import { FILE_OPTION } from "./command.ts";

export const pipelineExamples: Command = {
  name: "pipeline test",
  summary: "run a Pipeline file's own examples through its steps",
  arguments: [{ name: "file", about: "Pipeline files, folders of them, or -", many: true }],
  options: [FILE_OPTION],
  examples: [
    {
      line: "outrigger pipeline test orders-pipeline.yaml",
      about: "each of its tests; status 1 and the difference where one fails",
    },
  ],
  async run(world, input) {
    const { loadFiles } = await import("../local/load_set.ts");
    const { pipelines } = await loadFiles(world, input.files());
    let failed = 0;
    let passed = 0;
    for (const { name, spec, file } of pipelines) {
      const folder = dirname(resolve(world.processes.self.folder, file));
      for (const { title, differences } of await runTests(world, name, spec, folder)) {
        if (differences.length === 0) passed += 1;
        else failed += 1;
        world.stdio.stdout.write(`${differences.length === 0 ? "ok" : "FAILED"}  ${title}\n`);
        for (const line of differences) world.stdio.stdout.write(`      ${line}\n`);
      }
    }
    if (failed + passed === 0) {
      const advice = "add tests: [{ in: ..., out: [...] }] to the Pipeline";
      throw new Failure("usage", "the files hold no tests of pipelines", advice);
    }
    world.stdio.stdout.write(`${passed} passed, ${failed} failed\n`);
    return failed === 0 ? 0 : 1;
  },
};

interface Result {
  readonly title: string;
  readonly differences: readonly string[];
}

async function runTests(
  world: World,
  name: string,
  spec: import("../api/snapshot.ts").PipelinePolicy,
  folder: string,
): Promise<readonly Result[]> {
  const { TriedSteps, testDifferences, testInput } = await import("../pipeline/try_steps.ts");
  const results: Result[] = [];
  for (const [i, test] of (spec.tests ?? []).entries()) {
    // Each test has steps of its own: what one leaves behind is not the next one's.
    const steps = new TriedSteps(world, name, spec, { folder });
    const tried = await steps.run([testInput(test)]);
    steps.close();
    const title = `${name}: ${test.name ?? `tests[${i}]`}`;
    results.push({ title, differences: testDifferences(test, tried) });
  }
  return results;
}
