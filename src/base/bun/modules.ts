import type { Modules } from "../world.ts";

export class BunModules implements Modules {
  async load(path: string, version: number): Promise<Readonly<Record<string, unknown>>> {
    // Bun keeps modules by their whole name, the part behind the question mark included.
    return (await import(`${path}?v=${version}`)) as Readonly<Record<string, unknown>>;
  }
}
