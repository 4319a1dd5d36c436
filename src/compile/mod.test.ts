import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Site, WorkloadSite } from "../api/site.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { formatProblem } from "../schema/problem.ts";
import { hashesHold } from "./hash.ts";
import { compile } from "./mod.ts";
import { originText } from "./origins.ts";
import { appText, documentsOf, siteOf, snapshotsOf } from "./testdata/from_text.ts";

// ---------------------------------------------------------------- goldens

const TESTDATA = join(import.meta.dir, "testdata");
const DASHES = `${"-".repeat(70)}\n`;

/** Origins as lines, for people who review them. */
function golden(input: string): string {
  const documents = documentsOf(input);
  const { snapshots, problems } = compile({ documents, site: siteOf(documents) });
  const readable = snapshots.map((snapshot) => {
    const origins = Object.entries(snapshot.origins);
    const lines = origins.map(([pointer, origin]) => [pointer, originText(origin)] as const);
    return { ...snapshot, origins: Object.fromEntries(lines) };
  });
  const content = { problems: problems.map(formatProblem), snapshots: readable };
  return `${JSON.stringify(content, null, 2)}\n`;
}

for (const name of readdirSync(TESTDATA).filter((one) => one.endsWith(".txt"))) {
  test(`${name} compiles to what stands below its dashes`, () => {
    const path = join(TESTDATA, name);
    const [input = "", expected = ""] = readFileSync(path, "utf8").split(DASHES);
    const found = golden(input);
    if (process.env.UPDATE_GOLDENS === "1") writeFileSync(path, `${input}${DASHES}${found}`);
    else expect(found).toBe(expected);
  });
}

// ---------------------------------------------------------------- what the rows ask for

function snapshotOf(text: string, name: string): Snapshot {
  const found = snapshotsOf(text).find((snapshot) => snapshot.workload.name === name);
  if (found === undefined) throw new Error(`no snapshot of ${name}`);
  return found;
}

test("S1-19 (configuration) a table of prefixes and hosts leads to a cluster each, no more", () => {
  const text = appText("front", 8080, [
    "routes:",
    "  - { path: /service/a/*, to: a }",
    "  - { path: /service/b/*, to: b }",
    "  - { path: /service/c/*, host: c.example.com, to: c }",
    "calls:",
    ...["a", "b", "c"].map((name) => `  ${name}: { endpoints: ["10.0.0.1:80"] }`),
  ]);
  const { routes } = snapshotOf(text, "front").policy.listeners.inbound!;
  const wanted = ["a", "b", "c"].map((name) => {
    const host = name === "c" ? "c.example.com" : "*";
    return {
      name: `${host === "*" ? "" : host}/service/${name}/*`,
      hosts: [host],
      path: { kind: "prefix", value: `/service/${name}` },
      backends: [{ cluster: name, weight: 1 }],
    };
  });
  expect(routes.length).toBe(wanted.length);
  expect(routes).toMatchObject(wanted);
});

test("S1-20 (configuration) names are asked of DNS, addresses are not, 0.25s is kept", () => {
  const text = appText("front", 8080, [
    "calls:",
    "  outside: { host: api.example.com, port: 80, connectTimeout: 0.25s }",
    '  fixed: { endpoints: ["10.0.0.1:80", "[::1]:81"] }',
  ]);
  const { policy, bindings } = snapshotOf(text, "front");
  expect(policy.clusters.outside).toMatchObject({
    balance: { policy: "round-robin" },
    connectTimeoutMs: 250,
  });
  expect(bindings.clusters.outside).toMatchObject({
    discovery: "strict-dns",
    endpoints: [{ host: "api.example.com", port: 80 }],
  });
  expect(bindings.clusters.fixed).toMatchObject({
    discovery: "static",
    endpoints: [
      { host: "10.0.0.1", port: 80 },
      { host: "::1", port: 81 },
    ],
  });
});

