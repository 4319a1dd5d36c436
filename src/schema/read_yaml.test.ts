import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { valueOf } from "./node.ts";
import { MAX_DEPTH, MAX_DOCUMENTS, MAX_FILE_LENGTH, MAX_NODES, readYaml } from "./read_yaml.ts";

const values = (text: string): unknown[] => readYaml("f", text).documents.map(valueOf);
const messages = (text: string): string[] => {
  return readYaml("f", text).problems.map((p) => `${p.line}:${p.column}: ${p.message}`);
};

test("any JSON text is read as JSON.parse reads it", () => {
  const value = fc.jsonValue({ maxDepth: 4 }).filter((one) => one !== null && hasNoFffd(one));
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 2, "\t"), (one, indent) => {
      const text = JSON.stringify(one, null, indent);
      expect(messages(text)).toEqual([]);
      expect(values(text)).toEqual([JSON.parse(text)]);
    }),
    { seed: 1, numRuns: 300 },
  );
});

function hasNoFffd(value: unknown): boolean {
  const text = JSON.stringify(value);
  return !text.includes("\uFFFD") && !text.includes("__proto__") && !text.includes('"<<"');
}

test("documents, comments, a byte order mark and Windows line ends", () => {
  expect(values("\uFEFF# c\r\na: 1\r\n---\r\n---\r\nb: x\r\n...\r\n")).toEqual([
    { a: 1 },
    { b: "x" },
  ]);
});

test("words of other YAML versions are texts, and numbers keep what was written", () => {
  expect(values("on: yes\nv: 1.10\nd: 2026-01-31\nt: 08:30\n")).toEqual([
    { on: "yes", v: 1.1, d: "2026-01-31", t: "08:30" },
  ]);
});

test("a key __proto__ is a key like any other", () => {
  const [root] = readYaml("f", "__proto__: { x: 1 }\n").documents;
  expect(root).toMatchObject({ entries: [{ key: "__proto__" }] });
  expect(({} as { x?: number }).x).toBeUndefined();
});

describe("bounds", () => {
  test("a file that is too large", () => {
    expect(messages("#".repeat(MAX_FILE_LENGTH + 1))).toEqual([
      "1:1: the file is larger than 1048576 characters",
    ]);
  });
  test("too many documents", () => {
    const read = readYaml("f", "a: 1\n---\n".repeat(MAX_DOCUMENTS + 5));
    expect(read.documents).toHaveLength(MAX_DOCUMENTS);
    expect(read.problems).toHaveLength(1);
  });
  test("brackets and lists that are nested too deeply", () => {
    const deep = 10_000;
    expect(messages("[".repeat(deep))[0]).toContain(`deeper than ${MAX_DEPTH}`);
    expect(messages("- ".repeat(deep))[0]).toContain(`deeper than ${MAX_DEPTH}`);
    const steps = Array.from({ length: 400 }, (_, i) => `${" ".repeat(i)}a:\n`).join("");
    expect(messages(steps)[0]).toContain(`deeper than ${MAX_DEPTH}`);
  });
  test("aliases that unfold to too much", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 9; i++) {
      lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(", ")}]`);
    }
    expect(messages(lines.join("\n"))[0]).toContain(`more than ${MAX_NODES} values`);
  });
  test("many keys are compared in one pass", () => {
    const keys = Array.from({ length: 50_000 }, (_, i) => `k${i}: 1`);
    expect(messages([...keys, "k7: 2"].join("\n"))).toEqual([
      '50001:1: "k7" stands there twice, first in line 8',
    ]);
  });
});

test.each([
  ["a\0b", "1:2: a zero byte: this is no text file"],
  ["a: b\nc: \uFFFD\n", "2:4: bytes that are not UTF-8 (or U+FFFD itself): this is no text file"],
])("%j is no text file", (text, message) => expect(messages(text)).toEqual([message]));
