import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { part } from "../../tools/install.ts";
import { Program } from "../processes.ts";
import { type BenchedProxy, HOST, type Setup } from "./proxy.ts";

export async function envoy(): Promise<BenchedProxy> {
  const { path, version } = await part("envoy");
  return {
    name: "envoy",
    version,
    does: {
      bare: "concurrency 1, no request id, its statistics (they cannot be switched off)",
      policies:
        "virtual host and prefix route, statistics per listener, route and cluster, timeouts, " +
        "retry policy with budget, outlier detection, circuit breakers, request id",
    },
    start(setup) {
      const file = join(setup.folder, "envoy.json");
      writeFileSync(file, JSON.stringify(configuration(setup), null, 2));
      const flags = ["-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "error"];
      return new Program("envoy", [path, ...flags], { cwd: setup.folder });
    },
  };
}

const TYPE = "type.googleapis.com/envoy.extensions";

function address(port: number): object {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}

function configuration(setup: Setup): object {
  return {
    admin: { address: address(setup.adminPort) },
    static_resources: { listeners: [listener(setup)], clusters: [cluster(setup)] },
  };
}

function listener({ profile, port }: Setup): object {
  const policies = profile === "policies";
  const retry = {
    retry_on: "5xx,reset,connect-failure",
    num_retries: 2,
    per_try_timeout: "0.5s",
  };
  const route = policies
    ? { cluster: "api", timeout: "2s", retry_policy: retry }
    : { cluster: "api", timeout: "0s" };
  const host = {
    name: "api",
    domains: policies ? [HOST, `${HOST}:*`] : ["*"],
    routes: [{ match: { prefix: "/" }, route, ...(policies ? { stat_prefix: "items" } : {}) }],
  };
  const manager = {
    "@type": `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "in",
    codec_type: "HTTP1",
    generate_request_id: policies,
    route_config: { virtual_hosts: [host] },
    http_filters: [
      { name: "router", typed_config: { "@type": `${TYPE}.filters.http.router.v3.Router` } },
    ],
  };
  return {
    name: "in",
    address: address(port),
    filter_chains: [{ filters: [{ name: "hcm", typed_config: manager }] }],
  };
}

function cluster({ profile, upstreamPort }: Setup): object {
  const endpoint = { endpoint: { address: address(upstreamPort) } };
  const plain = {
    name: "api",
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: { cluster_name: "api", endpoints: [{ lb_endpoints: [endpoint] }] },
  };
  if (profile === "bare") return plain;
  return {
    ...plain,
    circuit_breakers: {
      thresholds: [
        {
          max_connections: 100,
          max_pending_requests: 100,
          max_requests: 200,
          retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 3 },
        },
      ],
    },
    outlier_detection: {
      consecutive_5xx: 50,
      interval: "1s",
      base_ejection_time: "5s",
      failure_percentage_threshold: 25,
      enforcing_failure_percentage: 100,
    },
  };
}
