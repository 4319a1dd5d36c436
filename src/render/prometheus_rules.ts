/**
 * Recording and alerting rules for Prometheus, one group per workload. Names of recorded series are
 * level:metric:operations, as in https://prometheus.io/docs/practices/rules/. The SLO alerts watch
 * how fast the error budget burns, over a long and a short window at once, as in the SRE workbook
 * (https://sre.google/workbook/alerting-on-slos/, table 5-8).
 */
import { stringify } from "yaml";
import type { Generator } from "./generator.ts";
import type { MonitoredCall, MonitoredWorkload } from "./monitored.ts";
import { SCRAPE_JOB } from "./monitored.ts";
import { monitoredWorkloads } from "./monitored_workloads.ts";
import { figure, selector } from "./promql.ts";

export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly (RecordingRule | AlertingRule)[];
}

/**
 * Labels say of whom a rule is, though its series carry them: without them promtool takes the rules
 * of two workloads for one rule written twice.
 */
export type RuleLabels = Readonly<Record<string, string>>;

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels: RuleLabels;
}

export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  /** Absent: at once. */
  readonly for?: string;
  readonly labels: RuleLabels & { readonly severity: "page" | "ticket" };
  readonly annotations: Annotations;
}

export interface Annotations {
  readonly summary: string;
  readonly description: string;
  /** What it means, where to look, what to do. */
  readonly runbook: string;
}

/** Above this part of answers, something is wrong whatever the objective. */
export const ERROR_RATIO_LIMIT = 0.05;

/** A burn rate of 1 spends the whole budget in the SLO's 30 days. */
export const BURNS = {
  fast: [
    { factor: 14.4, long: "1h", short: "5m" },
    { factor: 6, long: "6h", short: "30m" },
  ],
  slow: [
    { factor: 3, long: "1d", short: "2h" },
    { factor: 1, long: "3d", short: "6h" },
  ],
} as const;

/** 1m for what a person watches, the rest for the burn rates. */
const ERROR_WINDOWS = ["1m", "5m", "30m", "1h", "2h", "6h", "1d", "3d"] as const;
const ERROR_WINDOWS_WITHOUT_SLO = ["1m", "5m"] as const;
const QUANTILES = [0.5, 0.9, 0.99] as const;

export const RULES_FILE = "outrigger-rules.yaml";

export const prometheusRules: Generator = {
  name: "prometheus-rules",
  summary: "Recording and alerting rules for Prometheus, from calls, objectives and logs.",
  status: "beta",
  security: "Names namespaces, Apps and calls; no addresses.",
  fileName: RULES_FILE,
  render: ({ documents, snapshots }) =>
    renderPrometheusRules(monitoredWorkloads(documents, snapshots)),
};

/** The rule file as YAML; an empty list of groups where nothing has a sidecar. */
export function renderPrometheusRules(workloads: readonly MonitoredWorkload[]): string {
  return stringify({ groups: prometheusRuleGroups(workloads) }, { lineWidth: 0 });
}

export function prometheusRuleGroups(workloads: readonly MonitoredWorkload[]): RuleGroup[] {
  return workloads.map((workload) => ({
    name: `outrigger-${workload.namespace}-${workload.name}`,
    rules: [
      ...ownRecords(workload),
      ...workload.calls.flatMap((call) => callRecords(workload, call)),
      ...sloAlerts(workload),
      ...ownAlerts(workload),
      ...workload.calls.flatMap((call) => callAlerts(workload, call)),
      ...workload.pipelines.flatMap((pipeline) => pipelineAlerts(workload, pipeline)),
    ],
  }));
}

// ---------------------------------------------------------------- recording rules

type Matcher = readonly [label: string, operator: "=" | "=~", value: string];

function identity(workload: MonitoredWorkload): Matcher[] {
  return [
    ["namespace", "=", workload.namespace],
    ["app", "=", workload.name],
  ];
}

function labelsOf(workload: MonitoredWorkload): { namespace: string; app: string } {
  return { namespace: workload.namespace, app: workload.name };
}

function ownRecords(workload: MonitoredWorkload): RecordingRule[] {
  const matchers: Matcher[] = [...identity(workload), ["direction", "=", workload.direction]];
  const windows = workload.availability === null ? ERROR_WINDOWS_WITHOUT_SLO : ERROR_WINDOWS;
  const labels = labelsOf(workload);
  return trafficRecords({ level: "app", by: "namespace, app", matchers, windows, labels });
}

