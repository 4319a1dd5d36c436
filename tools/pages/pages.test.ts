import { describe, expect, test } from "bun:test";
import type { Command } from "../../src/cli/command.ts";
import { transforms } from "../../src/pipeline/transforms/mod.ts";
import { cliPage } from "./cli_page.ts";
import { componentsPage, expressionsPage } from "./components_pages.ts";
import { exitCodesPage } from "./exit_codes_page.ts";
import { featuresPage, testsOf } from "./features_page.ts";

describe("features", () => {
  test("a title with an id counts, whatever the quotes, and several ids count each", () => {
    const source = [
      `test("S2-12 opens the \\"breaker\\"", () => {});`,
      "test.each([1])(`S1-1 not this form`, () => {});",
      `it('S2-3, S2-10 both', () => {});`,
      `test("without an id S9-9", () => {});`,
      `  test(\n    "S1-20: on its own line", () => {});`,
    ].join("\n");
    expect(testsOf("a.test.ts", source).map(({ id, words }) => `${id} ${words}`)).toEqual([
      'S2-12 opens the "breaker"',
      "S2-3 both",
      "S2-10 both",
      "S1-20 on its own line",
    ]);
  });

  test("the page has one line per id, in numeric order", () => {
    const one = (id: string, words: string) => ({ id, words, file: `src/${words}.test.ts` });
    const page = featuresPage([one("S2-12", "b"), one("S2-3", "a"), one("S2-12", "c")]);
    expect(page.trim().split("\n").slice(-2)).toEqual([
      "| S2-3 | a | [src/a.test.ts](../src/a.test.ts) |",
      "| S2-12 | b; c | [src/b.test.ts](../src/b.test.ts), [src/c.test.ts](../src/c.test.ts) |",
    ]);
  });
});

test("the command page shows usage, options and examples", () => {
  const command: Command = {
    name: "up",
    summary: "start it",
    arguments: [{ name: "file", about: "files", many: true }],
    options: [{ long: "output", short: "o", value: "FORMAT", about: "how", choices: ["a", "b"] }],
    examples: [{ line: "outrigger up shop.yaml", about: "start the shop" }],
    run: async () => 0,
  };
  const page = cliPage([command]);
  expect(page).toContain("    outrigger up [OPTIONS] [FILE...]\n");
  expect(page).toContain("| `-o, --output FORMAT` | how (a, b) |");
  expect(page).toContain("Start the shop:\n\n    outrigger up shop.yaml");
});

test("the page of exit codes has a line for each", () => {
  expect(exitCodesPage()).toContain("| 4 | port-in-use |");
});

test("a page of components shows config, files, what comes in and what goes on", () => {
  const page = componentsPage("Steps", "What happens.", transforms);
  expect(page).toContain("| [filter](#filter) | Lets events through");
  expect(page).toContain("## typescript");
  expect(page).toContain("`steps/price.ts`:\n\n```ts\nimport type { Step }");
  expect(page).toContain('filter: "!(event.message contains');
  for (const { name } of transforms) expect(page).toContain(`\n## ${name}\n`);
});

test("the page of expressions has each function", () => {
  expect(expressionsPage()).toContain("| `matches(event.x, \"regex\")` | boolean |");
});
