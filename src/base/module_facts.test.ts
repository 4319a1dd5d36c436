import { expect, test } from "bun:test";
import { moduleFacts } from "./module_facts.ts";

test("what a module exports is told without running it", () => {
  const source = [
    'import type { Filter } from "outrigger/filter";',
    'import { key } from "./key.ts";',
    'throw new Error("it must not run");',
    "export const answer: number = key as number;",
    "export default {} satisfies Filter;",
  ].join("\n");
  const { exports, problem } = moduleFacts(source);
  expect([...exports].sort()).toEqual(["answer", "default"]);
  expect(problem).toBeNull();
  expect(moduleFacts("const a = {};\nexport { a as default };").exports).toEqual(["default"]);
  expect(moduleFacts("module.exports = 5;").exports).toEqual([]);
});

test("a mistake has its line and column", () => {
  const one = moduleFacts("\n\nconst x = ;\n");
  expect(one.problem).toEqual({ line: 3, column: 11, text: "Unexpected ;" });
  const several = moduleFacts("export default { a( };").problem!;
  expect([several.line, several.column]).toEqual([1, 21]);
  expect(several.text).toContain("Expected identifier");
});
