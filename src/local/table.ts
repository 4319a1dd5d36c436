import type { Colours } from "../base/colour.ts";
import type { ProcessRecord } from "./running_record.ts";
import type { WorkloadStats } from "./collect_stats.ts";

const COLUMNS = ["app", "state", "req/s", "errors", "p50", "p99", "breakers"];

/** The live table's lines, one a workload, none wider than `width`. */
export function tableLines(
  processes: readonly ProcessRecord[],
  stats: readonly WorkloadStats[],
  colours: Colours,
  width: number,
): readonly string[] {
  const byWorkload = new Map(stats.map((one) => [one.workload, one]));
  const workloads = new Map<string, ProcessRecord[]>();
  for (const process of processes) {
    workloads.set(process.workload, [...(workloads.get(process.workload) ?? []), process]);
  }
  const rows = [...workloads].map(([workload, own]) => row(own, byWorkload.get(workload) ?? null));
  const widths = COLUMNS.map((column, at) =>
    Math.max(column.length, ...rows.map((cells) => cells[at]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd()
      .slice(0, width);
  return [
    colours.dim("-".repeat(Math.max(0, Math.min(width, 72)))),
    colours.bold(line(COLUMNS)),
    ...rows.map((cells) => paint(line(cells), colours)),
  ];
}

function row(processes: readonly ProcessRecord[], stats: WorkloadStats | null): readonly string[] {
  const app = processes.find(({ role }) => role !== "sidecar") ?? processes[0];
  const states = processes.map((one) => stateText(one)).filter((text) => text !== "ready");
  const head = [app?.label ?? "", states.length === 0 ? "ready" : states.join(", ")];
  if (stats === null) return [...head, "-", "-", "-", "-", "-"];
  const { rates } = stats;
  const breakers = stats.stats.clusters
    .filter(({ breaker }) => breaker !== "none")
    .map(({ name, breaker }) => `${name} ${breaker}`);
  return [
    ...head,
    rates.requestsPerSecond.toFixed(1),
    `${(rates.errorRatio * 100).toFixed(1)}%`,
    milliseconds(rates.p50Ms),
    milliseconds(rates.p99Ms),
    breakers.length === 0 ? "-" : breakers.join(", "),
  ];
}

function stateText(process: ProcessRecord): string {
  const text = process.state === "waiting" ? "crashed" : process.state;
  return process.role === "sidecar" && text !== "ready" ? `sidecar ${text}` : text;
}

function milliseconds(value: number | null): string {
  if (value === null) return "-";
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

function paint(line: string, colours: Colours): string {
  if (line.includes("crashed") || / open\b/.test(line)) return colours.red(line);
  if (line.includes("half-open") || line.includes("starting")) return colours.yellow(line);
  return line;
}
