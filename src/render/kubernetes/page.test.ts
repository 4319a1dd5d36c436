import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { app, rendered } from "./testdata/rendered.ts";

const ROOT = join(import.meta.dir, "..", "..", "..");
const DOCS = join(ROOT, "docs");

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

test("S4-28 the sidecar's defaults are below Istio's, above what is measured, and in the docs", () => {
  const [sidecar] = rendered(app("api", "port: 9000")).body("deployment/api").spec.template.spec
    .initContainers;
  const { requests, limits } = sidecar.resources;
  const thousandths = (text: string): number => Number(/^(\d+)m$/.exec(text)![1]);
  const mebibytes = (text: string): number => Number(/^(\d+)Mi$/.exec(text)![1]);
  // Istio's chart: 100m and 128Mi.
  expect(thousandths(requests.cpu)).toBeLessThan(100);
  expect(mebibytes(requests.memory)).toBeLessThan(128);
  const { rows } = JSON.parse(readFileSync(join(ROOT, "bench", "results", "memory.json"), "utf8"));
  const measured = (id: string): number => {
    const row = rows.find((one: { readonly id: string }) => one.id === `memory/${id}/rss`);
    return (row.values.outrigger * 1e6) / 2 ** 20;
  };
  expect(mebibytes(requests.memory)).toBeGreaterThan(measured("idle"));
  for (const load of ["after-load", "after-bulk", "c1000"]) {
    expect(mebibytes(limits.memory)).toBeGreaterThan(measured(load));
  }
  const page = readFileSync(join(DOCS, "kubernetes.md"), "utf8");
  expect(page).toContain(`| CPU | ${requests.cpu} | - |`);
  const memory = [requests.memory, limits.memory].map((one) => one.replace("Mi", " Mi"));
  expect(page).toContain(`| memory | ${memory.join(" | ")} |`);
});
