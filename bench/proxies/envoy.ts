import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { part } from "../../tools/install.ts";
import { Program } from "../processes.ts";
import { type BenchedProxy, HOST, logFile, otherPrefixes, type Setup, type TlsFiles } from "./proxy.ts";

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

function listener(setup: Setup): object {
  const { profile, port } = setup;
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
    routes: [...otherPrefixes(setup), "/"].map((prefix) => ({
      match: { prefix },
      route,
      ...(policies && prefix === "/" ? { stat_prefix: "items" } : {}),
    })),
  };
  const manager = {
    "@type": `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "in",
    codec_type: "HTTP1",
    generate_request_id: policies,
    route_config: { virtual_hosts: [host] },
    ...(setup.accessLog ? { access_log: [accessLog(logFile(setup))] } : {}),
    http_filters: [
      { name: "router", typed_config: { "@type": `${TYPE}.filters.http.router.v3.Router` } },
    ],
  };
  return {
    name: "in",
    address: address(port),
    filter_chains: [
      { filters: [{ name: "hcm", typed_config: manager }], ...transportOf(setup.tls) },
    ],
  };
}

function transportOf(tls: TlsFiles | null): object {
  if (tls === null) return {};
  const chain = { filename: tls.certificate };
  const context = {
    "@type": `${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext`,
    common_tls_context: {
      alpn_protocols: ["http/1.1"],
      tls_certificates: [{ certificate_chain: chain, private_key: { filename: tls.key } }],
    },
  };
  return { transport_socket: { name: "tls", typed_config: context } };
}

/** About what ours says of a request. */
function accessLog(path: string): object {
  return {
    name: "file",
    typed_config: {
      "@type": `${TYPE}.access_loggers.file.v3.FileAccessLog`,
      path,
      log_format: {
        json_format: {
          time: "%START_TIME%",
          method: "%REQ(:METHOD)%",
          path: "%REQ(:PATH)%",
          host: "%REQ(:AUTHORITY)%",
          status: "%RESPONSE_CODE%",
          flags: "%RESPONSE_FLAGS%",
          detail: "%RESPONSE_CODE_DETAILS%",
          duration: "%DURATION%",
          received: "%BYTES_RECEIVED%",
          bytes: "%BYTES_SENT%",
          upstream: "%UPSTREAM_HOST%",
          cluster: "%UPSTREAM_CLUSTER%",
          route: "%ROUTE_NAME%",
          client: "%DOWNSTREAM_REMOTE_ADDRESS%",
          request: "%REQ(X-REQUEST-ID)%",
        },
      },
    },
  };
}

/** Its defaults end at 1,024 connections and requests. */
const WIDE = { max_connections: 2048, max_pending_requests: 1024, max_requests: 2048 };

function cluster({ profile, upstreamPort }: Setup): object {
  const endpoint = { endpoint: { address: address(upstreamPort) } };
  const plain = {
    name: "api",
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: { cluster_name: "api", endpoints: [{ lb_endpoints: [endpoint] }] },
  };
  if (profile === "bare") {
    return { ...plain, circuit_breakers: { thresholds: [WIDE] } };
  }
  return {
    ...plain,
    circuit_breakers: {
      thresholds: [
        {
          ...WIDE,
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
