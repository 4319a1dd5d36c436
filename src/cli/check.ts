import type { Documents } from "../api/document.ts";
import type { Command } from "./command.ts";
import { FILE_OPTION, FILES_ARGUMENT, outputOption } from "./command.ts";
import { printData } from "./output.ts";

export const check: Command = {
  name: "check",
  summary: "say everything that is wrong with files, each with its line",
  arguments: [FILES_ARGUMENT],
  options: [
    FILE_OPTION,
    { ...outputOption("text", ["text", "json", "yaml"]) },
    { long: "strict", about: "say too what a cluster would be better with, and why" },
  ],
  examples: [
    { line: "outrigger check shop.yaml", about: "status 1 where something is wrong" },
    {
      line: "outrigger check --strict shop.yaml",
      about: "and where probes, limits, an owner or a second pod are missing",
    },
  ],
  async run(world, input) {
    const { loadDocuments } = await import("../api/documents.ts");
    const { pipelineComponents } = await import("../pipeline/components.ts");
    const { formatProblems, problemsAsJson } = await import("../schema/problem.ts");
    const { placeDocuments, ProblemsFailure, readSources } = await import("../local/load_set.ts");
    const { placeOf } = await import("../local/place.ts");
    const { requireFilters } = await import("../local/require_filters.ts");
    const files = input.files();
    const documents = loadDocuments(await readSources(world, files), pipelineComponents);
    let { problems, moreProblems } = documents;
    if (problems.length === 0) {
      try {
        const { snapshots } = placeDocuments(world, documents, placeOf(world, files));
        requireFilters(world, snapshots);
      } catch (error) {
        if (!(error instanceof ProblemsFailure)) throw error;
        problems = error.problems;
        moreProblems = error.more;
      }
    }
    if (problems.length === 0 && input.flag("strict")) {
      const { strictAdvice } = await import("../compile/strict.ts");
      problems = strictAdvice(documents);
    }
    const format = input.text("output") ?? "text";
    if (format !== "text") await printData(world, format, problemsAsJson(problems, moreProblems));
    else if (problems.length === 0) world.stdio.stdout.write(`ok: ${countsOf(documents)}\n`);
    else world.stdio.stdout.write(`${formatProblems(problems, moreProblems)}\n`);
    return problems.length === 0 ? 0 : 1;
  },
};

function countsOf({ apps, meshes, pipelines }: Documents): string {
  const counts = [
    [apps.length, "App", "Apps"],
    [meshes.length, "Mesh", "Meshes"],
    [pipelines.length, "Pipeline", "Pipelines"],
  ] as const;
  return counts
    .filter(([count]) => count > 0)
    .map(([count, one, several]) => `${count} ${count === 1 ? one : several}`)
    .join(", ");
}
