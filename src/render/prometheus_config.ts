import { stringify } from "yaml";
import type { Snapshot } from "../api/snapshot.ts";
import { hostPortText } from "../compile/words.ts";
import type { Generator } from "./generator.ts";
import { SCRAPE_JOB } from "./monitored.ts";
import { RULES_FILE } from "./prometheus_rules.ts";

export interface ScrapeTarget {
  readonly namespace: string;
  readonly app: string;
  /** `host:port` of the sidecar's read-only address. */
  readonly address: string;
}

export interface PrometheusConfig {
  readonly targets: readonly ScrapeTarget[];
  /** Paths, from the folder of the configuration file. */
  readonly ruleFiles: readonly string[];
  /** 15 s unless given; a demo wants to see more. */
  readonly scrapeIntervalMs?: number;
  /** As the scrapes unless given. */
  readonly evaluationIntervalMs?: number;
}

const SCRAPE_INTERVAL_MS = 15_000;
/** Prometheus' own default; it may not be longer than the interval. */
const MAX_SCRAPE_TIMEOUT_MS = 10_000;

export const prometheusConfig: Generator = {
  name: "prometheus-config",
  summary: "A prometheus.yml that scrapes each sidecar and loads the rules.",
  status: "beta",
  security: "Lists the sidecars' read-only addresses.",
  fileName: "prometheus.yml",
  render: ({ snapshots }) =>
    renderPrometheusConfig({ targets: scrapeTargets(snapshots), ruleFiles: [RULES_FILE] }),
};

/** The read-only address of each sidecar, and of the gateway. */
export function scrapeTargets(snapshots: readonly Snapshot[]): ScrapeTarget[] {
  return snapshots.map(({ workload, bindings }) => ({
    namespace: workload.namespace,
    app: workload.name,
    address: hostPortText(bindings.admin.readOnly),
  }));
}

/**
 * prometheus.yml for sidecars on known addresses. The labels `namespace` and `app`, by which all
 * rules go, are set here: a proxy does not say them of itself.
 */
export function renderPrometheusConfig(config: PrometheusConfig): string {
  const scrapeMs = config.scrapeIntervalMs ?? SCRAPE_INTERVAL_MS;
  const evaluationMs = config.evaluationIntervalMs ?? scrapeMs;
  const content = {
    global: {
      scrape_interval: durationText(scrapeMs),
      scrape_timeout: durationText(Math.min(scrapeMs, MAX_SCRAPE_TIMEOUT_MS)),
      evaluation_interval: durationText(evaluationMs),
    },
    rule_files: config.ruleFiles,
    scrape_configs: [
      {
        job_name: SCRAPE_JOB,
        metrics_path: "/metrics",
        static_configs: config.targets.map(({ namespace, app, address }) => ({
          targets: [address],
          labels: { namespace, app },
        })),
      },
    ],
  };
  return stringify(content, { lineWidth: 0 });
}

/** Prometheus has no fractions in durations. */
function durationText(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${Math.round(ms)}ms`;
}
