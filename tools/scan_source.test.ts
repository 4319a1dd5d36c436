import { describe, expect, test } from "bun:test";
import { scanSource } from "./scan_source.ts";

const codeOf = (source: string) => scanSource(source).code;
const importsOf = (source: string) =>
  scanSource(source).imports.map(({ specifier, line, kind }) => [specifier, line, kind]);

describe("scanSource", () => {
  test("blanks comments, and keeps every offset and line", () => {
    const source = "a; // Bun.x\n/* Date.now\n */ b;";
    expect(codeOf(source)).toBe("a;         \n           \n    b;");
  });

  test("blanks strings with escapes and keeps the quotes", () => {
    expect(codeOf(String.raw`f("a\"Bun.x", 'b')`)).toBe(`f("        ", ' ')`);
  });

  test("keeps the code inside a template and blanks its text, nested too", () => {
    expect(codeOf("`Bun.${a({ b: `x${c}` })} tail`; d")).toBe("`    ${a({ b: ` ${c}` })}     `; d");
  });

  test("takes a regular expression for one, and a division for one", () => {
    expect(codeOf(`const r = /["'\`/]Bun/g; x = a / b; "s"`)).toBe(
      `const r = /         /g; x = a / b; " "`,
    );
    expect(codeOf(`return /'/.test(a) ? "x" : b`)).toBe(`return / /.test(a) ? " " : b`);
  });

  test("finds every form of import", () => {
    const source = [
      `import a from "./a.ts";`,
      `import type { B } from "./b.ts";`,
      `import {`,
      `  c,`,
      `  type D,`,
      `} from "./c.ts";`,
      `export * from "./e.ts";`,
      `export type { F } from "./f.ts";`,
      `import "./g.ts";`,
      `const h = await import("./h.ts");`,
      `// import "./no.ts";`,
      `const text = 'import "./no.ts"';`,
    ].join("\n");
    expect(importsOf(source)).toEqual([
      ["./a.ts", 1, "static"],
      ["./b.ts", 2, "type"],
      ["./c.ts", 3, "static"],
      ["./e.ts", 7, "static"],
      ["./f.ts", 8, "type"],
      ["./g.ts", 9, "static"],
      ["./h.ts", 10, "dynamic"],
    ]);
  });

  test("ends in spite of an unclosed string, template, comment or expression", () => {
    for (const source of ['"abc', "`abc", "`a${b", "/* abc", "x = /abc", "'\\"]) {
      expect(codeOf(source)).toHaveLength(source.length);
    }
  });
});
