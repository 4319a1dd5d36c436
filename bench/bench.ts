/**
 * Measures ours beside HAProxy, nginx and Envoy, and its pipelines beside rsyslog, syslog-ng and an
 * OpenTelemetry Collector: one machine, one run, alternating rounds, each with one worker and
 * configured to do the same work. A peer that cannot be installed or does not answer is a failed
 * run.
 *
 *   bun bench/bench.ts [--only AREA] [--quick] [--from-source] [--without NAME]...
 *                      [--results FOLDER]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { http1 } from "./areas/http1.ts";
import { latency } from "./areas/latency.ts";
import { memory } from "./areas/memory.ts";
import { odd } from "./areas/odd.ts";
import { pipeline } from "./areas/pipeline.ts";
import { render } from "./areas/render.ts";
import type { Area, Run } from "./areas/area.ts";
import { otelcol } from "./pipelines/otelcol.ts";
import { outriggerPipeline } from "./pipelines/outrigger.ts";
import type { BenchedPipeline } from "./pipelines/pipeline_program.ts";
import { rsyslog } from "./pipelines/rsyslog.ts";
import { syslogNg } from "./pipelines/syslog_ng.ts";
import { envoy } from "./proxies/envoy.ts";
import { haproxy } from "./proxies/haproxy.ts";
import { nginx } from "./proxies/nginx.ts";
import { outrigger, outriggerProgram } from "./proxies/outrigger.ts";
import type { BenchedProxy } from "./proxies/proxy.ts";
import { type AreaResult, type Row, performancePage, readResults, table, thisMachine } from "./results.ts";

const PROXY_AREAS: Readonly<Record<string, Area>> = { http1, latency, memory };
const AREAS: readonly string[] = [...Object.keys(PROXY_AREAS), "odd", "pipeline", "render"];
const PROXIES: Readonly<Record<string, () => Promise<BenchedProxy>>> = { haproxy, nginx, envoy };
const PIPELINES: Readonly<Record<string, () => Promise<BenchedPipeline>>> = {
  rsyslog,
  "syslog-ng": syslogNg,
  otelcol,
};
const PEERS: readonly string[] = ["outrigger", ...Object.keys(PROXIES), ...Object.keys(PIPELINES)];

const ROOT = join(import.meta.dir, "..");

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    "from-source": { type: "boolean", default: false },
    without: { type: "string", multiple: true, default: [] },
    results: { type: "string", default: join(ROOT, "bench", "results") },
  },
});
const names = values.only === undefined ? AREAS : [values.only];
const unknown = [
  ...names.filter((name) => !AREAS.includes(name)),
  ...values.without.filter((name) => !PEERS.includes(name)),
];
if (unknown.length > 0) {
  console.error(
    `bench: "${unknown[0]}" is neither an area (${AREAS.join(", ")}) ` +
      `nor one that is measured (${PEERS.join(", ")})`,
  );
  process.exit(2);
}
if (process.platform !== "linux") {
  console.error("bench: CPU and memory are read from /proc, so it runs on Linux only");
  process.exit(11);
}

const program = outriggerProgram(values["from-source"]);
let proxies: readonly BenchedProxy[] | null = null;

mkdirSync(values.results, { recursive: true });
for (const name of names) {
  const started = Date.now();
  const { rows, versions } = await measured(name, { quick: values.quick, say });
  const result: AreaResult = {
    area: name,
    date: new Date().toISOString().slice(0, 10),
    quick: values.quick,
    machine: thisMachine(),
    versions,
    rows,
  };
  writeFileSync(join(values.results, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
  print(table(rows));
  say(`${name}: ${((Date.now() - started) / 1000).toFixed(0)} s`);
}
if (values.results === join(ROOT, "bench", "results")) {
  const page = performancePage(readResults(values.results));
  writeFileSync(
    join(ROOT, "docs", "performance.md"),
    `<!-- Written by \`make generate\`. -->\n${page}`,
  );
}

async function measured(
  area: string,
  run: Run,
): Promise<{ readonly rows: readonly Row[]; readonly versions: Record<string, string> }> {
  const versionsOf = (all: readonly { readonly name: string; readonly version: string }[]) =>
    Object.fromEntries(all.map(({ name, version }) => [name, version]));
  if (area === "pipeline") {
    const all = [outriggerPipeline(program), ...(await made(PIPELINES))].filter(isWanted);
    return { rows: await pipeline(all, run), versions: versionsOf(all) };
  }
  if (area === "render") {
    return { rows: await render(program.command, run), versions: versionsOf([outrigger(program)]) };
  }
  if (area === "odd") {
    const all = [outrigger(program)];
    return { rows: await odd(all, run), versions: versionsOf(all) };
  }
  proxies ??= [outrigger(program), ...(await made(PROXIES))].filter(isWanted);
  return { rows: await PROXY_AREAS[area]!(proxies, run), versions: versionsOf(proxies) };
}

async function made<T>(makers: Readonly<Record<string, () => Promise<T>>>): Promise<T[]> {
  const all: T[] = [];
  for (const [name, make] of Object.entries(makers)) {
    if (!values.without.includes(name)) all.push(await make());
  }
  return all;
}

function isWanted({ name }: { readonly name: string }): boolean {
  return !values.without.includes(name);
}

function print(cells: readonly (readonly string[])[]): void {
  const widths = cells[0]!.map((_, n) => Math.max(...cells.map((line) => line[n]!.length)));
  for (const line of cells) {
    console.log(
      line
        .map((cell, n) => cell.padEnd(widths[n]!))
        .join("  ")
        .trimEnd(),
    );
  }
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