function callRecords(workload: MonitoredWorkload, call: MonitoredCall): RecordingRule[] {
  const answers: Matcher[] = [...identity(workload), ["listener", "=", call.listener]];
  const tries = selector([...identity(workload), ["cluster", "=", call.name]]);
  const by = "sum by (namespace, app, cluster)";
  const labels = { ...labelsOf(workload), cluster: call.name };
  return [
    ...trafficRecords({
      level: "call",
      by: "namespace, app, listener",
      matchers: answers,
      windows: ERROR_WINDOWS_WITHOUT_SLO,
      labels: { ...labelsOf(workload), listener: call.listener },
    }),
    {
      record: "call:outrigger_upstream_tries:rate1m",
      expr: `${by} (rate(outrigger_upstream_tries_total${tries}[1m]))`,
      labels,
    },
    {
      record: "call:outrigger_upstream_retries:rate1m",
      expr: `${by} (rate(outrigger_upstream_retries_total${tries}[1m]))`,
      labels,
    },
  ];
}

interface Traffic {
  readonly level: "app" | "call";
  readonly by: string;
  readonly matchers: readonly Matcher[];
  /** Of the error ratio. */
  readonly windows: readonly string[];
  readonly labels: RuleLabels;
}

/** Request rate, error ratio and latency of what the matchers select. */
function trafficRecords({ level, by, matchers, windows, labels }: Traffic): RecordingRule[] {
  const all = selector(matchers);
  // Code 0 is a caller that left before its answer: nobody's error.
  const failed = selector([...matchers, ["code", "=~", "5.."]]);
  const rate = (which: string, window: string) =>
    `sum by (${by}) (rate(outrigger_requests_total${which}[${window}]))`;
  const records: RecordingRule[] = [
    { record: `${level}:outrigger_requests:rate1m`, expr: rate(all, "1m"), labels },
    { record: `${level}:outrigger_requests:rate5m`, expr: rate(all, "5m"), labels },
  ];
  for (const window of windows) {
    const whole = rate(all, window);
    records.push({
      record: `${level}:outrigger_request_errors:ratio_rate${window}`,
      // Without a single error there is no series of errors: the ratio is 0 then, not unknown.
      expr: `(${rate(failed, window)} or 0 * ${whole}) / (${whole} > 0)`,
      labels,
    });
  }
  const buckets = `outrigger_request_duration_seconds_bucket${all}`;
  for (const quantile of QUANTILES) {
    records.push({
      record: `${level}:outrigger_request_duration_seconds:p${quantile * 100}_rate5m`,
      expr: `histogram_quantile(${quantile}, sum by (${by}, le) (rate(${buckets}[5m])))`,
      labels,
    });
  }
  return records;
}

// ---------------------------------------------------------------- alerts of a workload

function sloAlerts(workload: MonitoredWorkload): AlertingRule[] {
  const { availability } = workload;
  if (availability === null) return [];
  const budget = 1 - availability;
  const objective = `${figure(availability * 100)}%`;
  const who = subject(workload);
  const alerts: AlertingRule[] = [];
  const fast = burnExpr(workload, BURNS.fast, budget);
  if (fast !== null) {
    alerts.push({
      alert: "OutriggerSloFastBurn",
      expr: fast,
      for: "2m",
      labels: { severity: "page", ...labelsOf(workload) },
      annotations: {
        summary: `${who} burns its error budget fast`,
        description:
          `{{ $value | humanizePercentage }} of the answers of ${who} are errors; ` +
          `at this rate the budget of its ${objective} objective is gone within days.`,
        runbook:
          "Users notice. See which route fails in outrigger_requests_total by route and code, " +
          "then which call in call:outrigger_request_errors:ratio_rate1m. " +
          "Undo the last change; if a callee is ill, give its call a breaker with a fallback.",
      },
    });
  }
  const slow = burnExpr(workload, BURNS.slow, budget);
  if (slow !== null) {
    alerts.push({
      alert: "OutriggerSloSlowBurn",
      expr: slow,
      for: "15m",
      labels: { severity: "ticket", ...labelsOf(workload) },
      annotations: {
        summary: `${who} burns its error budget slowly`,
        description:
          `{{ $value | humanizePercentage }} of the answers of ${who} are errors; ` +
          `at this rate the budget of its ${objective} objective does not last the month.`,
        runbook:
          "Nothing is on fire. Find the route and the call with a steady error ratio in " +
          "outrigger_requests_total and call:outrigger_request_errors:ratio_rate5m, " +
          "and repair it in working hours.",
      },
    });
  }
  return alerts;
}

/** Null where the objective is so low that no error ratio is above it. */
function burnExpr(
  workload: MonitoredWorkload,
  burns: readonly { readonly factor: number; readonly long: string; readonly short: string }[],
  budget: number,
): string | null {
  const which = selector(identity(workload));
  const ratio = (window: string) => `app:outrigger_request_errors:ratio_rate${window}${which}`;
  const pairs = burns
    .filter(({ factor }) => factor * budget < 1)
    .map(({ factor, long, short }) => {
      const limit = figure(factor * budget);
      return `(${ratio(long)} > ${limit} and ${ratio(short)} > ${limit})`;
    });
  return pairs.length === 0 ? null : pairs.join(" or ");
}

