import type { ProxyStats } from "../api/stats.ts";
import { type TopRow, topRows } from "../operate/top.ts";
import type { World } from "../base/world.ts";
import type { Command, Input } from "./command.ts";
import { outputOption } from "./command.ts";
import { intervalOf, LIVE_OPTIONS, showLive } from "./live.ts";
import { printData, type Table } from "./output.ts";
import { APP_ARGUMENT, saySilent, SIDECAR_OPTIONS, wantedPlaces } from "./sidecar_options.ts";

interface Reading {
  readonly atMs: number;
  readonly byApp: ReadonlyMap<string, ProxyStats>;
}

export const top: Command = {
  name: "top",
  summary: "rates, errors and latencies of routes and clusters of what runs, live",
  arguments: [APP_ARGUMENT],
  options: [
    ...SIDECAR_OPTIONS,
    ...LIVE_OPTIONS,
    {
      ...{ long: "by", value: "WHAT", about: "only these rows", default: "all" },
      choices: ["route", "cluster", "all"],
    },
    outputOption("table", ["json", "yaml", "table"]),
  ],
  examples: [
    { line: "outrigger top", about: "all apps, until Ctrl-C" },
    { line: "outrigger top frontend --once", about: "one look at the rates" },
    { line: "outrigger top --by cluster -o json", about: "one look as data" },
  ],
  async run(world, input) {
    const places = await wantedPlaces(world, input, input.words[0] ?? null);
    const { askAll } = await import("../local/sidecars.ts");
    const look = async (): Promise<Reading> => {
      const { answers, silent } = await askAll<ProxyStats>(world, places, "/stats");
      saySilent(world, silent);
      const byApp = new Map(answers.map(([{ workload }, stats]) => [workload, stats]));
      return { atMs: world.clock.now(), byApp };
    };
    const rows = (before: Reading, now: Reading) => rowsBetween(input, before, now);
    const format = input.text("output") ?? "table";
    if (format !== "table") await printOnce(world, input, format, look, rows);
    else await showLive(world, input, look, (before, now) => topTable(rows(before, now)));
    return 0;
  },
};

async function printOnce(
  world: World,
  input: Input,
  format: string,
  look: () => Promise<Reading>,
  rows: (before: Reading, now: Reading) => readonly TopRow[],
): Promise<void> {
  const before = await look();
  await world.clock.sleep(intervalOf(input));
  await printData(world, format, rows(before, await look()));
}

function rowsBetween(input: Input, before: Reading, now: Reading): TopRow[] {
  const by = input.text("by") ?? "all";
  const rows = [...now.byApp].flatMap(([app, stats]) =>
    topRows(app, before.byApp.get(app) ?? null, stats, now.atMs - before.atMs),
  );
  return rows.filter(({ kind }) => by === "all" || kind === by);
}

const COLUMNS = [
  ...["app", "what", "name", "rate", "errors", "p50", "p99", "active"],
  ...["retries", "refused", "breaker"],
];

export function topTable(rows: readonly TopRow[]): Table {
  const lines = rows.map((row) => {
    const isRoute = row.kind === "route";
    const name = isRoute ? `${row.listener} ${row.name}` : row.name;
    const [retries, refused] = [row.retriesPerSecond, row.refusedPerSecond];
    return [
      ...[row.app, row.kind, name, `${row.perSecond.toFixed(1)}/s`],
      `${(row.errorRatio * 100).toFixed(1)}%`,
      ...[msText(row.p50Ms), msText(row.p99Ms), String(row.active)],
      ...(isRoute
        ? ["", "", ""]
        : [`${retries.toFixed(1)}/s`, `${refused.toFixed(1)}/s`, row.breaker]),
    ];
  });
  return { columns: COLUMNS, rows: lines };
}

function msText(value: number | null): string {
  if (value === null) return "-";
  return value < 10 ? `${value.toFixed(1)}ms` : `${Math.round(value)}ms`;
}
