/**
 * Unit tests for the rules of `prometheus_rules.ts`, as `promtool test rules` runs them
 * (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/): for every alert
 * the smallest load that makes it fire, and a healthy one that must not.
 */
import { stringify } from "yaml";
import type { Generator } from "./generator.ts";
import type { MonitoredCall, MonitoredWorkload } from "./monitored.ts";
import { SCRAPE_JOB } from "./monitored.ts";
import { monitoredWorkloads } from "./monitored_workloads.ts";
import {
  type AlertingRule,
  BURNS,
  CERTIFICATE_DAYS,
  prometheusRuleGroups,
  RULES_FILE,
} from "./prometheus_rules.ts";
import { selector } from "./promql.ts";

/** Seconds between samples: two of them fit into the shortest window, 1m. */
const SAMPLE_INTERVAL = "15s";
/** Longer than the longest `for`, 15m, and the minute that a rate needs before. */
const EVALUATED_AT = "18m";
const EVALUATED_AT_SECONDS = 18 * 60;
const SAMPLES = 72;
const REQUESTS_PER_SAMPLE = 1000;
/** One of the sinks that a log adapter has. */
const SINK = "elasticsearch";
/** Well above the limits of the error ratio alerts. */
const ILL_RATIO = 0.1;

export const prometheusTests: Generator = {
  name: "prometheus-tests",
  summary: "Unit tests of the rules for promtool: each alert fires when it should, else not.",
  status: "beta",
  security: "Names namespaces, Apps and calls; no addresses.",
  fileName: "outrigger-rules-tests.yaml",
  render: ({ documents, snapshots }) =>
    renderPrometheusTests(monitoredWorkloads(documents, snapshots), RULES_FILE),
};

/** The file as YAML. `ruleFile` is the path of the rules, from the folder of the test file. */
export function renderPrometheusTests(
  workloads: readonly MonitoredWorkload[],
  ruleFile: string,
): string {
  const tests = workloads.flatMap((workload) => scenariosOf(workload, workloads));
  const file = { rule_files: [ruleFile], evaluation_interval: "1m", tests };
  return stringify(file, { lineWidth: 0, aliasDuplicateObjects: false });
}

interface PromtoolTest {
  readonly name: string;
  readonly interval: string;
  readonly input_series: readonly { readonly series: string; readonly values: string }[];
  readonly alert_rule_test: readonly {
    readonly eval_time: string;
    readonly alertname: string;
    readonly exp_alerts: readonly ExpectedAlert[];
  }[];
}

interface ExpectedAlert {
  readonly exp_labels: Readonly<Record<string, string>>;
  readonly exp_annotations: Readonly<Record<string, string>>;
}

/** Values by series, as promtool writes both. */
type Load = Map<string, string>;

interface Scenario {
  /** What is wrong. */
  readonly name: string;
  readonly change: (load: Load) => void;
  /** What stands for `$value` in the annotations. */
  readonly value: string;
  /** The nearest load at which the alert must stay quiet; the healthy one where absent. */
  readonly quiet?: (load: Load) => void;
}

function scenariosOf(
  workload: MonitoredWorkload,
  all: readonly MonitoredWorkload[],
): PromtoolTest[] {
  const group = prometheusRuleGroups([workload])[0];
  const tests: PromtoolTest[] = [];
  for (const rule of group?.rules ?? []) {
    if (!("alert" in rule)) continue;
    for (const scenario of scenariosFor(rule, workload)) {
      tests.push(testOf(rule, workload, all, scenario, "fires"));
      tests.push(testOf(rule, workload, all, scenario, "quiet"));
    }
  }
  return withoutRepeats(tests);
}

/** Scenarios of one alert may share their healthy load. */
function withoutRepeats(tests: readonly PromtoolTest[]): PromtoolTest[] {
  return [...new Map(tests.map((test) => [test.name, test])).values()];
}

