import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { choice, list, object, text } from "../schema/field.ts";
import { formatProblems } from "../schema/problem.ts";
import type { AnyDocument, Source } from "./documents.ts";
import { loadDocuments } from "./documents.ts";
import type { PipelineComponents } from "./pipeline.ts";

/**
 * Each file of testdata/ is an input, a line of dashes, and what comes of it: the documents, or all
 * the problems as `outrigger check` prints them. `==== NAME` starts a file where there are several.
 * UPDATE_GOLDENS=1 writes what comes of them now.
 */
const FOLDER = join(import.meta.dir, "testdata");
const DASHES = "\n----------\n";

/** A few components with the shape of the real ones; the real ones belong to pipeline/. */
const COMPONENTS: PipelineComponents = {
  sources: { file: object({ include: list(text(), { min: 1 }) }), stdin: object({}) },
  transforms: { parse: object({ json: object({}).optional() }) },
  sinks: {
    stdout: object({ format: choice(["json"]).default("json") }),
    elasticsearch: object({ url: text(), index: text() }),
  },
};

function sourcesOf(input: string): Source[] {
  if (!input.startsWith("==== ")) return [{ file: "in.yaml", text: input }];
  return input
    .split(/^==== /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf("\n");
      return { file: part.slice(0, end).trim(), text: part.slice(end + 1) };
    });
}

function show(document: AnyDocument): string {
  const { kind, namespace, name, spec, notes } = document;
  const unused = notes.map((note) => `# only on ${note.where}: line ${note.line}, ${note.field}\n`);
  return `${kind} ${namespace}/${name}\n${unused.join("")}${JSON.stringify(spec, null, 2)}`;
}

function outcome(input: string): string {
  const loaded = loadDocuments(sourcesOf(input), COMPONENTS);
  const { apps, meshes, pipelines, problems, moreProblems } = loaded;
  if (problems.length > 0) return formatProblems(problems, moreProblems);
  return [...apps, ...meshes, ...pipelines].map(show).join("\n");
}

describe("files, and what comes of them", () => {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));
  test.each(names)("%s", (name) => {
    const path = join(FOLDER, name);
    const golden = readFileSync(path, "utf8");
    const at = golden.indexOf(DASHES);
    expect(at).toBeGreaterThan(0);
    const input = golden.slice(0, at + 1);
    const now = `${outcome(input)}\n`;
    if (process.env.UPDATE_GOLDENS === "1") writeFileSync(path, input + DASHES.slice(1) + now);
    else expect(now).toBe(golden.slice(at + DASHES.length));
  });
});
