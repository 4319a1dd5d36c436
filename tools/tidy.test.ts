import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { roomsPage, tidy } from "./tidy.ts";

const roots: string[] = [];

function complaints(files: Readonly<Record<string, string>>): readonly string[] {
  return tidy(tree(files)).complaints;
}

function tree(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "tidy-"));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

describe("ranks", () => {
  test("a lower room is fine, an upper and a sibling one are not, types included", () => {
    const found = complaints({
      "src/base/a.ts": `import type { P } from "../proxy/p.ts";`,
      "src/schema/s.ts": `import { c } from "../codec/c.ts";`,
      "src/codec/c.ts": `import { a } from "../base/a.ts";`,
      "src/proxy/p.ts": `import { a } from "../base/a.ts";`,
    });
    expect(found).toHaveLength(2);
    expect(found[0]).toStartWith("src/base/a.ts:1: base/ (rank 0) imports src/proxy/p.ts");
    expect(found[0]).toContain("ranks above it");
    expect(found[1]).toContain("src/schema/s.ts:1: schema/ (rank 1) imports src/codec/c.ts");
    expect(found[1]).toContain("is its sibling");
  });

  test("a folder that is no room is named", () => {
    expect(complaints({ "src/helpers/a.ts": "" })[0]).toContain('"helpers" is no room');
  });

  test("main.ts may import all rooms, and tests the simulation", () => {
    const files = {
      "src/main.ts": `import { c } from "./cli/c.ts"; import "./base/bun/mod.ts";`,
      "src/cli/c.ts": "",
      "src/base/bun/mod.ts": "",
      "src/sim/s.ts": `import "../cli/c.ts";`,
      "src/proxy/p.test.ts": `import "../sim/s.ts";`,
    };
    expect(complaints(files)).toEqual([]);
    expect(complaints({ ...files, "src/proxy/p.ts": `import "../sim/s.ts";` })).toHaveLength(1);
  });

  test("a cycle of files is shown whole; one of types or of later imports is none", () => {
    const found = complaints({
      "src/proxy/a.ts": `import "./b.ts";`,
      "src/proxy/b.ts": `import "./c.ts";`,
      "src/proxy/c.ts": `import "./a.ts";`,
      "src/http/a.ts": `import type { B } from "./b.ts";`,
      "src/http/b.ts": `import { a } from "./a.ts";`,
      "src/cli/mod.ts": `const list = [() => import("./a.ts")];`,
      "src/cli/a.ts": `import "./mod.ts";`,
    });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(
      "src/proxy/a.ts -> src/proxy/b.ts -> src/proxy/c.ts -> src/proxy/a.ts",
    );
  });
});

describe("the World", () => {
  const cases: readonly [string, string][] = [
    ["Bun.sleep(1);", "Bun"],
    ["process.env.HOME;", "world.processes.self"],
    ["process.stdout.write(a);", "world.stdio"],
    ["process.on(a, b);", "world.signals"],
    ["Date.now();", "world.clock.wallMs()"],
    ["new Date();", "world.clock.wallMs()"],
    ["performance.now();", "world.clock.now()"],
    ["setTimeout(f, 1);", "world.clock.after()"],
    ["Math.random();", "world.random.next()"],
    ["crypto.randomUUID();", "world.random.secureBytes()"],
    ["fetch(url);", "world.net"],
    ["console.log(a);", "world.stdio"],
    [`import { readFileSync } from "node:fs";`, "node:fs"],
    [`import { x } from "bun:sqlite";`, "bun:sqlite"],
    [`import { createBunWorld } from "../base/bun/mod.ts";`, "only src/main.ts"],
  ];
  test.each(cases)("%p is refused with what to use", (code, advice) => {
    const found = complaints({ "src/proxy/a.ts": `\n${code}` });
    expect(found).toHaveLength(1);
    expect(found[0]).toStartWith("src/proxy/a.ts:2: ");
    expect(found[0]).toContain(advice);
  });

  test("what only looks like it is fine", () => {
    const source = [
      `import { join } from "node:path";`,
      `// Date.now, process.env`,
      `const text = "Bun.listen and fetch(x)"; const date = new Date(wallMs);`,
      `stream.process.next(); this.fetch(a); queueMicrotask(f); child.performance.x;`,
      "const page = `setTimeout(${a})`;",
    ].join("\n");
    const own = "for (const process of all) process.stop();";
    expect(complaints({ "src/proxy/a.ts": source, "src/local/b.ts": own })).toEqual([]);
  });

  test("base, tests, contracts, test data, sim and the console's page are exempt", () => {
    const paths = [
      "src/base/a.ts",
      "src/proxy/a.test.ts",
      "src/proxy/a_contract.ts",
      "src/proxy/testdata/a.ts",
      "src/sim/a.ts",
      "src/console/page/a.ts",
    ];
    expect(complaints(Object.fromEntries(paths.map((path) => [path, "Date.now();"])))).toEqual([]);
  });
});

describe("components", () => {
  const command = "export const upCommand: Command = {};";

  test("one in its list with a test beside it is fine, and so is a supporting file", () => {
    const files = {
      "src/cli/mod.ts": `const list = [() => import("./up.ts")];`,
      "src/cli/up.ts": command,
      "src/cli/up.test.ts": "",
      "src/cli/table.ts": "export const WIDTH = 80;",
    };
    expect(complaints(files)).toEqual([]);
  });

  test("one that is not listed or has no test is named", () => {
    const found = complaints({ "src/cli/mod.ts": "", "src/cli/up.ts": command });
    expect(found).toHaveLength(2);
    expect(found[0]).toContain("write src/cli/up.test.ts");
    expect(found[1]).toContain("src/cli/mod.ts does not list it");
  });
});

test("the page draws an arrow for each import between rooms", () => {
  const root = tree({ "src/proxy/a.ts": `import "../base/b.ts";`, "src/base/b.ts": "" });
  const page = roomsPage(tidy(root));
  expect(page).toContain('  proxy["proxy (4)"]\n  base["base (0)"]\n  proxy --> base\n');
});