function testOf(
  rule: AlertingRule,
  workload: MonitoredWorkload,
  all: readonly MonitoredWorkload[],
  scenario: Scenario,
  expected: "fires" | "quiet",
): PromtoolTest {
  const load: Load = new Map();
  for (const each of all) addHealthyLoad(load, each);
  if (expected === "fires") scenario.change(load);
  else scenario.quiet?.(load);
  const who = `${workload.namespace}/${workload.name}`;
  const { listener, cluster, pipeline } = rule.labels;
  const which = listener ?? cluster ?? pipeline;
  const about = `${rule.alert} of ${who}${which === undefined ? "" : ` (${which})`}`;
  const name = expected === "fires" ? `${about}: ${scenario.name}` : `${about}: stays quiet`;
  const alert: ExpectedAlert = {
    exp_labels: pipeline === undefined ? rule.labels : { ...rule.labels, sink: SINK },
    exp_annotations: filledIn(rule, scenario.value),
  };
  return {
    name,
    interval: SAMPLE_INTERVAL,
    input_series: [...load].map(([series, values]) => ({ series, values })),
    alert_rule_test: [
      {
        eval_time: EVALUATED_AT,
        alertname: rule.alert,
        exp_alerts: expected === "fires" ? [alert] : [],
      },
    ],
  };
}

function filledIn(rule: AlertingRule, value: string): Record<string, string> {
  const entries = Object.entries(rule.annotations);
  return Object.fromEntries(
    entries.map(([name, text]) => [
      name,
      text.replace(/\{\{ \$value \| \w+ \}\}/g, value).replaceAll("{{ $labels.sink }}", SINK),
    ]),
  );
}

// ---------------------------------------------------------------- loads

const steady = (value: number) => `${value}x${SAMPLES}`;
const growing = (perSample: number) => `0+${perSample}x${SAMPLES}`;

function series(
  metric: string,
  workload: MonitoredWorkload,
  labels: Readonly<Record<string, string>>,
): string {
  const all = { namespace: workload.namespace, app: workload.name, ...labels };
  const matchers = Object.entries(all).map(([label, value]) => [label, "=", value] as const);
  return `${metric}${selector(matchers)}`;
}

function addHealthyLoad(load: Load, workload: MonitoredWorkload): void {
  load.set(upSeries(workload), steady(1));
  const own = ownListener(workload);
  setErrors(load, workload, own, 0);
  setLatency(load, workload, own, (workload.p99Ms ?? 1000) / 2);
  for (const call of workload.calls) {
    const listener = callListener(call);
    setErrors(load, workload, listener, 0);
    setLatency(load, workload, listener, 100);
    setBreaker(load, workload, call, steady(0));
  }
  for (const pipeline of workload.pipelines) setEvents(load, workload, pipeline, "delivered");
  for (const { series } of certificateSeries(workload)) load.set(series, steady(90 * 86_400));
}

interface ListenerLabels extends Readonly<Record<string, string>> {
  readonly listener: string;
  readonly direction: string;
  readonly route: string;
}

function ownListener(workload: MonitoredWorkload): ListenerLabels {
  return { listener: workload.direction, direction: workload.direction, route: "/*" };
}

function callListener(call: MonitoredCall): ListenerLabels {
  return { listener: call.listener, direction: "outbound", route: "/*" };
}

function upSeries(workload: MonitoredWorkload): string {
  return series("up", workload, { job: SCRAPE_JOB, instance: "127.0.0.1:9901" });
}

function setErrors(
  load: Load,
  workload: MonitoredWorkload,
  listener: ListenerLabels,
  ratio: number,
): void {
  const metric = "outrigger_requests_total";
  const errors = Number((REQUESTS_PER_SAMPLE * ratio).toPrecision(6));
  const good = REQUESTS_PER_SAMPLE - errors;
  load.set(series(metric, workload, { ...listener, code: "200" }), growing(good));
  if (errors === 0) return;
  load.set(series(metric, workload, { ...listener, code: "500" }), growing(errors));
}

