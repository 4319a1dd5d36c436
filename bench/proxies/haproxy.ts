import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { part } from "../../tools/install.ts";
import { Program } from "../processes.ts";
import { type BenchedProxy, HOST, logFile, otherPrefixes, type Setup, TLS_CIPHER } from "./proxy.ts";

export async function haproxy(): Promise<BenchedProxy> {
  const { path, version } = await part("haproxy");
  return {
    name: "haproxy",
    version,
    does: {
      bare: "one thread, keep-alive to the upstream",
      policies:
        "host and path rules, built-in counters with the Prometheus exporter, timeouts, retry-on " +
        "with redispatch, observe layer7 with on-error mark-down, maxconn and queue limits, " +
        "uuid() request id",
    },
    start(setup) {
      const file = join(setup.folder, "haproxy.cfg");
      const map = join(setup.folder, "routes.map");
      writeFileSync(map, [...otherPrefixes(setup), "/"].map((path) => `${path} api\n`).join(""));
      writeFileSync(file, configuration(setup, map));
      return new Program("haproxy", [path, "-db", "-f", file], {
        cwd: setup.folder,
        ...(setup.accessLog ? { stdoutFile: logFile(setup) } : {}),
      });
    },
  };
}

const CAPTURES = `  http-request capture req.hdr(host) len 64
  http-request capture req.hdr(x-request-id) len 64
`;

/** About what ours says of a request. */
const LOG_FORMAT =
  `'{"time":"%tr","method":"%HM","path":"%HP",` +
  `"host":"%[capture.req.hdr(0)]","status":%ST,"bytes":%B,"received":%U,"duration":%Ta,` +
  `"upstream":"%si:%sp","client":"%ci","route":"%b","flags":"%tsc",` +
  `"request":"%[capture.req.hdr(1)]"}'`;

function configuration(setup: Setup, map: string): string {
  const { profile, port, adminPort, upstreamPort } = setup;
  const log = setup.accessLog
    ? `  log stdout len 8192 format raw local0\n  log-format ${LOG_FORMAT}\n`
    : "";
  const common = `
global
  nbthread 1
  maxconn 8192
  ssl-default-bind-options ssl-min-ver TLSv1.2
  ssl-default-bind-ciphersuites ${TLS_CIPHER}
defaults
  mode http
  timeout connect 1s
  timeout client 300s
  timeout server 2s
  timeout http-keep-alive 300s
  http-reuse always
${log}`;
  const bind = `bind 127.0.0.1:${port}${setup.tls === null ? "" : ` ssl crt ${setup.tls.both} alpn http/1.1`}`;
  if (profile === "bare") {
    return `${common}
frontend in
  ${bind}
  default_backend api
backend api
  server s1 127.0.0.1:${upstreamPort}
`;
  }
  return `${common}
frontend in
  ${bind}
  http-request set-header x-request-id %[uuid()] unless { req.hdr(x-request-id) -m found }
  acl host_ok hdr(host),field(1,:),lower -m str ${HOST}
  http-request return status 404 unless host_ok
${setup.accessLog ? CAPTURES : ""}  use_backend %[path,map_beg(${map})]
backend api
  timeout queue 1s
  retries 2
  option redispatch
  retry-on conn-failure empty-response response-timeout 500 502 503 504
  default-server maxconn 2048 maxqueue 1024 check inter 5s
  default-server observe layer7 error-limit 50 on-error mark-down
  server s1 127.0.0.1:${upstreamPort}
frontend admin
  bind 127.0.0.1:${adminPort}
  http-request use-service prometheus-exporter if { path /metrics }
`;
}
