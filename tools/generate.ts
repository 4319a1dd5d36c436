/**
 * Writes everything that follows from definitions in the source: reference pages, schemas, the list
 * of features that a test shows, the graph of rooms.
 *
 *   bun tools/generate.ts            writes what changed, and removes what is generated no more
 *   bun tools/generate.ts --check    writes nothing; names each file that differs, status 1
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { allCommands } from "../src/cli/mod.ts";
import { jsonSchema, referencePages } from "../src/api/json_schema.ts";
import { performancePage, readResults } from "../bench/results.ts";
import { pipelineComponents } from "../src/pipeline/components.ts";
import { sinks } from "../src/pipeline/sinks/mod.ts";
import { sources } from "../src/pipeline/sources/mod.ts";
import { transforms } from "../src/pipeline/transforms/mod.ts";
import { cliPage } from "./pages/cli_page.ts";
import { componentsPage, expressionsPage } from "./pages/components_pages.ts";
import { exitCodesPage } from "./pages/exit_codes_page.ts";
import { featuresPage, readTests } from "./pages/features_page.ts";
import { limitsPage } from "./pages/limits_page.ts";
import { malformedPage } from "./pages/malformed_page.ts";
import { roomsPage, tidy } from "./tidy.ts";

const ROOT = join(import.meta.dir, "..");

/** By it a generated page is known from one that somebody wrote. */
const MARK = "<!-- Written by `make generate`. -->\n";

/** Folders in which a marked file that is no longer generated is removed. */
const FOLDERS = ["docs", "docs/generated", "docs/reference"];

/** Every generated file, by its path from the root. */
async function generatedFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const page = (path: string, text: string): void => {
    files.set(path, `${MARK}${text.trim()}\n`);
  };
  page("docs/generated/rooms.md", roomsPage(tidy(ROOT)));
  page("docs/features.md", featuresPage(readTests(ROOT)));
  page("docs/reference/cli.md", cliPage(await allCommands()));
  page("docs/reference/exit-codes.md", exitCodesPage());
  page("docs/limits.md", limitsPage());
  page("docs/malformed_messages.md", malformedPage());
  const results = readResults(join(ROOT, "bench", "results"));
  if (results.length > 0) page("docs/performance.md", performancePage(results));
  for (const { path, text } of referencePages(pipelineComponents)) page(path, text);
  const folder = "docs/reference";
  const common = "Each example runs as a test. All of a file: [Pipeline](pipeline.md).";
  page(
    `${folder}/pipeline-sources.md`,
    componentsPage("Sources", `Where a pipeline's events come from. ${common}`, sources),
  );
  page(
    `${folder}/pipeline-steps.md`,
    componentsPage(
      "Steps",
      `What happens to events on their way. Conditions and values: [expressions](expressions.md). ${common}`,
      transforms,
    ),
  );
  page(
    `${folder}/pipeline-sinks.md`,
    componentsPage("Sinks", `Where events go. ${common}`, sinks),
  );
  page(`${folder}/expressions.md`, expressionsPage());
  files.set(
    "schema/outrigger.schema.json",
    `${JSON.stringify(jsonSchema(pipelineComponents), null, 2)}\n`,
  );
  return files;
}

function read(path: string): string | null {
  try {
    return readFileSync(join(ROOT, path), "utf8");
  } catch {
    return null;
  }
}

/** Marked files that nothing generates any more. */
function stale(files: ReadonlyMap<string, string>): string[] {
  return FOLDERS.flatMap((folder) => {
    mkdirSync(join(ROOT, folder), { recursive: true });
    return readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}`);
  }).filter((path) => path.endsWith(".md") && !files.has(path) && read(path)?.startsWith(MARK));
}

if (import.meta.main) {
  const check = process.argv.includes("--check");
  const files = await generatedFiles();
  const changed = [...files].filter(([path, text]) => read(path) !== text).map(([path]) => path);
  const gone = stale(files);
  if (check) {
    for (const path of changed)
      console.log(`${path}: differs from its source; run \`make generate\``);
    for (const path of gone) console.log(`${path}: nothing generates it; run \`make generate\``);
    process.exit(changed.length + gone.length === 0 ? 0 : 1);
  }
  for (const path of changed) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true });
    writeFileSync(join(ROOT, path), files.get(path)!);
    console.error(`generate: ${path}`);
  }
  for (const path of gone) {
    rmSync(join(ROOT, path));
    console.error(`generate: removed ${path}`);
  }
}
