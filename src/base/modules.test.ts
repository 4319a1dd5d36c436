import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBunWorld } from "./bun/mod.ts";
import { createSimulatedWorld } from "./simulated/mod.ts";
import type { Modules } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "modules-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SCRIPT = `import type { Step } from "outrigger/pipeline";
export const factor: number = 2;
export function twice(x: number): number { return x * factor; }
export default (x: number): number => twice(x) + 1;
`;

const simulated = createSimulatedWorld({ seed: 1 });
simulated.files.makeFolder("/steps");

interface Twin {
  readonly modules: Modules;
  readonly path: (name: string) => string;
  readonly write: (path: string, text: string) => void;
}

const twins: Record<string, Twin> = {
  Bun: {
    modules: createBunWorld().modules,
    path: (name) => join(folder, name),
    write: writeFileSync,
  },
  simulated: {
    modules: simulated.modules,
    path: (name) => `/steps/${name}`,
    write: (path, text) => simulated.files.write(path, text),
  },
};

for (const [name, { modules, path, write }] of Object.entries(twins)) {
  describe(`modules, ${name}`, () => {
    test("TypeScript runs, types and type imports are passed over", async () => {
      write(path("a.ts"), SCRIPT);
      const loaded = await modules.load(path("a.ts"), 1);
      expect((loaded["default"] as (x: number) => number)(4)).toBe(9);
      expect((loaded["twice"] as (x: number) => number)(4)).toBe(8);
      expect(loaded["factor"]).toBe(2);
    });

    test("another version runs the file again, the same one does not", async () => {
      write(path("b.ts"), "export default () => 1;");
      const first = await modules.load(path("b.ts"), 1);
      write(path("b.ts"), "export default () => 2;");
      expect(await modules.load(path("b.ts"), 1)).toBe(first);
      const second = await modules.load(path("b.ts"), 2);
      expect((second["default"] as () => number)()).toBe(2);
    });

    test("what is missing or wrong rejects", async () => {
      write(path("c.ts"), "export default ((;");
      write(path("d.ts"), "throw new Error('no price list');");
      expect(modules.load(path("c.ts"), 1)).rejects.toThrow();
      expect(modules.load(path("d.ts"), 1)).rejects.toThrow("no price list");
      expect(modules.load(path("none.ts"), 1)).rejects.toThrow();
    });
  });
}

test("what a file imports by relative paths is told, and runs again with it", async () => {
  const { modules } = createBunWorld();
  const path = (name: string): string => join(folder, name);
  writeFileSync(path("top.ts"), 'import { n } from "./mid"; import "node:path"; export default n;');
  writeFileSync(path("mid.ts"), 'export { n } from "./low.ts"; import type { A } from "./none.ts";');
  writeFileSync(path("low.ts"), 'import "./mid.ts"; export const n = 1;');
  expect([...modules.imports(path("top.ts"))].sort()).toEqual([path("low.ts"), path("mid.ts")]);
  expect((await modules.load(path("top.ts"), 1))["default"]).toBe(1);
  writeFileSync(path("low.ts"), "export const n = 2;");
  expect((await modules.load(path("top.ts"), 1))["default"]).toBe(1);
  expect((await modules.load(path("top.ts"), 2))["default"]).toBe(2);
  writeFileSync(path("low.ts"), "export const n = ;");
  expect(modules.load(path("top.ts"), 3)).rejects.toThrow();
  expect(modules.imports(path("gone.ts"))).toEqual([]);
});
