import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadDocuments } from "../../api/documents.ts";
import { formatProblems } from "../../schema/problem.ts";
import { manifestText, renderObjects, TARGETS } from "./mod.ts";

const EXAMPLES = join(import.meta.dir, "..", "..", "..", "examples");
const GOLDENS = join(import.meta.dir, "testdata");

const FILES = [
  "shop/kubernetes.yaml",
  ...readdirSync(join(EXAMPLES, "kubernetes"))
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .map((name) => `kubernetes/${name}`),
];

for (const file of FILES) {
  test(`what examples/${file} is on Kubernetes (UPDATE_GOLDENS=1 writes it)`, () => {
    const text = readFileSync(join(EXAMPLES, file), "utf8");
    const documents = loadDocuments([{ file, text }]);
    expect(formatProblems(documents.problems)).toBe("");
    const options = { target: TARGETS.kubernetes, image: "registry.example.com/outrigger:1" };
    const { objects, problems } = renderObjects(documents, options);
    expect(problems).toEqual([]);
    const golden = join(GOLDENS, `example_${file.replaceAll(/\W/g, "_").slice(0, -5)}.golden.yaml`);
    const now = manifestText(objects);
    if (process.env.UPDATE_GOLDENS === "1") writeFileSync(golden, now);
    expect(now).toBe(readFileSync(golden, "utf8"));
    // The same input, the same bytes.
    expect(manifestText(renderObjects(loadDocuments([{ file, text }]), options).objects)).toBe(now);
  });
}
