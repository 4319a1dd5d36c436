import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type {
  ClusterPolicy,
  ListenerPolicy,
  ListenerTlsBinding,
  ListenerTlsPolicy,
  RoutePolicy,
  Snapshot,
} from "../../src/api/snapshot.ts";
import type { TracingPolicy } from "../../src/api/tracing.ts";
import { Program } from "../processes.ts";
import { type BenchedProxy, HOST, logFile, otherPrefixes, type Setup, type TlsFiles } from "./proxy.ts";

const ROOT = join(import.meta.dir, "../..");

/** How ours is started. */
export interface OutriggerProgram {
  readonly command: readonly string[];
  readonly version: string;
}

/** What ships, the binary, built anew; or the source as it is, for work in progress. */
export function outriggerProgram(fromSource: boolean): OutriggerProgram {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    version: string;
  };
  const source = [process.execPath, "--smol", join(ROOT, "src", "main.ts")];
  return { command: fromSource ? source : buildBinary(), version };
}

function buildBinary(): readonly string[] {
  const build = Bun.spawnSync([process.execPath, "tools/build.ts"], { cwd: ROOT });
  if (build.exitCode !== 0) {
    throw new Error(`dist/outrigger could not be built:\n${build.stderr.toString()}`);
  }
  return [join(ROOT, "dist", "outrigger")];
}

export function outrigger({ command, version }: OutriggerProgram): BenchedProxy {
  return {
    name: "outrigger",
    version,
    does: {
      bare: "one process, keep-alive to the upstream, its metrics (they cannot be switched off)",
      policies:
        "host and path routes, metrics per listener, route and cluster, timeouts, retries with " +
        "budget, error-rate breaker with a canned answer, limits, request id",
    },
    start(setup) {
      const file = join(setup.folder, "snapshot.json");
      writeFileSync(file, JSON.stringify(benchSnapshot(setup), null, 2));
      return new Program("outrigger", [...command, "proxy", "--snapshot", file], {
        cwd: setup.folder,
        ...(setup.accessLog ? { stdoutFile: logFile(setup) } : {}),
      });
    },
  };
}

/** The Snapshot by which ours does the work of a profile. */
export function benchSnapshot(setup: Setup): Snapshot {
  const { profile, port, adminPort, upstreamPort, folder } = setup;
  const policies = profile === "policies";
  const { telemetry = "off" } = setup;
  const collector = telemetry === "off" ? null : telemetry.collector;
  return {
    apiVersion: "outrigger.dev/v1alpha1",
    kind: "Snapshot",
    workload: { namespace: "bench", name: profile },
    version: "0000000000000001",
    policyHash: "0000000000000001",
    policy: {
      listeners: { in: listener(setup) },
      clusters: { api: cluster(policies) },
      pipelines: {},
      accessLog: { format: setup.accessLog ? "json" : "off" },
      drainMs: 1000,
      ...(collector === null ? {} : { tracing: TRACING }),
    },
    bindings: {
      listeners: { in: { host: "127.0.0.1", port } },
      clusters: {
        api: {
          discovery: "static",
          endpoints: [{ host: "127.0.0.1", port: upstreamPort }],
          refresh: { minMs: 1000, maxMs: 60_000 },
        },
      },
      admin: {
        readOnly: { host: "127.0.0.1", port: adminPort },
        socket: join(folder, "admin.sock"),
      },
      pipelines: {},
      stateFolder: join(folder, "state"),
      ...(setup.tls === null ? {} : { tls: { in: tlsBinding(setup.tls) } }),
      ...(collector === null ? {} : { tracing: { url: collector } }),
    },
    origins: {},
  };
}

function listener(setup: Setup): ListenerPolicy {
  const plain = setup.profile === "policies" ? route() : bareRoute();
  const last = setup.telemetry === "off" ? { ...plain, filters: [] } : plain;
  const others = otherPrefixes(setup).map((value, n) => ({
    ...last,
    name: `other-${n}`,
    path: { kind: "prefix" as const, value: value.slice(0, -1) },
  }));
  return {
    direction: "outbound",
    protocol: "http",
    routes: [...others, last],
    maxConnections: 8192,
    maxHeaderBytes: 65_536,
    maxHeaders: 100,
    headerTimeoutMs: 10_000,
    idleTimeoutMs: 300_000,
    bodyTimeoutMs: 60_000,
    ...(setup.tls === null ? {} : { tls: TLS }),
  };
}

const TRACING: TracingPolicy = { ratio: 0.01, exporter: "zipkin", write: ["w3c"] };

const TLS: ListenerTlsPolicy = {
  certificates: ["bench"],
  minVersion: "1.2",
  clientCertificate: "none",
  handshakeTimeoutMs: 10_000,
};

function tlsBinding({ certificate, key }: TlsFiles): ListenerTlsBinding {
  return { certificates: { bench: { certificate, key } }, clientCa: null };
}

function bareRoute(): RoutePolicy {
  return {
    name: "all",
    hosts: ["*"],
    path: { kind: "prefix", value: "/" },
    backends: [{ cluster: "api", weight: 1 }],
    timeoutMs: 0,
    idleTimeoutMs: 0,
    retry: null,
    fallback: null,
    filters: [],
  };
}

function route(): RoutePolicy {
  return {
    ...bareRoute(),
    name: "items",
    filters: [{ filter: "request_id", config: {} }],
    hosts: [HOST],
    timeoutMs: 2000,
    idleTimeoutMs: 300_000,
    retry: {
      attempts: 2,
      on: ["5xx", "reset", "connect-failure"],
      perTryTimeoutMs: 500,
      backoff: { baseMs: 25, maxMs: 250 },
      budgetRatio: 0.2,
      budgetMinimum: 3,
      methods: "idempotent",
      maxBodyBytes: 65_536,
    },
    fallback: {
      on: ["open", "exhausted"],
      status: 200,
      headers: { "content-type": "application/json" },
      body: '{"items":[],"degraded":true}',
    },
  };
}

function cluster(policies: boolean): ClusterPolicy {
  return {
    kind: "call",
    balance: { policy: "round-robin" },
    connectTimeoutMs: 1000,
    idleTimeoutMs: 60_000,
    limits: { maxConnections: 2048, maxPendingRequests: 1024, maxRequests: 2048 },
    breaker: policies
      ? { errorRate: 0.25, minRequests: 20, windowMs: 10_000, openMs: 5000, halfOpenRequests: 3 }
      : null,
  };
}
