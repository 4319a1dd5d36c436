import type { Ledger } from "../pipeline/ledger.ts";
import type { World } from "../base/world.ts";
import type { Command, Input, OptionDefinition } from "./command.ts";
import { outputOption } from "./command.ts";
import { printData, type Table } from "./output.ts";

/** Which running process is meant: of all commands that ask one. */
export const PLACE_OPTIONS: readonly OptionDefinition[] = [
  { long: "state", value: "DIR", about: "its state folder (.outrigger below this one)" },
  { long: "app", value: "NAME", about: "the pipelines beside this App, in what up runs" },
];

/** @throws Failure "not-running" */
export async function askPipelines(
  world: World,
  input: Input,
  method: string,
  path: string,
): Promise<unknown> {
  const { PipelineClient, pipelineStateFolder } = await import("../local/pipeline_socket.ts");
  const place = { state: input.text("state"), app: input.text("app") };
  const client = new PipelineClient(world, pipelineStateFolder(world, place));
  try {
    return await client.ask(method, path);
  } finally {
    client.close();
  }
}

export const pipelineLedger: Command = {
  name: "pipeline ledger",
  summary: "where every event of a running pipeline is; it always adds up",
  options: [...PLACE_OPTIONS, outputOption("table")],
  examples: [
    { line: "outrigger pipeline ledger", about: "of outrigger pipeline FILE in this folder" },
    { line: "outrigger pipeline ledger --app api -o json", about: "of an App that up runs" },
  ],
  async run(world, input) {
    const ledgers = (await askPipelines(world, input, "GET", "/stats")) as Record<string, Ledger>;
    await printData(world, input.text("output") ?? "table", ledgers, () => ledgerTable(ledgers));
    return 0;
  },
};

/** One row a source and a sink; the reasons of what was dropped stand behind their number. */
export function ledgerTable(ledgers: Readonly<Record<string, Ledger>>): Table {
  const rows: string[][] = [];
  for (const [pipeline, { sources, sinks }] of Object.entries(ledgers)) {
    for (const [name, line] of Object.entries(sources)) {
      const came = [line.received, line.made, line.recovered];
      const dropped = Object.values(line.dropped).reduce((sum, n) => sum + n, 0);
      const went = [line.delivered, dropped, line.buffered, line.deadLettered, line.replaced];
      const reasons = Object.entries(line.dropped).map(([reason, n]) => `${reason} ${n}`);
      const row = [pipeline, `source ${name}`, ...[...came, ...went].map(String)];
      rows.push([...row, reasons.join(", ")]);
    }
    for (const [name, line] of Object.entries(sinks)) {
      const { received, recovered, delivered, dropped, buffered, deadLettered } = line;
      const numbers = [received, "", recovered, delivered, dropped, buffered, deadLettered, ""];
      rows.push([pipeline, `sink ${name}`, ...numbers.map(String), ""]);
    }
  }
  const came = ["received", "+made", "+recovered"];
  const went = ["=delivered", "+dropped", "+buffered", "+dead-lettered", "+replaced"];
  return { columns: ["pipeline", "component", ...came, ...went, "reasons"], rows };
}