test("S1-24 (configuration) limits reach the cluster; unwritten ones are Envoy's 1024", () => {
  const text =
    appText("front", 8080, ["calls:", "  api: { limits: { maxConnections: 1, maxRequests: 1 } }"]) +
    appText("api", 9000);
  expect(snapshotOf(text, "front").policy.clusters.api!.limits).toEqual({
    maxConnections: 1,
    maxPendingRequests: 1024,
    maxRequests: 1,
  });
});

test("S1-25 (configuration) retries reach the route; without the field there is none", () => {
  const retry = "retry: { attempts: 3, on: [5xx], perTryTimeout: 5s }";
  const text =
    appText("front", 8080, ["calls:", `  api: { ${retry} }`, "  plain: { app: api }"]) +
    appText("api", 9000);
  const { listeners } = snapshotOf(text, "front").policy;
  expect(listeners["call:api"]!.routes[0]!.retry).toEqual({
    attempts: 3,
    on: ["5xx"],
    perTryTimeoutMs: 5000,
    backoff: { baseMs: 25, maxMs: 250 },
    budgetRatio: 0.2,
    budgetMinimum: 3,
    methods: "idempotent",
    maxBodyBytes: 65_536,
    maxRetryAfterMs: 1_000,
  });
  expect(listeners["call:plain"]!.routes[0]!.retry).toBeNull();
});

test("a field that nobody wrote means no policy", () => {
  const { policy } = snapshotOf(appText("front", 8080), "front");
  const [route] = policy.listeners.inbound!.routes;
  expect(route).toMatchObject({ timeoutMs: 0, idleTimeoutMs: 0, retry: null, fallback: null });
  expect(policy.clusters.app).toMatchObject({ breaker: null });
  expect(policy.pipelines).toEqual({});
  expect(policy.accessLog).toEqual({ format: "off" });
});

test("an App without a sidecar has no Snapshot, and its callers reach the process", () => {
  const text =
    appText("front", 8080, ["calls: { api: {} }"]) +
    appText("api", 9000, ["sidecar: { enabled: false }"]);
  const [front, ...others] = snapshotsOf(text);
  expect(others).toEqual([]);
  expect(front!.bindings.clusters.api!.endpoints).toEqual([{ host: "127.0.0.1", port: 19_000 }]);
});

test("an App without a port has no inbound listener", () => {
  const text = [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    "metadata: { name: worker }",
    "spec: { run: { command: [./worker] }, calls: { out: { host: a.example, port: 80 } } }",
  ].join("\n");
  const { policy } = snapshotOf(text, "worker");
  expect(Object.keys(policy.listeners)).toEqual(["call:out"]);
  expect(Object.keys(policy.clusters)).toEqual(["out"]);
});

test("no Snapshot says where a sink is in its policy, and the site may move it", () => {
  const documents = documentsOf(goldenInput("shop.txt"));
  const moved = siteOf(documents, { sinks: { elasticsearch: { url: "http://10.0.0.9:9200" } } });
  const [api] = compile({ documents, site: moved }).snapshots;
  expect(JSON.stringify(api!.policy)).not.toContain("http://");
  expect(api!.bindings.pipelines.events!.sinks.elasticsearch).toEqual({
    url: "http://10.0.0.9:9200",
  });
});

function goldenInput(name: string): string {
  return readFileSync(join(TESTDATA, name), "utf8").split(DASHES)[0] as string;
}

// ---------------------------------------------------------------- properties

const callOptions = fc.subarray([
  "timeout: 2s",
  "retry: { attempts: 2 }",
  "breaker: { errorRate: 25% }",
  "limits: { maxConnections: 10 }",
  "fallback: { status: 200, body: sorry }",
]);

/** Three Apps of which some call others. */
const files = fc
  .record({
    first: callOptions,
    second: callOptions,
    log: fc.boolean(),
    enabled: fc.boolean(),
  })
  .map(({ first, second, log, enabled }) => {
    const front = ["calls:", `  api: { ${first.join(", ")} }`, `  stock: { ${second.join(", ")} }`];
    const api = log ? ["logs: [{ file: logs/api.log, parse: json }]"] : [];
    return (
      appText("front", 8080, front) +
      appText("api", 9000, api) +
      appText("stock", 9001, [`sidecar: { enabled: ${enabled} }`])
    );
  });

