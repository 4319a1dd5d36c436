import { join } from "node:path";
import type { Fields } from "../api/event.ts";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { Letter } from "../pipeline/letter_file.ts";
import type { LetterOrder } from "../sidecar/pipeline_admin.ts";
import type { Command, Input } from "./command.ts";
import { outputOption } from "./command.ts";
import { printData } from "./output.ts";
import { PLACE_OPTIONS } from "./pipeline_ledger.ts";

interface LettersOf {
  readonly pipeline: string;
  readonly letters: readonly Letter[];
}

const ACTIONS = ["list", "show", "edit", "replay", "drop"] as const;

export const pipelineLetters: Command = {
  name: "pipeline dead-letters",
  summary: "list, show, edit, replay or drop what no sink took, with reasons",
  arguments: [
    { name: "action", about: "what to do", required: true, choices: ACTIONS },
    { name: "id", about: "of letters, as list shows them; their first digits are enough", many: true },
  ],
  options: [
    ...PLACE_OPTIONS,
    { long: "pipeline", value: "NAME", about: "only of this pipeline" },
    { long: "where", value: "NAME", about: "only of this sink or step" },
    { long: "all", about: "replay, drop: all that --where and --pipeline leave" },
    { long: "event", value: "JSON", about: "edit: the event's fields from now on" },
    outputOption("table"),
  ],
  examples: [
    { line: "outrigger pipeline dead-letters list", about: "the newest last" },
    {
      line: `outrigger pipeline dead-letters edit 3f2a --event '{"n":1}'`,
      about: "puts a field right; replay then sends it",
    },
    {
      line: "outrigger pipeline dead-letters replay --where search --all",
      about: "sends again what the sink search refused",
    },
  ],
  async run(world, input) {
    const [action = "", ...ids] = input.words;
    const store = await openStore(world, input);
    const all = await store.letters();
    if (action === "list") return list(world, input, all);
    if (action === "show") return show(world, input, all, ids);
    const what = action as LetterOrder["what"];
    const where = input.text("where");
    if (ids.length === 0 && !input.flag("all")) {
      const advice = "name ids, or say --all (with --where for one sink)";
      throw new Failure("usage", `${what} what? no id was given`, advice);
    }
    const event = eventOf(input, what);
    let count = 0;
    for (const { pipeline, letters } of all) {
      const own = ids.filter((id) => letters.some((letter) => letter.id.startsWith(id)));
      if (ids.length > 0 && own.length === 0) continue;
      const order = { what, pipeline, ids: own, where, ...(event === null ? {} : { event }) };
      count += await store.order(order);
    }
    if (count < ids.length) {
      const advice = "pipeline dead-letters list shows the ids";
      throw new Failure("input-not-found", `only ${count} of ${ids.length} ids are there`, advice);
    }
    const later = store.isRunning ? "" : "; they go when the pipeline starts";
    const words = { drop: "dropped", edit: "changed", replay: `sent again${later}` };
    world.stdio.stdout.write(`${count} dead letters ${words[what]}\n`);
    return 0;
  },
};

interface Store {
  readonly isRunning: boolean;
  letters(): Promise<readonly LettersOf[]>;
  order(order: LetterOrder): Promise<number>;
}

/** Asks the running process, which alone may change its file; else works on the files. */
async function openStore(world: World, input: Input): Promise<Store> {
  const { PipelineClient, pipelineStateFolder } = await import("../local/pipeline_socket.ts");
  const place = { state: input.text("state"), app: input.text("app") };
  const stateFolder = pipelineStateFolder(world, place);
  const client = new PipelineClient(world, stateFolder);
  const only = input.text("pipeline");
  const wanted = (all: readonly LettersOf[]): readonly LettersOf[] =>
    all.filter(({ pipeline: name }) => only === null || name === only || name.endsWith(`.${only}`));
  if (await client.isRunning()) {
    return {
      isRunning: true,
      letters: async () => wanted((await client.ask("GET", "/letters")) as readonly LettersOf[]),
      order: async (order) =>
        ((await client.ask("POST", "/letters", order)) as { count: number }).count,
    };
  }
  const { readLetters, lettersPath } = await import("../pipeline/letter_file.ts");
  const { doOrder } = await import("../sidecar/pipeline_admin.ts");
  const root = join(stateFolder, "pipelines");
  const folder = (name: string): string => join(root, encodeURIComponent(name));
  const names = world.files.stat(root) === null ? [] : world.files.list(root);
  const all = names.map((name) => ({
    pipeline: decodeURIComponent(name),
    letters: readLetters(world.files, lettersPath(join(root, name))),
  }));
  return {
    isRunning: false,
    letters: () => Promise.resolve(wanted(all)),
    order: (order) => Promise.resolve(doOrder(world, folder(order.pipeline), order).count),
  };
}

async function list(world: World, input: Input, all: readonly LettersOf[]): Promise<number> {
  const where = input.text("where");
  const rows = all.flatMap(({ pipeline, letters }) =>
    letters
      .filter((letter) => where === null || letter.where === where)
      .map((letter) => ({ pipeline, ...letter })),
  );
  await printData(world, input.text("output") ?? "table", rows, () => ({
    columns: ["id", "at", "pipeline", "where", "source", "reason"],
    rows: rows.map(({ id, at, pipeline, where: place, source, reason }) => {
      return [id, at, pipeline, place, source, reason.slice(0, 100)];
    }),
  }));
  return 0;
}

async function show(
  world: World,
  input: Input,
  all: readonly LettersOf[],
  ids: readonly string[],
): Promise<number> {
  const { chooseLetters } = await import("../pipeline/letter_file.ts");
  const letters = all.flatMap((one) => one.letters);
  const chosen = chooseLetters(letters, { ids, where: input.text("where") });
  const format = input.text("output") ?? "json";
  await printData(world, format === "table" ? "yaml" : format, chosen);
  return 0;
}

function eventOf(input: Input, what: LetterOrder["what"]): Fields | null {
  if (what !== "edit") return null;
  const text = input.required("event");
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Fields;
    }
  } catch {
    // Said below.
  }
  throw new Failure("usage", "--event is not a JSON object", `for example '{"message":"fixed"}'`);
}
