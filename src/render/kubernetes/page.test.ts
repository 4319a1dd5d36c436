import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rendered } from "./testdata/rendered.ts";

const PAGE = join(import.meta.dir, "..", "..", "..", "docs", "kubernetes_forms.md");

test("every file of docs/kubernetes_forms.md is read and rendered without a problem", () => {
  const files = [...readFileSync(PAGE, "utf8").matchAll(/^```yaml\n(.*?)^```$/gms)];
  expect(files.length).toBeGreaterThanOrEqual(5);
  for (const [, text] of files) {
    const { problems, keys } = rendered(text!);
    expect([problems, keys.length > 5]).toEqual([[], true]);
  }
});
