import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { compile } from "../compile/mod.ts";
import { appText, documentsOf, siteOf } from "../compile/testdata/from_text.ts";
import type { MonitoredWorkload } from "./monitored.ts";
import { prometheusRules, renderPrometheusRules } from "./prometheus_rules.ts";
import { humanDuration, prometheusTests, renderPrometheusTests } from "./prometheus_tests.ts";
import { PROMTOOL, PROMTOOL_TIMEOUT_MS, withPromtool } from "./testdata/promtool.ts";

const FRONTEND: MonitoredWorkload = {
  namespace: "shop",
  name: "frontend",
  direction: "inbound",
  calls: [{ name: "api", listener: "call:api", hasBreaker: true }],
  availability: 0.99,
  p99Ms: 300,
  pipelines: ["events"],
  certificates: { toCallers: true, toCallees: true },
};

function tests(workloads: readonly MonitoredWorkload[]) {
  return parse(renderPrometheusTests(workloads, "rules.yaml")).tests as {
    readonly name: string;
    readonly alert_rule_test: readonly [
      { readonly alertname: string; readonly exp_alerts: readonly unknown[] },
    ];
  }[];
}

test("each alert has a load that makes it fire, and one that does not", () => {
  const fires = new Map<string, Set<boolean>>();
  for (const { alert_rule_test } of tests([FRONTEND])) {
    const [{ alertname, exp_alerts }] = alert_rule_test;
    fires.set(alertname, (fires.get(alertname) ?? new Set()).add(exp_alerts.length > 0));
  }
  expect(fires.size).toBe(11);
  for (const cases of fires.values()) expect(cases.size).toBe(2);
});

test("each test has a name of its own", () => {
  const names = tests([FRONTEND, { ...FRONTEND, name: "other" }]).map((one) => one.name);
  expect(new Set(names).size).toBe(names.length);
});

test("durations are written as Prometheus writes them", () => {
  const texts = [0.6, 0.0005, 1.5, 59, 60, 3661, 90_061].map(humanDuration);
  expect(texts).toEqual(["600ms", "500us", "1.5s", "59s", "1m 0s", "1h 1m 1s", "1d 1h 1m 1s"]);
});

describe.skipIf(PROMTOOL === null)("with promtool", () => {
  for (const [what, right, wrong] of [
    ["codes", "5..", "6.."],
    ["the breaker's state", ")) == 2", ")) == 3"],
    ["the sidecar's absence", "absent(up", "absent(down"],
    ["a window", "[2m]", "[2s]"],
    ["when a certificate ends", "- time() < 1209600", "- time() < 120960"],
    ["certificates that callees are shown", " or outrigger_upstream_tls", " or outrigger_no_tls"],
  ] as const) {
    test(`S2-5 the generated tests notice rules that are wrong about ${what}`, () => {
      const rules = renderPrometheusRules([FRONTEND]);
      expect(rules).toContain(right);
      withPromtool(({ run, write }) => {
        write("rules.yaml", rules.replaceAll(right, wrong));
        write("tests.yaml", renderPrometheusTests([FRONTEND], "rules.yaml"));
        const tested = run("test", "rules", "tests.yaml");
        expect(tested.output).toContain("FAILED");
        expect(tested.code).not.toBe(0);
      });
    }, PROMTOOL_TIMEOUT_MS);
  }

  test("S2-5 rules and tests that are generated from one file pass", () => {
    const call = "calls: { api: { breaker: {} } }";
    const slo = "slo: { availability: 99.5%, latency: { p99: 250ms } }";
    const documents = documentsOf(
      appText("frontend", 8080, [call, slo]) +
        appText("api", 9000, ["logs: [{ file: logs/events.log }]"]),
    );
    const { snapshots } = compile({ documents, site: siteOf(documents) });
    withPromtool(({ run, write }) => {
      for (const generator of [prometheusRules, prometheusTests]) {
        write(generator.fileName, generator.render({ documents, snapshots }));
      }
      const tested = run("test", "rules", prometheusTests.fileName);
      expect(tested.output).toContain("SUCCESS");
      expect(tested.code).toBe(0);
    });
  }, PROMTOOL_TIMEOUT_MS);
});
