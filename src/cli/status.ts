import type { SetStatus } from "../local/status.ts";
import type { Command } from "./command.ts";
import { FILE_OPTION, FILES_ARGUMENT, outputOption } from "./command.ts";
import type { Table } from "./output.ts";
import { printData } from "./output.ts";

export const status: Command = {
  name: "status",
  summary: "show what up runs",
  arguments: [
    { ...FILES_ARGUMENT, about: "the files that up was given; the only set without them" },
  ],
  options: [
    FILE_OPTION,
    { long: "name", value: "NAME", about: "the set's name" },
    outputOption("table"),
  ],
  examples: [
    { line: "outrigger status", about: "processes with state, port, restarts and requests" },
    { line: "outrigger status -o json", about: "the same with all that the sidecars count" },
  ],
  async run(world, input) {
    const { findSet } = await import("../local/running_record.ts");
    const { statusOf } = await import("../local/status.ts");
    const files = [...input.words, ...input.list("file")];
    const { record } = findSet(world, input.text("name"), files);
    const value = await statusOf(world, record);
    await printData(world, input.text("output") ?? "table", value, () => statusTable([value]));
    return value.phase === "killed" ? 9 : 0;
  },
};

const COLUMNS = [
  ...["set", "process", "state", "port", "pid"],
  ...["restarts", "up", "requests", "breakers"],
];

export function statusTable(sets: readonly SetStatus[]): Table {
  const rows = sets.flatMap((set) =>
    set.processes.map((process) => [
      set.phase === "ready" ? set.name : `${set.name} (${set.phase})`,
      process.id,
      process.pid === null && process.state !== "waiting" ? "gone" : process.state,
      process.port === null ? "-" : String(process.port),
      process.pid === null ? "-" : String(process.pid),
      String(process.restarts),
      process.upMs === null ? "-" : `${Math.round(process.upMs / 1000)}s`,
      String(requests(process.stats)),
      breakers(process.stats),
    ]),
  );
  return { columns: COLUMNS, rows };
}

type Stats = SetStatus["processes"][number]["stats"];

function requests(stats: Stats): string {
  if (stats === null) return "-";
  const came = stats.listeners.filter(({ direction }) => direction !== "outbound");
  const answers = came.flatMap(({ routes }) => routes.flatMap((route) => route.answersByClass));
  return String(answers.reduce((sum, count) => sum + count, 0));
}

function breakers(stats: Stats): string {
  const some = (stats?.clusters ?? []).filter(({ breaker }) => breaker !== "none");
  return some.length === 0 ? "-" : some.map(({ name, breaker }) => `${name} ${breaker}`).join(", ");
}
