/**
 * Walks through the four stages of the shop in about a minute, with the same load on each, and
 * prints what each one brought as numbers measured here and now. On a terminal the last stage stays
 * up, with the URLs to open, until Ctrl-C; without one it ends with status 0, or 1 where a step did
 * not show its improvement.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LoadReport } from "../src/operate/load.ts";
import {
  allShown,
  conclude,
  expect,
  LOAD_SECONDS,
  type Measured,
  percent,
  RATE,
  type RunningShop,
  say,
  show,
  showInitial,
  showResilience,
  until,
} from "./demo_report.ts";
import { cacheFolder, InstallError } from "./install.ts";
import { PROMETHEUS_URL, startPrometheus, writePrometheus } from "./prometheus.ts";
import {
  API_URL,
  FRONTEND_URL,
  removeTraces,
  ROOT,
  SEARCH_URL,
  shopStatus,
  type Stage,
  startStage,
  stopShop,
} from "./shop.ts";

let prometheus: Bun.Subprocess | null = null;
let prometheusMissing: string | null = null;

// ---------------------------------------------------------------- the steps

async function initial(): Promise<Measured> {
  await begin("initial", "the shop as it is");
  return showInitial(SHOP);
}

async function v1(): Promise<void> {
  await begin("v1", "a sidecar in front of both: metrics, rules, graphs");
  const rules = await withPrometheus();
  const measured = await measure();
  show("with sidecars", measured);
  const counted = await countedBySidecar();
  say(`  the frontend's sidecar counted ${counted} views, each with status and latency`);
  const sent = measured.report.requests;
  expect(
    counted >= sent,
    `the sidecar should have counted all ${sent} views; it counted ${counted}`,
  );
  if (rules !== null) {
    say(`  Prometheus: ${rules} rules from the file, checked and tested by promtool`);
    const seen = await errorRatioInPrometheus();
    say(
      `  Prometheus says that ${seen === null ? "nothing yet" : percent(seen)} of the views failed`,
    );
    expect(seen !== null && seen > 0.1, "Prometheus should know of the failures");
  } else say(`  no Prometheus here: ${prometheusMissing}\n  the built-in graphs do without`);
}

async function v2(): Promise<void> {
  await begin("v2", "the API's own log file becomes structured events");
  await refreshPrometheus();
  const measured = await measure();
  show("with events", measured);
  const lines = logLines();
  const stored = await until(5, async () => {
    const { count } = await getJson<{ count: number }>(`${SEARCH_URL}/logs-*/_count`);
    return count >= lines.length ? count : null;
  });
  say(
    `  ${lines.length} lines in its file, ${stored ?? 0} documents in Elasticsearch; for example`,
  );
  say(`    ${lines.find((line) => line.includes("[error]")) ?? lines[0]}`);
  const found = await getJson<{ hits: { hits: { _source: unknown }[] } }>(
    `${SEARCH_URL}/logs-*/_search?q=level:error&size=1`,
  );
  const example = found.hits.hits[0]?._source;
  say(`    ${JSON.stringify(example)}`);
  expect(
    stored === lines.length,
    `each line should be stored once: ${lines.length}, not ${stored}`,
  );
  expect(example !== undefined, "errors should be found by their level");
}

async function v3(before: Measured): Promise<void> {
  await begin("v3", "timeouts, retries, a breaker, a canned answer");
  await refreshPrometheus();
  await showResilience(SHOP, before);
}

// ---------------------------------------------------------------- measuring

async function begin(stage: Stage, about: string): Promise<void> {
  say(`\n${stage}: ${about}`);
  const status = await startStage(stage);
  if (status !== 0) throw new Error(`stage ${stage} did not start: status ${status}`);
}

const SHOP: RunningShop = {
  measure,
  setMode: (to) => post(`/admin/mode?to=${to}`),
  page: () => fetch(`${FRONTEND_URL}/`).then((answer) => answer.text()),
  breaker: breakerState,
};

async function measure(seconds = LOAD_SECONDS): Promise<Measured> {
  await post("/admin/count");
  const cannedBefore = await cannedAnswers();
  const load = ["load", `${FRONTEND_URL}/`, "--rate", String(RATE), "--duration", `${seconds}s`];
  const child = Bun.spawn([process.execPath, "src/main.ts", ...load, "-o", "json"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const report = JSON.parse(await new Response(child.stdout).text()) as LoadReport;
  const tries = await getJson<Measured["tries"]>(`${API_URL}/admin/count`);
  return { report, tries, canned: (await cannedAnswers()) - cannedBefore };
}

/** Views that the frontend's sidecar has answered. */
async function countedBySidecar(): Promise<number> {
  const sidecar = await frontendSidecar();
  const inbound = sidecar?.stats?.listeners.find(({ direction }) => direction === "inbound");
  const answers = inbound?.routes.flatMap((route) => [...route.answersByClass]) ?? [];
  return answers.reduce((sum, count) => sum + count, 0);
}

/** Calls that the frontend's sidecar answered with the fallback. */
async function cannedAnswers(): Promise<number> {
  const sidecar = await frontendSidecar();
  const routes = sidecar?.stats?.listeners.flatMap((listener) => listener.routes) ?? [];
  return routes.reduce((sum, route) => sum + route.fallbacksTotal, 0);
}

async function breakerState(): Promise<string> {
  const sidecar = await frontendSidecar();
  return sidecar?.stats?.clusters.find(({ kind }) => kind === "call")?.breaker ?? "unknown";
}

async function frontendSidecar() {
  const status = await shopStatus();
  return status?.processes.find(
    ({ workload, role }) => workload === "shop/frontend" && role === "sidecar",
  );
}

function logLines(): string[] {
  const file = join(ROOT, "examples/shop/api/logs/events.log");
  return readFileSync(file, "utf8").trim().split("\n");
}

// ---------------------------------------------------------------- Prometheus

/** Starts Prometheus; null, and why, where it cannot be had. */
async function withPrometheus(): Promise<number | null> {
  try {
    const rules = await writePrometheus();
    prometheus = await startPrometheus("ignore");
    await until(10, async () => ((await fetch(`${PROMETHEUS_URL}/-/ready`)).ok ? true : null));
    return rules;
  } catch (error) {
    if (!(error instanceof InstallError)) throw error;
    prometheusMissing = error.message;
    return null;
  }
}

/** The next stage has other rules, and its sidecars may have other addresses. */
async function refreshPrometheus(): Promise<void> {
  if (prometheus === null) return;
  await writePrometheus();
  await fetch(`${PROMETHEUS_URL}/-/reload`, { method: "POST" });
}

interface QueryAnswer {
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

/** Of all that the frontend's sidecar answered, as Prometheus has scraped it. */
async function errorRatioInPrometheus(): Promise<number | null> {
  const of = (more: string): string =>
    `sum(outrigger_requests_total{app="frontend",direction="inbound"${more}})`;
  const query = encodeURIComponent(`${of(',code=~"5.."')} / ${of("")}`);
  return until(5, async () => {
    const answer = await getJson<QueryAnswer>(`${PROMETHEUS_URL}/api/v1/query?query=${query}`);
    const value = Number(answer.data.result[0]?.value[1] ?? NaN);
    return value > 0 ? value : null;
  });
}

// ---------------------------------------------------------------- small things

async function getJson<T>(url: string): Promise<T> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

async function post(path: string): Promise<void> {
  const answer = await fetch(`${API_URL}${path}`, { method: "POST" });
  if (!answer.ok) throw new Error(`POST ${path} answered ${answer.status}: ${await answer.text()}`);
}

async function cleanUp(): Promise<void> {
  if (prometheus !== null) {
    prometheus.kill();
    await prometheus.exited;
    prometheus = null;
  }
  await stopShop();
}

/** On a terminal: where to look, until Ctrl-C. */
async function stay(): Promise<void> {
  const console = (await shopStatus())?.console ?? null;
  say("\nStage v3 goes on running, its API healed. To open:");
  say(`  the shop       ${FRONTEND_URL}`);
  if (console !== null) say(`  the console    ${console}`);
  if (prometheus !== null) say(`  Prometheus     ${PROMETHEUS_URL}/alerts`);
  say(`  events         ${SEARCH_URL}/logs-*/_search`);
  say(`To try: curl -X POST '${API_URL}/admin/mode?to=down' (or ill, healed); make create_load`);
  say("Ctrl-C ends it.");
  await interrupted;
}

const interrupted = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, resolve);
});

async function walk(): Promise<void> {
  await stopShop();
  removeTraces();
  const before = await initial();
  await v1();
  await v2();
  await v3(before);
  conclude();
  if (process.stdout.isTTY && allShown()) await stay();
}

const started = Date.now();
let status = 0;
try {
  const ended = await Promise.race([
    walk().then(() => "done"),
    interrupted.then(() => "interrupted"),
  ]);
  if (!allShown()) status = 1;
  else if (ended === "interrupted" && !process.stdout.isTTY) status = 130;
} catch (error) {
  say(`\nThe demo failed: ${(error as Error).message}`);
  status = 1;
} finally {
  await cleanUp();
}
say(
  `ended after ${((Date.now() - started) / 1000).toFixed(0)} s; parts are kept in ${cacheFolder()}`,
);
process.exit(status);
