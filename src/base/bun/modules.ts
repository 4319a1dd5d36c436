import { dirname } from "node:path";
import { readFileSync } from "node:fs";
import { MAX_OWN_IMPORTS, type Modules } from "../world.ts";

export class BunModules implements Modules {
  async load(path: string, version: number): Promise<Readonly<Record<string, unknown>>> {
    const key = `${path}?v=${version}`;
    if (require.cache[key] === undefined) {
      for (const own of [path, ...this.imports(path)]) delete require.cache[own];
    }
    // Bun keeps modules by their whole name, the part behind the question mark included.
    return (await import(key)) as Readonly<Record<string, unknown>>;
  }

  imports(path: string): readonly string[] {
    const found = new Set<string>();
    const open = [path];
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      for (const one of ownImports(file)) {
        if (one === path || found.has(one) || found.size === MAX_OWN_IMPORTS) continue;
        found.add(one);
        open.push(one);
      }
    }
    return [...found];
  }
}

const SCANNER = new Bun.Transpiler({ loader: "ts" });

/** What a file imports by a relative path; nothing where it cannot be read: loading it says why. */
function ownImports(file: string): string[] {
  if (!/\.[cm]?[jt]s$/.test(file)) return [];
  const own: string[] = [];
  try {
    for (const { path } of SCANNER.scanImports(readFileSync(file, "utf8"))) {
      if (path.startsWith(".")) own.push(Bun.resolveSync(path, dirname(file)));
    }
  } catch {
    // A mistake in it, or in a name: what was found until then is watched.
  }
  return own;
}
