import { describe, expect, test } from "bun:test";
import type { MonitoredWorkload } from "./monitored.ts";
import { prometheusRuleGroups, renderPrometheusRules } from "./prometheus_rules.ts";
import { renderPrometheusTests } from "./prometheus_tests.ts";
import { PROMTOOL, PROMTOOL_TIMEOUT_MS, withPromtool } from "./testdata/promtool.ts";

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
  certificates: { toCallers: false, toCallees: false },
};
const API: MonitoredWorkload = {
  namespace: "shop",
  name: "api",
  direction: "inbound",
  calls: [],
  availability: null,
  p99Ms: null,
  pipelines: ["events"],
  certificates: { toCallers: false, toCallees: false },
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

describe.skipIf(PROMTOOL === null)("with promtool", () => {
  const sets: [string, MonitoredWorkload[]][] = [
    ["the shop", [FRONTEND, API, GATEWAY]],
    ["odd objectives", ODD],
    ["nothing", []],
  ];
  for (const [title, workloads] of sets) {
    test(`S2-5 promtool accepts the rules of ${title}, and each alert fires when it should`, () => {
      withPromtool(({ run, write }) => {
        const rules = write("rules.yaml", renderPrometheusRules(workloads));
        const check = run("check", "rules", rules);
        expect(check.output).toContain("SUCCESS");
        expect(check.code).toBe(0);
        const tests = write("tests.yaml", renderPrometheusTests(workloads, rules));
        const tested = run("test", "rules", tests);
        expect(tested.output).toContain("SUCCESS");
        expect(tested.code).toBe(0);
      });
    }, PROMTOOL_TIMEOUT_MS);
  }
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
