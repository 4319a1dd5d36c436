/**
 * A real Prometheus beside the running demo: its scrape configuration and its rules come from the
 * files of the stage, and promtool checks them.
 *
 *   bun tools/prometheus.ts apply     renders and checks; a running Prometheus reloads
 *   bun tools/prometheus.ts serve     the same, then runs Prometheus until Ctrl-C
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createBunWorld } from "../src/base/bun/mod.ts";
import { compile } from "../src/compile/mod.ts";
import { paperSite } from "../src/compile/paper_site.ts";
import { loadFiles } from "../src/local/load_set.ts";
import { monitoredWorkloads } from "../src/render/monitored_workloads.ts";
import { renderPrometheusConfig, type ScrapeTarget } from "../src/render/prometheus_config.ts";
import { renderPrometheusRules } from "../src/render/prometheus_rules.ts";
import { renderPrometheusTests } from "../src/render/prometheus_tests.ts";
import { cacheFolder, InstallError, part } from "./install.ts";
import { shopStatus } from "./shop.ts";

export const PROMETHEUS_URL = "http://127.0.0.1:9090";
export const PROMETHEUS_FOLDER = join(cacheFolder(), "demo-prometheus");

const RULES = "rules.yml";
/** A demo wants to see something at once. */
const SCRAPE_INTERVAL_MS = 1000;

/** What kept the rules from being applied. */
export class RulesError extends Error {
  override readonly name = "RulesError";
}

/**
 * Writes configuration and rules for the running demo and has promtool check them.
 * @returns how many rules there are.
 * @throws RulesError where nothing runs or promtool complains, InstallError without promtool.
 */
export async function writePrometheus(): Promise<number> {
  const status = await shopStatus();
  if (status === null) throw new RulesError("no stage runs; start one: make v1");
  const targets = status.processes.flatMap(({ admin, workload }): ScrapeTarget[] => {
    const [namespace, app] = workload.split("/");
    return admin === null ? [] : [{ namespace: namespace!, app: app!, address: admin.readOnly }];
  });
  if (targets.length === 0)
    throw new RulesError("this stage has no sidecar to scrape; start one: make v1");
  const documents = await loadFiles(createBunWorld(), status.files);
  const folders = { state: "/", app: () => "/" };
  const { snapshots } = compile({ documents, site: paperSite(documents, folders) });
  const workloads = monitoredWorkloads(documents, snapshots);
  const write = (name: string, text: string): void => {
    writeFileSync(join(PROMETHEUS_FOLDER, name), text);
  };
  mkdirSync(PROMETHEUS_FOLDER, { recursive: true });
  write(RULES, renderPrometheusRules(workloads));
  write("rules-tests.yml", renderPrometheusTests(workloads, RULES));
  write(
    "prometheus.yml",
    renderPrometheusConfig({ targets, ruleFiles: [RULES], scrapeIntervalMs: SCRAPE_INTERVAL_MS }),
  );
  const checked = await promtool("check", "config", "prometheus.yml");
  await promtool("test", "rules", "rules-tests.yml");
  return Number(/SUCCESS: (\d+) rules found/.exec(checked)?.[1] ?? 0);
}

async function promtool(...args: string[]): Promise<string> {
  const { path } = await part("promtool");
  const done = Bun.spawnSync([path, ...args], { cwd: PROMETHEUS_FOLDER });
  const output = done.stdout.toString() + done.stderr.toString();
  if (done.exitCode !== 0) throw new RulesError(`promtool ${args.join(" ")} failed:\n${output}`);
  return output;
}

/** Starts Prometheus on what `writePrometheus` wrote. @throws InstallError. */
export async function startPrometheus(output: "inherit" | "ignore"): Promise<Bun.Subprocess> {
  const { path } = await part("prometheus");
  const flags = [
    "--config.file=prometheus.yml",
    "--storage.tsdb.path=data",
    "--storage.tsdb.retention.time=1d",
    `--web.listen-address=${new URL(PROMETHEUS_URL).host}`,
    "--web.enable-lifecycle",
    "--log.level=warn",
  ];
  return Bun.spawn([path, ...flags], {
    cwd: PROMETHEUS_FOLDER,
    stdio: ["ignore", output, output],
  });
}

/** Whether a Prometheus that runs took the new files; false where none runs. */
async function reload(): Promise<boolean> {
  try {
    const answer = await fetch(`${PROMETHEUS_URL}/-/reload`, { method: "POST" });
    if (answer.ok) return true;
    throw new RulesError(`Prometheus refused the rules: ${await answer.text()}`);
  } catch (error) {
    if (error instanceof RulesError) throw error;
    return false;
  }
}

async function apply(): Promise<void> {
  const rules = await writePrometheus();
  console.log(`${rules} rules, checked and tested by promtool: ${join(PROMETHEUS_FOLDER, RULES)}`);
  const taken = await reload();
  console.log(
    taken
      ? `Prometheus uses them: ${PROMETHEUS_URL}/rules`
      : "no Prometheus runs: make forward_prometheus",
  );
}

async function serve(): Promise<number> {
  await apply();
  const child = await startPrometheus("inherit");
  console.log(`Prometheus: ${PROMETHEUS_URL} (Ctrl-C ends it)`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill());
  return child.exited;
}

if (import.meta.main) {
  try {
    const word = process.argv[2];
    if (word === "apply") await apply();
    else if (word === "serve") process.exit(await serve());
    else {
      console.error("usage: bun tools/prometheus.ts apply|serve");
      process.exit(2);
    }
  } catch (error) {
    if (!(error instanceof RulesError || error instanceof InstallError)) throw error;
    console.error(error.message);
    process.exit(error instanceof InstallError ? 11 : 1);
  }
}
