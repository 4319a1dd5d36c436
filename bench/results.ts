/**
 * What a bench writes down, and how it is read: bench/results/AREA.json and docs/performance.md.
 */
import { readFileSync, readdirSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";

export interface AreaResult {
  readonly area: string;
  readonly date: string;
  /** A quick run has few and short rounds: its figures are for a first look. */
  readonly quick: boolean;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
}

export interface Row {
  /** Stays the same: `http1/policies/1KB/c64`. */
  readonly id: string;
  /** What was done, and what each one did for it. */
  readonly work: string;
  readonly unit: string;
  readonly better: "lower" | "higher";
  /** The median of the rounds. */
  readonly values: Readonly<Record<string, number>>;
  readonly rounds: number;
  /** The least and the most of the rounds. */
  readonly spread: Readonly<Record<string, readonly [number, number]>>;
}

export function thisMachine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
  };
}

/** A row from the rounds' figures of each. */
export function row(
  about: Pick<Row, "id" | "work" | "unit" | "better">,
  figures: ReadonlyMap<string, readonly number[]>,
): Row {
  const values: Record<string, number> = {};
  const spread: Record<string, readonly [number, number]> = {};
  let rounds = 0;
  for (const [name, all] of figures) {
    const sorted = [...all].sort((a, b) => a - b);
    values[name] = rounded(median(sorted));
    spread[name] = [rounded(sorted[0]!), rounded(sorted.at(-1)!)];
    rounds = sorted.length;
  }
  return { ...about, values, rounds, spread };
}

export function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which the part `q` of them lies; nearest rank. */
export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
}

/** Three digits that count. */
function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

export function readResults(folder: string): AreaResult[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
  return names
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as AreaResult);
}

const OURS = "outrigger";

/** Values side by side; behind each of the others, how many times ours it is. */
export function table(rows: readonly Row[]): string[][] {
  const names = [...new Set(rows.flatMap((one) => Object.keys(one.values)))];
  const cells = rows.map((one) => [
    one.id,
    one.unit,
    ...names.map((name) => {
      const value = one.values[name];
      const ours = one.values[OURS];
      if (value === undefined) return "-";
      if (name === OURS || ours === undefined || ours === 0) return String(value);
      return `${value} (x${(value / ours).toFixed(2)})`;
    }),
  ]);
  return [["row", "unit", ...names], ...cells];
}

/** The page docs/performance.md. */
export function performancePage(results: readonly AreaResult[]): string {
  const sections = results.map((result) => {
    const [head, ...body] = table(result.rows).map((cells) => `| ${cells.join(" | ")} |`);
    const rule = `|${"---|".repeat(table(result.rows)[0]!.length)}`;
    const works = result.rows.map((one) => {
      const spread = Object.entries(one.spread).map(
        ([name, [low, high]]) => `${name} ${low} to ${high}`,
      );
      return `- \`${one.id}\`: ${one.work} ${one.rounds} rounds: ${spread.join(", ")}.`;
    });
    const { cpu, cores, memoryGib, kernel } = result.machine;
    const versions = Object.entries(result.versions).map(([name, version]) => `${name} ${version}`);
    return `## ${result.area}

${[head, rule, ...body].join("\n")}

${works.join("\n")}

${result.date}${result.quick ? ", a quick run" : ""}; ${cores} x ${cpu}, ${memoryGib} GiB, \
Linux ${kernel}; ${versions.join(", ")}.`;
  });
  return `# Performance

Measured by \`make bench\`, which runs ours and the others side by side on one machine, in
alternating rounds, configured to do the same work with one worker each. A figure is the median of
the rounds; behind it, in brackets, how many times ours it is. CPU is user and system time of the
proxy's processes; the load generator and the upstream share the machine. Such figures compare; they
promise nothing.

${sections.join("\n\n")}
`;
}
