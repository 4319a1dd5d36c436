import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface FeatureTest {
  /** A row of the feature list: S2-12. */
  readonly id: string;
  /** The test's title behind the id. */
  readonly words: string;
  readonly file: string;
}

/** Tests whose titles start with the id of a feature, or several: `S2-8, S2-9 keeps ...`. */
export function readTests(root: string): FeatureTest[] {
  const found: FeatureTest[] = [];
  for (const folder of ["src", "test", "examples"]) {
    const files = [...new Bun.Glob(`${folder}/**/*.test.ts`).scanSync({ cwd: root })].sort();
    for (const file of files) found.push(...testsOf(file, readFileSync(join(root, file), "utf8")));
  }
  return found;
}

export function testsOf(file: string, source: string): FeatureTest[] {
  const ids = "((?:S\\d+-\\d+[,:]?\\s+)+)";
  const call = "\\b(?:test|it|describe)(?:\\.\\w+)*\\(\\s*";
  const title = new RegExp(`${call}(["'\`])${ids}((?:\\\\.|(?!\\1)[^\\\\\\n])*)\\1`, "g");
  return [...source.matchAll(title)].flatMap(([, , found, words]) =>
    [...found!.matchAll(/S\d+-\d+/g)].map(([id]) => ({
      id,
      words: words!.replaceAll(/\\(.)/g, "$1").replaceAll(/\$\{\w+\}|[$%]\w+/g, "..."),
      file,
    })),
  );
}

/** One line per feature, in the order of ids. */
export function featuresPage(tests: readonly FeatureTest[]): string {
  const byId = new Map<string, FeatureTest[]>();
  for (const test of tests) byId.set(test.id, [...(byId.get(test.id) ?? []), test]);
  const order = (id: string): number => {
    const [group, row] = id.slice(1).split("-").map(Number);
    return group! * 1000 + row!;
  };
  const rows = [...byId.keys()]
    .sort((a, b) => order(a) - order(b))
    .map((id) => {
      const own = byId.get(id)!;
      const words = own.map((test) => test.words.replaceAll("|", "\\|")).join("; ");
      const files = [...new Set(own.map((test) => `[${test.file}](../${test.file})`))].join(", ");
      return `| ${id} | ${words} | ${files} |`;
    });
  return `# What is shown by a test

One line per feature: its id, what its tests show, and where they are. A test counts whose title
starts with the id.

| id | what is shown | tests |
|---|---|---|
${rows.join("\n")}
`;
}
