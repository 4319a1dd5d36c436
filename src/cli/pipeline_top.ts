import type { PipelineState } from "../pipeline/state.ts";
import type { Command } from "./command.ts";
import { outputOption } from "./command.ts";
import { LIVE_OPTIONS, showLive } from "./live.ts";
import { printData, type Table } from "./output.ts";
import { askPipelines, PLACE_OPTIONS } from "./pipeline_ledger.ts";

interface Reading {
  readonly atMs: number;
  readonly pipelines: Readonly<Record<string, PipelineState>>;
}

export const pipelineTop: Command = {
  name: "pipeline top",
  summary: "rates, lag and buffers of a running pipeline, live",
  options: [
    ...PLACE_OPTIONS,
    ...LIVE_OPTIONS,
    outputOption("table", ["json", "table"]),
  ],
  examples: [
    { line: "outrigger pipeline top", about: "until Ctrl-C" },
    { line: "outrigger pipeline top --once -o json", about: "the state as data" },
  ],
  async run(world, input) {
    const look = async () => (await askPipelines(world, input, "GET", "/state")) as Reading;
    if (input.text("output") === "json") await printData(world, "json", (await look()).pipelines);
    else await showLive(world, input, look, topTable);
    return 0;
  },
};

export function topTable(before: Reading, now: Reading): Table {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  const rate = (is: number, was: number): string => `${Math.round((is - was) / seconds)}/s`;
  const rows: string[][] = [];
  for (const [pipeline, state] of Object.entries(now.pipelines)) {
    const old = before.pipelines[pipeline]?.ledger;
    for (const [name, line] of Object.entries(state.ledger.sources)) {
      const own = state.sources[name];
      const lag = own?.lagBytes == null ? "-" : bytesText(own.lagBytes);
      const flight = own === undefined ? "-" : bytesText(own.inFlightBytes);
      const waits = own?.isWaiting === true ? "waits" : "";
      const got = rate(line.received, old?.sources[name]?.received ?? line.received);
      const out = rate(line.delivered, old?.sources[name]?.delivered ?? line.delivered);
      rows.push([pipeline, `source ${name}`, got, out, `${line.buffered}`, flight, lag, waits]);
    }
    for (const [name, line] of Object.entries(state.ledger.sinks)) {
      const own = state.sinks[name];
      const got = rate(line.received, old?.sinks[name]?.received ?? line.received);
      const out = rate(line.delivered, old?.sinks[name]?.delivered ?? line.delivered);
      const disk = own?.diskBytes == null ? "-" : bytesText(own.diskBytes);
      const fill = own === undefined ? "" : `${Math.round(own.fill * 100)}% full`;
      const oldest = own === undefined ? "-" : `${(own.oldestMs / 1000).toFixed(1)}s`;
      rows.push([pipeline, `sink ${name}`, got, out, `${line.buffered}`, disk, oldest, fill]);
    }
  }
  const columns = ["pipeline", "component", "in", "out", "buffered", "bytes", "lag", "state"];
  return { columns, rows };
}

function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const kib = bytes / 1024;
  return kib < 1024 ? `${kib.toFixed(0)}KiB` : `${(kib / 1024).toFixed(1)}MiB`;
}
