import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import type { MonitoredWorkload } from "./monitored.ts";
import { renderPrometheusConfig } from "./prometheus_config.ts";
import { prometheusRuleGroups, renderPrometheusRules } from "./prometheus_rules.ts";
import { renderPrometheusTests } from "./prometheus_tests.ts";

const FRONTEND: MonitoredWorkload = {
  namespace: "shop",
  name: "frontend",
  direction: "inbound",
  calls: [
    { name: "api", listener: "call:api", hasBreaker: true },
    { name: "mail", listener: "call:mail", hasBreaker: false },
  ],
  availability: 0.999,
  p99Ms: 300,
  pipelines: [],
};
const API: MonitoredWorkload = {
  namespace: "shop",
  name: "api",
  direction: "inbound",
  calls: [],
  availability: null,
  p99Ms: null,
  pipelines: ["events"],
};
const GATEWAY: MonitoredWorkload = {
  ...API,
  name: "gateway",
  direction: "gateway",
  pipelines: [],
};
/** Objectives so high or low that some thresholds make no sense. */
const ODD: MonitoredWorkload[] = [
  { ...API, name: "perfect", availability: 1, p99Ms: 1.5, pipelines: [] },
  { ...API, name: "loose", availability: 0.8, p99Ms: 90_000, pipelines: [] },
  { ...API, name: "hopeless", availability: 0, pipelines: [] },
];

/** promtool calculates for seconds; a busy machine takes several times as long. */
const PROMTOOL_TIMEOUT_MS = 60_000;

/** Null without promtool, which is a failure where the whole test run has to be complete. */
function findPromtool(): string | null {
  const path = process.env.OUTRIGGER_PROMTOOL || Bun.which("promtool");
  if (path) return path;
  if (process.env.CI === "true") {
    throw new Error("promtool is missing: set OUTRIGGER_PROMTOOL to its path or put it on PATH");
  }
  console.log("skipped: no promtool; set OUTRIGGER_PROMTOOL or put it on PATH");
  return null;
}

const promtool = findPromtool();
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "outrigger-rules-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]): { code: number; output: string } {
  const done = Bun.spawnSync([promtool as string, ...args], { cwd: folder });
  return { code: done.exitCode, output: `${done.stdout}${done.stderr}` };
}

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

describe.skipIf(promtool === null)("with promtool", () => {
  const sets: [string, MonitoredWorkload[]][] = [
    ["the shop", [FRONTEND, API, GATEWAY]],
    ["odd objectives", ODD],
    ["nothing", []],
  ];
  for (const [title, workloads] of sets) {
    test(`S2-5 promtool accepts the rules of ${title}, and each alert fires when it should`, () => {
      const rules = write("rules.yaml", renderPrometheusRules(workloads));
      const check = run("check", "rules", rules);
      expect(check.output).toContain("SUCCESS");
      expect(check.code).toBe(0);
      const tests = write("tests.yaml", renderPrometheusTests(workloads, rules));
      const tested = run("test", "rules", tests);
      expect(tested.output).toContain("SUCCESS");
      expect(tested.code).toBe(0);
    }, PROMTOOL_TIMEOUT_MS);
  }

  test("S2-5 the generated tests notice a rule that is wrong", () => {
    const wrong = renderPrometheusRules([FRONTEND]).replace("[1-4]..", "[1-5]..");
    const rules = write("wrong.yaml", wrong);
    const tests = write("wrong_tests.yaml", renderPrometheusTests([FRONTEND], rules));
    const tested = run("test", "rules", tests);
    expect(tested.code).not.toBe(0);
    expect(tested.output).toContain("OutriggerErrorRatioHigh");
  }, PROMTOOL_TIMEOUT_MS);

  test("S2-5 promtool accepts the scrape configuration with its rule file", () => {
    write("checked_rules.yaml", renderPrometheusRules([FRONTEND, API]));
    const config = renderPrometheusConfig({
      targets: [{ namespace: "shop", app: "frontend", address: "127.0.0.1:9901" }],
      ruleFiles: ["checked_rules.yaml"],
      scrapeIntervalMs: 500,
    });
    const check = run("check", "config", write("prometheus.yml", config));
    expect(check.output).toContain("SUCCESS");
    expect(check.code).toBe(0);
  });
});

test("only what a workload declares gets an alert", () => {
  const alerts = (workload: MonitoredWorkload) =>
    prometheusRuleGroups([workload])[0]!.rules.flatMap((rule) =>
      "alert" in rule ? [rule.alert] : [],
    );
  expect(alerts({ ...API, pipelines: [] })).toEqual([
    "OutriggerErrorRatioHigh",
    "OutriggerSidecarDown",
  ]);
  expect(alerts(FRONTEND)).toEqual([
    "OutriggerSloFastBurn",
    "OutriggerSloSlowBurn",
    "OutriggerErrorRatioHigh",
    "OutriggerSidecarDown",
    "OutriggerLatencyHigh",
    "OutriggerCallErrorRatioHigh",
    "OutriggerBreakerOpen",
    "OutriggerCallErrorRatioHigh",
  ]);
});

test("a burn rate that no error ratio can reach has no alert", () => {
  const loose = prometheusRuleGroups([{ ...API, availability: 0.8 }])[0]!.rules;
  const names = loose.map((rule) => ("alert" in rule ? rule.alert : rule.record));
  expect(names).not.toContain("OutriggerSloFastBurn");
  expect(names).toContain("OutriggerSloSlowBurn");
});

test("a workload's rules do not depend on the other workloads", () => {
  const alone = prometheusRuleGroups([FRONTEND])[0];
  const together = prometheusRuleGroups([API, FRONTEND])[1];
  expect(together).toEqual(alone!);
});

test("every alert says what it means and what to do", () => {
  const groups = prometheusRuleGroups([FRONTEND, API, GATEWAY]);
  const alerts = groups.flatMap(({ rules }) => rules.filter((rule) => "alert" in rule));
  expect(alerts.length).toBeGreaterThan(10);
  for (const { annotations } of alerts) {
    expect(annotations.summary).not.toBe("");
    expect(annotations.description).toMatch(/\.$/);
    expect(annotations.runbook.length).toBeGreaterThan(80);
  }
});

test("targets carry the labels that the rules go by", () => {
  const config = renderPrometheusConfig({
    targets: [{ namespace: "shop", app: "api", address: "127.0.0.1:9902" }],
    ruleFiles: [],
  });
  expect(parse(config)).toEqual({
    global: { scrape_interval: "15s", scrape_timeout: "10s", evaluation_interval: "15s" },
    rule_files: [],
    scrape_configs: [
      {
        job_name: "outrigger",
        metrics_path: "/metrics",
        static_configs: [
          { targets: ["127.0.0.1:9902"], labels: { namespace: "shop", app: "api" } },
        ],
      },
    ],
  });
});
