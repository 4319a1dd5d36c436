import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rendered } from "./testdata/rendered.ts";

const DOCS = join(import.meta.dir, "..", "..", "..", "docs");

for (const [page, least] of [
  ["kubernetes.md", 1],
  ["kubernetes_forms.md", 5],
] as const) {
  test(`every file of docs/${page} is read and rendered without a problem`, () => {
    const text = readFileSync(join(DOCS, page), "utf8");
    const files = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)];
    expect(files.length).toBeGreaterThanOrEqual(least);
    for (const [, file] of files) {
      const { problems, keys } = rendered(file!);
      expect([problems, keys.length > 5]).toEqual([[], true]);
    }
  });
}