/** 99% take exactly this or less, the rest takes longer than any bucket. */
function setLatency(
  load: Load,
  workload: MonitoredWorkload,
  listener: ListenerLabels,
  p99Ms: number,
): void {
  const metric = "outrigger_request_duration_seconds_bucket";
  for (const key of load.keys()) {
    if (key.startsWith(series(metric, workload, listener).slice(0, -1))) load.delete(key);
  }
  const bucket = (le: string, part: number) =>
    load.set(series(metric, workload, { ...listener, le }), growing(REQUESTS_PER_SAMPLE * part));
  bucket(String(p99Ms / 1000), 0.99);
  bucket("+Inf", 1);
}

function setBreaker(
  load: Load,
  workload: MonitoredWorkload,
  call: MonitoredCall,
  states: string,
): void {
  if (!call.hasBreaker) return;
  load.set(series("outrigger_breaker_state", workload, { cluster: call.name }), states);
}

/** Events wait in each case; a sink that works takes them, or refuses them for good. */
function setEvents(
  load: Load,
  workload: MonitoredWorkload,
  pipeline: string,
  how: "delivered" | "dead_lettered" | "stuck",
): void {
  const metric = (name: string) =>
    series(`outrigger_pipeline_sink_events_${name}`, workload, { pipeline, sink: SINK });
  load.set(metric("buffered"), steady(40));
  for (const what of ["delivered", "dead_lettered"] as const) {
    load.set(metric(`${what}_total`), how === what ? growing(10) : steady(1234));
  }
}

// ---------------------------------------------------------------- what makes each alert fire

function scenariosFor(rule: AlertingRule, workload: MonitoredWorkload): Scenario[] {
  switch (rule.alert) {
    case "OutriggerSloFastBurn":
      return [burnScenario(workload, BURNS.fast)];
    case "OutriggerSloSlowBurn":
      return [burnScenario(workload, BURNS.slow)];
    case "OutriggerErrorRatioHigh":
      return [errorScenario(workload, ownListener(workload))];
    case "OutriggerLatencyHigh":
      return [latencyScenario(workload)];
    case "OutriggerSidecarDown":
      return downScenarios(workload);
    case "OutriggerCallErrorRatioHigh":
      return workload.calls
        .filter((call) => call.listener === rule.labels.listener)
        .map((call) => errorScenario(workload, callListener(call)));
    case "OutriggerBreakerOpen":
      return workload.calls
        .filter((call) => call.name === rule.labels.cluster)
        .flatMap((call) => breakerScenarios(workload, call));
    case "OutriggerLogAdapterStuck":
      return workload.pipelines
        .filter((name) => name === rule.labels.pipeline)
        .map((name) => stuckScenario(workload, name));
    case "OutriggerLogAdapterRefused":
      return workload.pipelines
        .filter((name) => name === rule.labels.pipeline)
        .map((name) => refusedScenario(workload, name));
    case "OutriggerCertificateExpiresSoon":
      return certificateScenarios(workload, CERTIFICATE_DAYS.soon);
    case "OutriggerCertificateExpires":
      return certificateScenarios(workload, CERTIFICATE_DAYS.now);
    default:
      throw new Error(`The alert ${rule.alert} has no scenario in prometheus_tests.ts.`);
  }
}

function certificateScenarios(workload: MonitoredWorkload, days: number): Scenario[] {
  const leftSeconds = days * 86_400 - 3_600;
  return certificateSeries(workload).map(({ what, series }) => ({
    name: `that ${what} ends ${days} days from now, less an hour`,
    change: (load) => load.set(series, steady(EVALUATED_AT_SECONDS + leftSeconds)),
    quiet: (load) => load.set(series, steady(EVALUATED_AT_SECONDS + days * 86_400)),
    value: humanDuration(leftSeconds),
  }));
}

/** By whom it is shown. */
function certificateSeries(workload: MonitoredWorkload) {
  const { toCallers, toCallees } = workload.certificates;
  const own = { listener: workload.direction, certificate: "shop" };
  const metric = "tls_certificate_not_after_seconds";
  return [
    ...(toCallers
      ? [{ what: "of callers", series: series(`outrigger_${metric}`, workload, own) }]
      : []),
    ...(toCallees
      ? [
          {
            what: "of callees",
            series: series(`outrigger_upstream_${metric}`, workload, { cluster: "api" }),
          },
        ]
      : []),
  ];
}

