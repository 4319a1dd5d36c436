import type { TracedEvent } from "../pipeline/trace.ts";
import type { Command } from "./command.ts";
import { durationOption, outputOption } from "./command.ts";
import { askPipelines, PLACE_OPTIONS } from "./pipeline_ledger.ts";

interface Traced {
  readonly pipeline: string;
  readonly isFull: boolean;
  readonly events: readonly TracedEvent[];
}

const LOOK_MS = 250;

export const pipelineTrace: Command = {
  name: "pipeline trace",
  summary: "follow some events: what each step made of them, why one was dropped",
  options: [
    ...PLACE_OPTIONS,
    { long: "count", value: "N", about: "events to follow", default: "10" },
    { long: "every", value: "N", about: "each n-th of those that come", default: "1" },
    { long: "for", value: "TIME", about: "wait for them at most so long", default: "10s" },
    { long: "pipeline", value: "NAME", about: "only this one of the process" },
    outputOption("text", ["text", "json"]),
  ],
  examples: [
    { line: "outrigger pipeline trace --count 5", about: "the next five events" },
    {
      line: "outrigger pipeline trace -o json > captured.jsonl",
      about: "a line an event, as pipeline replay reads them",
    },
  ],
  async run(world, input) {
    const count = input.number("count", { min: 1, max: 1000 }) ?? 10;
    const every = input.number("every", { min: 1, max: 1_000_000 }) ?? 1;
    const pipeline = input.text("pipeline");
    const only = pipeline === null ? "" : `&pipeline=${encodeURIComponent(pipeline)}`;
    await askPipelines(world, input, "POST", `/trace?count=${count}&every=${every}${only}`);
    const endMs = world.clock.now() + (durationOption(input, "for") ?? 10_000);
    let traced: readonly Traced[] = [];
    let full = false;
    do {
      await world.clock.sleep(LOOK_MS);
      traced = (await askPipelines(world, input, "GET", "/trace")) as readonly Traced[];
      // Once more behind the last one, so that what comes of it is seen.
      if (full) break;
      full = traced.some(({ isFull }) => isFull);
    } while (world.clock.now() < endMs);
    await askPipelines(world, input, "DELETE", "/trace");
    for (const { pipeline: name, events } of traced) {
      for (const event of events) {
        const text = input.text("output") === "json" ? JSON.stringify(event) : shown(name, event);
        world.stdio.stdout.write(`${text}\n`);
      }
    }
    const found = traced.reduce((sum, { events }) => sum + events.length, 0);
    if (found === 0) world.stdio.stderr.write("no event came in this time\n");
    return 0;
  },
};

function shown(pipeline: string, { id, source, path, in: came, happened }: TracedEvent): string {
  const from = path === "" ? source : `${source} (${path})`;
  const lines = happened.map(({ where, what, reason, event, made }) => {
    const why = reason === undefined ? "" : `: ${reason}`;
    const which = made === undefined ? "" : ` [${made.slice(made.lastIndexOf("-"))}]`;
    const after = event === undefined ? "" : `\n      ${event}`;
    return `  ${where}  ${what}${why}${which}${after}`;
  });
  return [`${pipeline} ${id} from ${from}`, `  ${came}`, ...lines].join("\n");
}
