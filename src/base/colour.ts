import type { TextOutput, World } from "./world.ts";

/** Colours for one output; each returns its text unchanged where colour is not wanted. */
export interface Colours {
  readonly enabled: boolean;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
  /** One of six that are told apart well, by number: for prefixes. */
  nth(index: number, text: string): string;
}

const PALETTE = [36, 33, 35, 32, 34, 96];

/** Colour goes to a terminal only, and not where NO_COLOR (no-color.org) or TERM=dumb says so. */
export function coloursFor(world: World, output: TextOutput): Colours {
  const { env } = world.processes.self;
  const enabled = output.isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  const wrap = (code: number) => (text: string) =>
    enabled ? `\x1b[${code}m${text}\x1b[0m` : text;
  return {
    enabled,
    red: wrap(31),
    green: wrap(32),
    yellow: wrap(33),
    dim: wrap(2),
    bold: wrap(1),
    nth: (index, text) => wrap(PALETTE[index % PALETTE.length] ?? 36)(text),
  };
}
