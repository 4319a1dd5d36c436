/**
 * Measures ours beside HAProxy, nginx and Envoy: one machine, one run, alternating rounds, each
 * with one worker and configured to do the same work. A peer that cannot be installed or does not
 * answer is a failed run.
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
import type { Area } from "./areas/area.ts";
import { envoy } from "./proxies/envoy.ts";
import { haproxy } from "./proxies/haproxy.ts";
import { nginx } from "./proxies/nginx.ts";
import { outrigger, outriggerFromSource } from "./proxies/outrigger.ts";
import type { BenchedProxy } from "./proxies/proxy.ts";
import { type AreaResult, performancePage, readResults, table, thisMachine } from "./results.ts";

const AREAS: Readonly<Record<string, Area>> = { http1, latency, memory };
const PROXIES: Readonly<Record<string, () => Promise<BenchedProxy>>> = {
  outrigger,
  haproxy,
  nginx,
  envoy,
};

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
const names = values.only === undefined ? Object.keys(AREAS) : [values.only];
const unknown = [
  ...names.filter((name) => !(name in AREAS)),
  ...values.without.filter((name) => !(name in PROXIES)),
];
if (unknown.length > 0) {
  console.error(
    `bench: "${unknown[0]}" is neither an area (${Object.keys(AREAS).join(", ")}) ` +
      `nor a proxy (${Object.keys(PROXIES).join(", ")})`,
  );
  process.exit(2);
}
if (process.platform !== "linux") {
  console.error("bench: CPU and memory are read from /proc, so it runs on Linux only");
  process.exit(11);
}

const proxies: BenchedProxy[] = [];
for (const [name, make] of Object.entries(PROXIES)) {
  if (values.without.includes(name)) continue;
  const fromSource = name === "outrigger" && values["from-source"];
  proxies.push(await (fromSource ? outriggerFromSource() : make()));
}

mkdirSync(values.results, { recursive: true });
for (const name of names) {
  const started = Date.now();
  const rows = await AREAS[name]!(proxies, { quick: values.quick, say });
  const result: AreaResult = {
    area: name,
    date: new Date().toISOString().slice(0, 10),
    quick: values.quick,
    machine: thisMachine(),
    versions: Object.fromEntries(proxies.map((proxy) => [proxy.name, proxy.version])),
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
