import { mkdirSync, openSync, closeSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../processes.ts";
import { row, type Row } from "../results.ts";
import type { Run } from "./area.ts";

const APPS = 1_000;
const APPS_PER_FILE = 10;

const WORK =
  `\`outrigger render\` of ${APPS} Apps in ${APPS / APPS_PER_FILE} files, each with a health check, ` +
  "an ingress, an autoscaler, and two calls of other Apps with timeout, retries, breaker and " +
  "fallback, to one stream of objects: the whole program, from its start to its end.";

/** Ours alone: what it costs to render a large set. @param program as it is started */
export async function render(program: readonly string[], { quick, say }: Run): Promise<Row[]> {
  const folder = temporaryFolder();
  const seconds: number[] = [];
  const cpuSeconds: number[] = [];
  const megabytes: number[] = [];
  let written = 0;
  try {
    const files = join(folder.path, "apps");
    mkdirSync(files);
    for (let first = 0; first < APPS; first += APPS_PER_FILE) {
      const apps = Array.from({ length: APPS_PER_FILE }, (_, n) => app(first + n));
      writeFileSync(join(files, `apps-${first}.yaml`), apps.join("---\n"));
    }
    for (let round = 0; round < (quick ? 1 : 5); round++) {
      say(`render, round ${round + 1}`);
      const out = join(folder.path, "out.yaml");
      const one = await rendered([...program, "render", files], out);
      seconds.push(one.seconds);
      cpuSeconds.push(one.cpuSeconds);
      megabytes.push(one.megabytes);
      written = statSync(out).size;
    }
  } finally {
    folder.remove();
  }
  const work = `${WORK} ${Math.round(written / 1e6)} MB of YAML.`;
  const figures = (values: readonly number[]) => new Map([["outrigger", values]]);
  return [
    row({ id: `render/${APPS}/time`, work, unit: "s", better: "lower" }, figures(seconds)),
    row(
      { id: `render/${APPS}/cpu`, work: "Of all its threads.", unit: "s", better: "lower" },
      figures(cpuSeconds),
    ),
    row(
      { id: `render/${APPS}/memory`, work: "The most that it had resident.", unit: "MB", better: "lower" },
      figures(megabytes),
    ),
  ];
}

/** @throws Error where it fails */
async function rendered(
  command: readonly string[],
  out: string,
): Promise<{ readonly seconds: number; readonly cpuSeconds: number; readonly megabytes: number }> {
  const file = openSync(out, "w");
  try {
    const started = performance.now();
    const child = Bun.spawn([...command], { stdio: ["ignore", file, "pipe"] });
    const said = await new Response(child.stderr).text();
    if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${said.slice(0, 2_000)}`);
    const seconds = (performance.now() - started) / 1000;
    const { cpuTime, maxRSS } = child.resourceUsage()!;
    // Microseconds.
    const cpuSeconds = Number(cpuTime.total) / 1e6;
    return { seconds, cpuSeconds, megabytes: maxRSS / 1e6 };
  } finally {
    closeSync(file);
  }
}

function app(index: number): string {
  const name = (at: number): string => `app-${at % APPS}`;
  const call = (at: number): string => `    ${name(at)}:
      timeout: 2s
      retry: { attempts: 2, on: [5xx, reset, connect-failure], perTryTimeout: 500ms, budget: 20% }
      breaker: { errorRate: 25%, minRequests: 20, window: 10s, openFor: 5s }
      fallback: { on: [open, exhausted], status: 200, body: "{}" }
`;
  return `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: ${name(index)}, namespace: team-${index % 50}, labels: { team: t${index % 50} } }
spec:
  image: registry.example.com/team/${name(index)}:1.0.0
  port: ${1024 + index}
  replicas: { min: 2, max: 10 }
  health: { ready: /ready, live: /live }
  env: { NEXT_URL: "{{calls.${name(index + 50)}.url}}" }
  ingress: [{ host: ${name(index)}.example.com }]
  calls:
${call(index + 50)}${call(index + 100)}`;
}