function burnScenario(
  workload: MonitoredWorkload,
  burns: readonly { readonly factor: number }[],
): Scenario {
  const budget = 1 - (workload.availability ?? 0);
  const limits = burns.map(({ factor }) => factor * budget).filter((limit) => limit < 1);
  const lowest = Math.min(...limits);
  // Three digits: promtool compares the four that the annotation shows.
  const above = round(lowest === 0 ? 0.01 : (lowest + Math.min(1, lowest * 2)) / 2);
  const listener = ownListener(workload);
  return {
    name: `${percentage(above)} of the answers are errors`,
    change: (load) => setErrors(load, workload, listener, above),
    quiet: (load) => setErrors(load, workload, listener, round(lowest / 2)),
    value: percentage(above),
  };
}

function errorScenario(workload: MonitoredWorkload, listener: ListenerLabels): Scenario {
  return {
    name: `${percentage(ILL_RATIO)} of the answers are errors`,
    change: (load) => setErrors(load, workload, listener, ILL_RATIO),
    quiet: (load) => setErrors(load, workload, listener, 0.01),
    value: percentage(ILL_RATIO),
  };
}

function latencyScenario(workload: MonitoredWorkload): Scenario {
  const slowMs = (workload.p99Ms ?? 0) * 2;
  return {
    name: "p99 is twice its target",
    change: (load) => setLatency(load, workload, ownListener(workload), slowMs),
    value: humanDuration(slowMs / 1000),
  };
}

function downScenarios(workload: MonitoredWorkload): Scenario[] {
  const up = upSeries(workload);
  return [
    { name: "its scrape fails", change: (load) => load.set(up, steady(0)), value: "" },
    { name: "it is no target any more", change: (load) => load.delete(up), value: "" },
  ];
}

function breakerScenarios(workload: MonitoredWorkload, call: MonitoredCall): Scenario[] {
  const labels = { cluster: call.name, to: "open" };
  const opened = series("outrigger_breaker_transitions_total", workload, labels);
  return [
    {
      name: "the breaker is open",
      change: (load) => setBreaker(load, workload, call, steady(2)),
      value: "",
    },
    {
      name: "the breaker opened and closed between scrapes",
      change: (load) => load.set(opened, growing(1)),
      value: "",
    },
  ];
}

function stuckScenario(workload: MonitoredWorkload, pipeline: string): Scenario {
  return {
    name: "events wait and none is taken",
    change: (load) => setEvents(load, workload, pipeline, "stuck"),
    value: "",
  };
}

function refusedScenario(workload: MonitoredWorkload, pipeline: string): Scenario {
  return {
    name: "events are refused for good",
    change: (load) => setEvents(load, workload, pipeline, "dead_lettered"),
    value: "",
  };
}

// ---------------------------------------------------------------- how templates write figures

function round(value: number): number {
  return Number(value.toPrecision(3));
}

/** Prometheus' humanizePercentage: four digits. */
function percentage(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(4))}%`;
}

/** Prometheus' humanizeDuration. */
export function humanDuration(seconds: number): string {
  if (seconds < 1) {
    const units = ["s", "ms", "us", "ns"] as const;
    let value = seconds;
    let unit = 0;
    while (value < 1 && unit < units.length - 1) {
      value *= 1000;
      unit++;
    }
    return `${Number(value.toPrecision(4))}${units[unit]}`;
  }
  const whole = Math.trunc(seconds);
  const parts: [number, string][] = [
    [Math.trunc(whole / 86_400), "d"],
    [Math.trunc(whole / 3600) % 24, "h"],
    [Math.trunc(whole / 60) % 60, "m"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first === 3) return `${Number(seconds.toPrecision(4))}s`;
  return parts
    .slice(first)
    .map(([value, unit]) => `${value}${unit}`)
    .join(" ");
}