function ownAlerts(workload: MonitoredWorkload): AlertingRule[] {
  const who = subject(workload);
  const which = selector(identity(workload));
  const up = `up${selector([["job", "=", SCRAPE_JOB], ...identity(workload)])}`;
  const limit = `${figure(ERROR_RATIO_LIMIT * 100)}%`;
  const alerts: AlertingRule[] = [
    {
      alert: "OutriggerErrorRatioHigh",
      expr: `app:outrigger_request_errors:ratio_rate1m${which} > ${ERROR_RATIO_LIMIT}`,
      for: "1m",
      labels: { severity: "page", ...labelsOf(workload) },
      annotations: {
        summary: `${who} answers with errors`,
        description:
          `{{ $value | humanizePercentage }} of the answers of ${who} in the last minute ` +
          `are 5xx; the limit is ${limit}.`,
        runbook:
          "See which route and code it is in outrigger_requests_total. If the app's own process " +
          "fails, read its log; if a call fails, see OutriggerCallErrorRatioHigh of that call.",
      },
    },
    {
      alert: "OutriggerSidecarDown",
      expr:
        `min by (namespace, app) (${up}) == 0 ` +
        `or max by (namespace, app) (absent(${up}))`,
      for: "1m",
      labels: { severity: "page", ...labelsOf(workload) },
      annotations: {
        summary: `A sidecar of ${who} cannot be scraped`,
        description: `Prometheus has had no answer from a sidecar of ${who} for a minute.`,
        runbook:
          "Requests may still pass, but nothing is seen of them. Run `outrigger status`; " +
          "if the sidecar is gone, its log says why; if it runs, look at the address in " +
          "Prometheus' targets page.",
      },
    },
  ];
  if (workload.p99Ms !== null) alerts.push(latencyAlert(workload, workload.p99Ms));
  const { toCallers, toCallees } = workload.certificates;
  if (toCallers || toCallees) alerts.push(...certificateAlerts(workload));
  return alerts;
}

/** Renewals come a month before the end as a rule, so two weeks before it something is wrong. */
export const CERTIFICATE_DAYS = { soon: 14, now: 2 } as const;

function certificateAlerts(workload: MonitoredWorkload): AlertingRule[] {
  const who = subject(workload);
  const which = selector(identity(workload));
  const { toCallers, toCallees } = workload.certificates;
  const ends = [
    ...(toCallers ? [`outrigger_tls_certificate_not_after_seconds${which}`] : []),
    ...(toCallees ? [`outrigger_upstream_tls_certificate_not_after_seconds${which}`] : []),
  ].join(" or ");
  const left = `min by (namespace, app) (${ends}) - time()`;
  const alert = (name: string, days: number, severity: "page" | "ticket"): AlertingRule => ({
    alert: name,
    expr: `${left} < ${days * 86_400}`,
    labels: { severity, ...labelsOf(workload) },
    annotations: {
      summary: `A certificate of ${who} expires in less than ${days} days`,
      description: `The first one that ${who} shows is valid for {{ $value | humanizeDuration }} more.`,
      runbook:
        "outrigger_tls_certificate_not_after_seconds and outrigger_upstream_tls_certificate_" +
        "not_after_seconds say which one. Put the renewed files in its place: the sidecar reads " +
        "them within seconds, and the event certificate-loaded says so. If the files are new " +
        "already, certificate-refused in its log says why they are not used.",
    },
  });
  return [
    alert("OutriggerCertificateExpiresSoon", CERTIFICATE_DAYS.soon, "ticket"),
    alert("OutriggerCertificateExpires", CERTIFICATE_DAYS.now, "page"),
  ];
}

function latencyAlert(workload: MonitoredWorkload, p99Ms: number): AlertingRule {
  const who = subject(workload);
  const which = selector(identity(workload));
  const target = figure(p99Ms / 1000);
  return {
    alert: "OutriggerLatencyHigh",
    expr: `app:outrigger_request_duration_seconds:p99_rate5m${which} > ${target}`,
    for: "5m",
    labels: { severity: "ticket", ...labelsOf(workload) },
    annotations: {
      summary: `${who} is slower than its target`,
      description:
        `The slowest 1% of the answers of ${who} take {{ $value | humanizeDuration }} or more; ` +
        `the target is ${figure(p99Ms)} ms.`,
      runbook:
        "Compare with call:outrigger_request_duration_seconds:p99_rate5m: a slow callee wants a " +
        "shorter timeout or a per-try timeout. If no call is slow, the app itself is: look at " +
        "its CPU and at outrigger_requests_active.",
    },
  };
}

