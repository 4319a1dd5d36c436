import { dirname, resolve } from "node:path";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { TriedInput } from "../pipeline/try_steps.ts";
import type { Command } from "./command.ts";

export const pipelineReplay: Command = {
  name: "pipeline replay",
  summary: "send captured input through two versions of a file, show what differs",
  arguments: [{ name: "file", about: "the Pipeline file as it is", required: true }],
  options: [
    { long: "against", value: "FILE", about: "the version to compare it with" },
    {
      long: "input",
      value: "FILE|-",
      about: "lines as a source reads them, or what pipeline trace -o json has captured",
    },
    { long: "source", value: "NAME", about: "of which source the lines are (the first)" },
  ],
  examples: [
    {
      line: "outrigger pipeline replay orders.yaml --against new.yaml --input app.log",
      about: "status 1, and each line that comes out differently",
    },
  ],
  async run(world, input) {
    const inputs = await readInputs(world, input.required("input"), input.text("source"));
    const old = await outcomes(world, input.words[0]!, inputs);
    const next = await outcomes(world, input.required("against"), inputs);
    let different = 0;
    for (const [i, one] of inputs.entries()) {
      const [was, is] = [old[i]!, next[i]!];
      if (was.join("\n") === is.join("\n")) continue;
      different += 1;
      const line = "line" in one ? one.line : JSON.stringify(one.fields);
      world.stdio.stdout.write(`${i + 1}: ${line}\n`);
      for (const text of was) if (!is.includes(text)) world.stdio.stdout.write(`  - ${text}\n`);
      for (const text of is) if (!was.includes(text)) world.stdio.stdout.write(`  + ${text}\n`);
    }
    world.stdio.stdout.write(`${inputs.length} events, ${different} come out differently\n`);
    return different === 0 ? 0 : 1;
  },
};

/** What comes out for each input, as text. What a step holds it lets go after each of them. */
async function outcomes(
  world: World,
  file: string,
  inputs: readonly TriedInput[],
): Promise<readonly (readonly string[])[]> {
  const { loadFiles } = await import("../local/load_set.ts");
  const { TriedSteps } = await import("../pipeline/try_steps.ts");
  const { pipelines } = await loadFiles(world, [file]);
  const [pipeline] = pipelines;
  if (pipeline === undefined || pipelines.length > 1) {
    throw new Failure("usage", `${file} holds ${pipelines.length} Pipelines, expected one`);
  }
  const folder = dirname(resolve(world.processes.self.folder, file));
  const steps = new TriedSteps(world, pipeline.name, pipeline.spec, { folder });
  const all: string[][] = [];
  for (const one of inputs) {
    const { out, dropped, refused } = await steps.run([one]);
    all.push([
      ...out.map(({ fields, sinks }) => `${JSON.stringify(fields)} to ${sinks.join(", ")}`),
      ...dropped.map(({ step, reason }) => `dropped by ${step}: ${reason}`),
      ...refused.map(({ step, reason }) => `dead letter of ${step}: ${reason}`),
    ]);
  }
  steps.close();
  return all;
}

async function readInputs(
  world: World,
  path: string,
  source: string | null,
): Promise<readonly TriedInput[]> {
  const text = path === "-" ? await world.stdio.stdin.readAll() : world.files.readText(path);
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const captured = capturedOf(line);
    if (captured === null) return { line, source: source ?? undefined };
    return { line: captured.in, source: source ?? captured.source };
  });
}

/** A line of `pipeline trace -o json`; null for any other. */
function capturedOf(line: string): { readonly source: string; readonly in: string } | null {
  if (!line.startsWith('{"id":')) return null;
  try {
    const value = JSON.parse(line) as { source?: unknown; in?: unknown; happened?: unknown };
    if (typeof value.in !== "string" || typeof value.source !== "string") return null;
    return Array.isArray(value.happened) ? { source: value.source, in: value.in } : null;
  } catch {
    return null;
  }
}
