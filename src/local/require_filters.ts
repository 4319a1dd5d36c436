import type { Snapshot } from "../api/snapshot.ts";
import { moduleFacts } from "../base/module_facts.ts";
import { FileError, type World } from "../base/world.ts";
import { toPointer } from "../compile/pointer.ts";
import type { Problem } from "../schema/problem.ts";
import { ProblemsFailure } from "./load_set.ts";

/**
 * Reads the code of every user's filter without running it: a sidecar does not start with code that
 * cannot be loaded.
 *
 * @throws ProblemsFailure with a problem for each, at the line of the code or of who names it.
 */
export function requireFilters(world: World, snapshots: readonly Snapshot[]): void {
  const problems = snapshots.flatMap((snapshot) => problemsOf(world, snapshot));
  if (problems.length > 0) throw new ProblemsFailure(problems, 0);
}

function problemsOf(world: World, { bindings, origins }: Snapshot): Problem[] {
  const problems: Problem[] = [];
  for (const [name, path] of Object.entries(bindings.filters ?? {})) {
    let source: string;
    try {
      source = world.files.readText(path);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      const place = origins[toPointer(["bindings", "filters", name])];
      const { file, line, column, field } = place ?? { file: path, line: 1, column: 1, field: "" };
      const message = `filter ${name}: ${error.message}`;
      problems.push({ file, line, column, field, found: null, message, advice: null });
      continue;
    }
    const { exports, problem } = moduleFacts(source);
    const at = { file: path, field: "", found: null };
    if (problem !== null) {
      const { line, column, text } = problem;
      problems.push({ ...at, line, column, message: `filter ${name}: ${text}`, advice: null });
    } else if (!exports.includes("default")) {
      const message = `filter ${name}: the file has no default export`;
      const advice = "add export default { onRequest(request, ctx) { ... } }";
      problems.push({ ...at, line: 1, column: 1, message, advice });
    }
  }
  return problems;
}
