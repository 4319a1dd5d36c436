import { expect, test } from "bun:test";
import { diffSnapshots, diffText } from "./diff.ts";
import { explainText } from "./explain.ts";
import { loadDocuments } from "../api/documents.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

const snapshotOf = (text: string, name: string): Snapshot =>
  snapshotsOf(text).find(({ workload }) => workload.name === name)!;

const front = (...call: string[]): string =>
  appText("front", 8080, ["calls:", `  api: { ${call.join(", ")} }`]) + appText("api", 9000);

test("S4-11 (configuration) a policy is a word, or has more to say", () => {
  const word = snapshotOf(front("balance: least-request"), "front");
  expect(word.policy.clusters.api!.balance).toEqual({ policy: "least-request" });
  const more = snapshotOf(
    front(
      "balance: { policy: maglev, hashBy: { header: X-User }, slowStart: 30s, " +
        "panicBelow: 30% }",
    ),
    "front",
  );
  expect(more.policy.clusters.api!.balance).toEqual({
    policy: "maglev",
    hashBy: { from: "header", name: "x-user" },
    slowStartMs: 30_000,
    panicRatio: 0.3,
  });
});

test("S4-45 (configuration) locality, weights, zones and labels reach the Snapshot", () => {
  const { policy, bindings } = snapshotOf(
    front(
      "balance: { locality: { zone: eu-1, failover: [eu-2] } }",
      "subset: { version: v2 }",
      "endpoints: ['10.0.0.1:80', { address: '10.0.0.2:80', weight: 3, zone: eu-1, " +
        "labels: { version: v2 } }]",
    ),
    "front",
  );
  expect(policy.clusters.api!.balance).toEqual({
    policy: "round-robin",
    locality: { zone: "eu-1", failover: ["eu-2"], spillRatio: 0.7 },
    subset: { version: "v2" },
  });
  expect(bindings.clusters.api!.endpoints).toEqual([
    { host: "10.0.0.1", port: 80 },
    { host: "10.0.0.2", port: 80, weight: 3, zone: "eu-1", labels: { version: "v2" } },
  ]);
});

test.each([
  ["balance: ring-hash", "ring-hash without hashBy"],
  ["balance: { policy: random, hashBy: { source: true } }", "random does not go by a key"],
  ["balance: { policy: maglev, hashBy: { source: true, cookie: a } }", "hashBy takes one key"],
  ["balance: { policy: maglev, hashBy: {} }", "hashBy takes one key"],
  ["subset: { version: v2 }", "subset without endpoints"],
  ["balance: { locality: { zone: a, failover: [a] } }", "a comes first anyway"],
])("what contradicts itself is refused: %s", (call, problem) => {
  const { problems } = loadDocuments([{ file: "shop.yaml", text: front(call) }]);
  expect(problems.map(({ message }) => message).join("\n")).toContain(problem);
});

test("diff and explain say it in words", () => {
  const before = snapshotsOf(front());
  const after = snapshotsOf(front("balance: { policy: ring-hash, hashBy: { cookie: sid } }"));
  const text = diffText(diffSnapshots(before, after));
  expect(text).toContain(
    "balance of calls to api changed: ring-hash by cookie sid (was: round-robin)",
  );
  const explained = explainText(after.find(({ workload }) => workload.name === "front")!);
  expect(explained).toMatch(/balance\/hashBy\/name = "sid" +.*spec.calls.api.balance/);
});

test("S4-11 (configuration) outlier ejection, in words too", () => {
  const spec = "outlier: { consecutive5xx: 3, baseTime: 5s, successRate: { minRequests: 50 } }";
  const { policy } = snapshotOf(front(spec), "front");
  expect(policy.clusters.api!.outlier).toEqual({
    consecutive5xx: 3,
    consecutiveGatewayErrors: 5,
    successRate: { minEndpoints: 5, minRequests: 50, deviations: 1.9 },
    intervalMs: 10_000,
    baseMs: 5_000,
    maxMs: 300_000,
    maxEjectedRatio: 0.5,
  });
  const text = diffText(diffSnapshots(snapshotsOf(front()), snapshotsOf(front(spec))));
  expect(text).toContain(
    "outlier ejection of calls to api added: ejects after 3 failures in a row or 5 gateway " +
      "errors in a row or a success rate 1.9 deviations below the others', for 5 s and longer " +
      "each time, at most 5 min, at most 50% of the endpoints",
  );
  const explained = explainText(snapshotOf(front(spec), "front"));
  expect(explained).toMatch(/outlier\/baseMs = 5000 +shop.yaml:8:.*spec.calls.api.outlier.base/);
  expect(explained).toMatch(/outlier\/maxMs = 300000 +default: .*5m/);
});

test("S4-11 (configuration) health checks, in words too", () => {
  const spec = "health: { path: /healthz, statuses: [200, 204] }";
  expect(snapshotOf(front(spec), "front").policy.clusters.api!.health).toEqual({
    path: "/healthz",
    host: "",
    statuses: [200, 204],
    intervalMs: 2_000,
    timeoutMs: 1_000,
    unhealthyAfter: 3,
    healthyAfter: 2,
  });
  const text = diffText(diffSnapshots(snapshotsOf(front()), snapshotsOf(front(spec))));
  expect(text).toContain(
    "health checks of calls to api added: GET /healthz (200, 204) every 2 s, " +
      "left out after 3 failures, back after 2 successes",
  );
  const tcp = snapshotOf(front("host: api.example.com", "port: 81", "health: {}"), "front");
  expect(tcp.policy.clusters.api!.health).toMatchObject({ path: null, host: "api.example.com:81" });
  expect(explainText(tcp)).toMatch(/health\/timeoutMs = 1000 +default: .*1s/);
});
