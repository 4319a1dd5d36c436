import { expect, test } from "bun:test";
import { referencePages } from "./reference_pages.ts";

test("a page for each kind, with every field, and what is not there yet apart", () => {
  const pages = referencePages();
  expect(pages.map((page) => page.path)).toEqual([
    "docs/reference/app.md",
    "docs/reference/mesh.md",
    "docs/reference/pipeline.md",
  ]);
  const [app, mesh] = pages;
  expect(app!.text).toContain("| `spec.calls.NAME.timeout` | a duration such as");
  expect(app!.text).toContain("Only on kubernetes.");
  const [fields, later] = mesh!.text.split("## Not there yet");
  expect(fields).not.toContain("mtls");
  expect(later).toContain("- `spec.mtls`: mutual TLS is missing.");
});

test("every table row has its four cells", () => {
  for (const { text } of referencePages()) {
    for (const line of text.split("\n").filter((one) => one.startsWith("|"))) {
      const bars = line.replaceAll("\\|", "").match(/\|/g)!.length;
      expect([line, bars]).toEqual([line, 5]);
    }
  }
});
