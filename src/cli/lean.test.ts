import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const SRC = join(import.meta.dir, "..");

/** Packages that a module reaches, through every import, those that it makes later included. */
function packagesOf(entries: readonly string[]): Set<string> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  const queue = entries.map((entry) => join(SRC, entry));
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file) || !existsSync(file) || !file.endsWith(".ts")) continue;
    seen.add(file);
    for (const { path } of transpiler.scanImports(readFileSync(file, "utf8"))) {
      if (path.startsWith(".")) queue.push(join(dirname(file), path));
      else if (!path.startsWith("node:")) packages.add(path);
    }
  }
  return packages;
}

test("what runs beside an app loads no library of what a person runs", () => {
  // Loaded with the first regular expression of a route, and not before (base/linear_regex.ts).
  expect([...packagesOf(["cli/sidecar.ts", "cli/proxy.ts", "cli/wait.ts"])]).toEqual(["re2js"]);
  // The same, for a pattern that cannot be proven linear (base/search_regex.ts).
  expect([...packagesOf(["sidecar/pipeline_process.ts"])]).toEqual(["re2js"]);
  // The check itself sees what there is.
  expect([...packagesOf(["cli/check.ts"])]).toContain("yaml");
});