const ports = fc.integer({ min: 1, max: 65_535 });

/** The same workloads anywhere else. */
function movedSite(site: Site, port: number): Site {
  const address = { host: "10.1.2.3", port };
  const entries = Object.entries(site.workloads).map(([key, workload]): [string, WorkloadSite] => {
    const local = workload.local!;
    const calls = Object.fromEntries(Object.keys(local.calls).map((name) => [name, address]));
    const elsewhere = {
      inbound: address,
      app: address,
      calls,
      admin: { readOnly: address, socket: "/elsewhere.sock" },
      stateFolder: "/elsewhere",
      appFolder: "/elsewhere/app",
    };
    return [key, { endpoints: [address, { host: "api.example", port }], local: elsewhere }];
  });
  return { ...site, workloads: Object.fromEntries(entries) };
}

describe("properties", () => {
  test("the same files and site give the same bytes, and hashes that hold", () => {
    fc.assert(
      fc.property(files, (text) => {
        const snapshots = snapshotsOf(text);
        expect(JSON.stringify(snapshotsOf(text))).toBe(JSON.stringify(snapshots));
        expect(snapshots.every(hashesHold)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test("policyHash does not hang on the site, version does", () => {
    fc.assert(
      fc.property(files, ports, (text, port) => {
        const documents = documentsOf(text);
        const site = siteOf(documents);
        const here = compile({ documents, site }).snapshots;
        const there = compile({ documents, site: movedSite(site, port) }).snapshots;
        expect(there.map((one) => one.policyHash)).toEqual(here.map((one) => one.policyHash));
        for (const [index, one] of there.entries()) {
          expect(one.version).not.toBe(here[index]!.version);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("where a line stands is in no hash", () => {
    fc.assert(
      fc.property(files, (text) => {
        const lower = snapshotsOf(`# one line more\n${text}`);
        const hashes = (all: readonly Snapshot[]) => all.map((one) => one.version);
        expect(hashes(lower)).toEqual(hashes(snapshotsOf(text)));
        expect(lower[0]!.origins).not.toEqual(snapshotsOf(text)[0]!.origins);
      }),
      { numRuns: 10 },
    );
  });

  test("an App that nobody calls changes nothing in the others' Snapshots", () => {
    fc.assert(
      fc.property(files, fc.constantFrom("aaa", "other", "zzz"), (text, name) => {
        const before = snapshotsOf(text);
        const after = snapshotsOf(text + appText(name, 9100, ["calls: { api: {} }"]));
        const others = after.filter((one) => one.workload.name !== name);
        expect(after.length).toBe(others.length + 1);
        expect(others).toEqual([...before]);
      }),
      { numRuns: 30 },
    );
  });

  test("another order of the documents gives the same Snapshots", () => {
    const texts = [appText("front", 8080, ["calls: { api: {} }"]), appText("api", 9000)];
    const versions = (all: readonly Snapshot[]) => all.map((one) => [one.workload, one.version]);
    expect(versions(snapshotsOf(texts.toReversed().join("")))).toEqual(
      versions(snapshotsOf(texts.join(""))),
    );
  });
});

test("workers are a matter of the place: another number is not another policy", () => {
  const text = (lines: readonly string[]): string => appText("front", 8080, lines);
  const [one, two] = [
    snapshotOf(text([]), "front"),
    snapshotOf(text(["sidecar: { workers: 2 }"]), "front"),
  ];
  expect([one.bindings.workers, two.bindings.workers]).toEqual([undefined, 2]);
  expect(two.policyHash).toBe(one.policyHash);
  expect(two.version).not.toBe(one.version);
  expect(two.origins["/bindings/workers"]?.field).toBe("spec.sidecar.workers");
});