// ---------------------------------------------------------------- alerts of calls and pipelines

function callAlerts(workload: MonitoredWorkload, call: MonitoredCall): AlertingRule[] {
  const who = subject(workload);
  const which = selector([...identity(workload), ["listener", "=", call.listener]]);
  const limit = `${figure(ERROR_RATIO_LIMIT * 100)}%`;
  const alerts: AlertingRule[] = [
    {
      alert: "OutriggerCallErrorRatioHigh",
      expr: `call:outrigger_request_errors:ratio_rate1m${which} > ${ERROR_RATIO_LIMIT}`,
      for: "1m",
      labels: { severity: "ticket", ...labelsOf(workload), listener: call.listener },
      annotations: {
        summary: `Calls of ${who} to ${call.name} fail`,
        description:
          `{{ $value | humanizePercentage }} of the answers that ${who} got from ` +
          `${call.name} in the last minute are 5xx; the limit is ${limit}.`,
        runbook:
          "This is after retries and fallback. Look at outrigger_upstream_failures_total by " +
          `reason: refused or reset means that ${call.name} is down, timeout that it is slow. ` +
          "A breaker with a fallback in the call keeps the caller well meanwhile.",
      },
    },
  ];
  if (call.hasBreaker) alerts.push(breakerAlert(workload, call));
  return alerts;
}

function breakerAlert(workload: MonitoredWorkload, call: MonitoredCall): AlertingRule {
  const who = subject(workload);
  const cluster: Matcher = ["cluster", "=", call.name];
  const state = `outrigger_breaker_state${selector([...identity(workload), cluster])}`;
  const opened = selector([...identity(workload), cluster, ["to", "=", "open"]]);
  const by = "by (namespace, app, cluster)";
  return {
    alert: "OutriggerBreakerOpen",
    // A breaker may open and close between two scrapes: its transitions tell then.
    expr:
      `max ${by} (max_over_time(${state}[2m])) == 2 ` +
      `or sum ${by} (increase(outrigger_breaker_transitions_total${opened}[2m])) > 0`,
    labels: { severity: "ticket", ...labelsOf(workload), cluster: call.name },
    annotations: {
      summary: `The breaker of ${who} to ${call.name} opened`,
      description:
        `${call.name} failed so often within the last two minutes that ${who} ` +
        "stopped calling it for a while.",
      runbook:
        `Callers get the fallback of the call, or 503. Heal ${call.name}: the breaker tries it ` +
        "with a few requests after openFor and closes by itself. " +
        "If it opens without need, raise errorRate or minRequests of the breaker.",
    },
  };
}

/** Of each sink of a log adapter: the label `sink` says which. */
function pipelineAlerts(workload: MonitoredWorkload, pipeline: string): AlertingRule[] {
  const who = subject(workload);
  const which = selector([...identity(workload), ["pipeline", "=", pipeline]]);
  const by = "by (namespace, app, pipeline, sink)";
  const increase = (what: string, window: string) =>
    `sum ${by} (increase(outrigger_pipeline_sink_events_${what}_total${which}[${window}]))`;
  const labels = { severity: "ticket", ...labelsOf(workload), pipeline } as const;
  return [
    {
      alert: "OutriggerLogAdapterStuck",
      expr:
        `sum ${by} (min_over_time(outrigger_pipeline_sink_events_buffered${which}[2m])) > 0 ` +
        `and ${increase("delivered", "2m")} + ${increase("dead_lettered", "2m")} == 0`,
      for: "1m",
      labels,
      annotations: {
        summary: `The log adapter ${pipeline} of ${who} does not get on`,
        description:
          `For two minutes events of ${who} have waited for {{ $labels.sink }}, ` +
          "and it has taken none.",
        runbook:
          "Nothing is lost: the lines stay in the file and are sent later. See whether the sink " +
          "answers (the sidecar's log says what it was told), and that the disk of the file is " +
          "not full.",
      },
    },
    {
      alert: "OutriggerLogAdapterRefused",
      expr: `${increase("dead_lettered", "5m")} > 0`,
      labels,
      annotations: {
        summary: `Events of the log adapter ${pipeline} of ${who} are refused`,
        description: `{{ $labels.sink }} has refused events of ${who} for good.`,
        runbook:
          "They lie in the dead letters of the pipeline's state folder, each with the reason. " +
          "Mostly a field changed its type: change the parse of the log, or the index's mapping.",
      },
    },
  ];
}

function subject(workload: MonitoredWorkload): string {
  return `${workload.namespace}/${workload.name}`;
}
