import type { World } from "../base/world.ts";
import { durationOption, type Input, type OptionDefinition } from "./command.ts";
import { formatTable, type Table } from "./output.ts";

export const LIVE_OPTIONS: readonly OptionDefinition[] = [
  { long: "interval", value: "TIME", about: "between two looks", default: "1s" },
  { long: "once", about: "one look at the rates, then end" },
];

const CLEAR = "\u001b[H\u001b[2J";

/** At least a tenth of a second: a look costs the one that is looked at something too. */
export function intervalOf(input: Input): number {
  return Math.max(100, durationOption(input, "interval") ?? 1000);
}

/** A table of what changed between two looks, again and again until Ctrl-C. */
export async function showLive<Reading>(
  world: World,
  input: Input,
  look: () => Promise<Reading>,
  table: (before: Reading, now: Reading) => Table,
): Promise<void> {
  const intervalMs = intervalOf(input);
  let before = await look();
  let ended = false;
  const stop = world.signals.on("SIGINT", () => (ended = true));
  while (!ended) {
    await world.clock.sleep(intervalMs);
    const now = await look();
    const text = formatTable(table(before, now));
    const live = world.stdio.stdout.isTerminal && !input.flag("once");
    world.stdio.stdout.write(live ? CLEAR + text : text);
    before = now;
    if (input.flag("once")) break;
  }
  stop();
}
