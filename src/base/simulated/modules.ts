import type { Files, Modules } from "../world.ts";

/**
 * Runs files of the simulated disk. They may export by `export default` and `export const` or
 * `function`, and import nothing but types.
 */
export class SimulatedModules implements Modules {
  #files: Files;
  #loaded = new Map<string, Readonly<Record<string, unknown>>>();

  constructor(files: Files) {
    this.#files = files;
  }

  /** They cannot import any. */
  imports(): readonly string[] {
    return [];
  }

  async load(path: string, version: number): Promise<Readonly<Record<string, unknown>>> {
    const key = `${path}?v=${version}`;
    const known = this.#loaded.get(key);
    if (known !== undefined) return known;
    const script = new Bun.Transpiler({ loader: "ts" }).transformSync(this.#files.readText(path));
    const names: string[] = [];
    const body = script
      .replace(/^export default /m, "exports.default = ")
      .replace(
        /^export ((?:async )?(?:const|let|function\*?) (\w+))/gm,
        (_, start: string, name: string) => {
          names.push(name);
          return start;
        },
      )
      // The transpiler gathers what was exported at its end.
      .replace(/^export \{([^}]*)\};?$/gm, (_, list: string) => {
        const pairs = list.split(",").map((one) => one.trim().split(/\s+as\s+/));
        return pairs
          .filter(([name]) => name !== "")
          .map(([name, as]) => `exports.${as ?? name} = ${name};`)
          .join("\n");
      });
    const tail = names.map((name) => `exports.${name} = ${name};`).join("\n");
    const exports: Record<string, unknown> = {};
    new Function("exports", `"use strict";\n${body}\n${tail}`)(exports);
    this.#loaded.set(key, exports);
    return exports;
  }
}
