import { expect, test } from "bun:test";
import { loadDocuments } from "../api/documents.ts";
import { formatProblems } from "../schema/problem.ts";
import { diffSnapshots } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

function front(limit: string) {
  const lines = ["calls:", `  api: { endpoints: ["10.0.0.1:80"]${limit} }`];
  return snapshotsOf(appText("front", 8080, lines));
}

const LIMIT = ", rateLimit: { requests: 100, per: 1m, by: { header: X-User } }, faults: { abort: {} }";

test("a rate limit becomes a filter before the faults, line by line", () => {
  const [snapshot] = front(LIMIT);
  const { filters } = snapshot!.policy.listeners["call:api"]!.routes[0]!;
  expect(filters.map(({ filter }) => filter).slice(-2)).toEqual(["rate_limit", "fault"]);
  const limit = filters.find(({ filter }) => filter === "rate_limit")!;
  expect(limit.config).toEqual({
    name: "header x-user",
    requests: 100,
    perMs: 60_000,
    burst: 100,
    key: { by: "header", header: "x-user" },
    maxKeys: 10_000,
  });
  const at = `/filters/${filters.indexOf(limit)}/`;
  const parts = explain(snapshot!).filter(({ pointer }) => pointer.includes(at));
  const sources = parts.map(({ pointer, source }) => [pointer.split(at)[1], source]);
  expect(sources).toEqual([
    ["filter", "file"],
    ["config/name", "default"],
    ["config/requests", "file"],
    ["config/perMs", "file"],
    ["config/burst", "default"],
    ["config/key/by", "file"],
    ["config/key/header", "file"],
    ["config/maxKeys", "default"],
  ]);
  const abort = explain(snapshot!).find(({ pointer }) => pointer.endsWith("/config/delay"));
  expect(abort?.reason).toContain("Holds requests");
});

test("diff says a rate limit in words", () => {
  const changes = (before: string, after: string) =>
    diffSnapshots(front(before), front(after)).workloads.flatMap((one) => one.changes);
  const [added] = changes("", ", rateLimit: { requests: 5, burst: 9 }");
  expect(added!.sentence).toBe("rate limit of calls to api added: 5 requests in 1 s, 9 at once");
  const [changed] = changes(", rateLimit: { requests: 5 }", ", rateLimit: { requests: 5, by: source }");
  expect(changed!.sentence).toBe(
    "rate limit of calls to api changed: 5 requests in 1 s by source (was: 5 requests in 1 s)",
  );
});

// ---------------------------------------------------------------- shared

const MESH = [
  "apiVersion: outrigger.dev/v1alpha1",
  "kind: Mesh",
  "metadata: { name: shop }",
  "spec:",
  "  redis:",
  "    limits: { url: redis://redis.example/2, user: me, password: { env: REDIS_PW } }",
  "    other: { url: 'redis://[::1]:6390' }",
  "",
].join("\n");

function sharing(limit: string, mesh = MESH): string {
  const lines = [
    "calls:",
    `  api: { endpoints: ["10.0.0.1:80"], rateLimit: { requests: 100, ${limit} } }`,
  ];
  return appText("front", 8080, lines) + mesh;
}

test("what is shared is policy, where is a binding, and the secret is in neither", () => {
  const text = sharing("headers: true, shared: { redis: limits, name: all, timeout: 50ms }");
  const [snapshot] = snapshotsOf(text);
  const [route] = snapshot!.policy.listeners["call:api"]!.routes;
  const limit = route!.filters.find(({ filter }) => filter === "rate_limit")!;
  expect(limit.config).toMatchObject({
    headers: true,
    shared: { redis: "limits", name: "all", timeoutMs: 50, whenAway: "local" },
  });
  expect(snapshot!.bindings.redis).toEqual({
    limits: {
      host: "redis.example",
      port: 6379,
      database: 2,
      user: "me",
      password: { env: "REDIS_PW" },
    },
  });
  const parts = explain(snapshot!);
  const lineOf = (end: string) => parts.find(({ pointer }) => pointer.endsWith(end))?.origin?.field;
  expect(lineOf("/config/shared/timeoutMs")).toBe("spec.calls.api.rateLimit.shared.timeout");
  expect(lineOf("/bindings/redis/limits/database")).toBe("spec.redis.limits.url");
  const away = parts.find(({ pointer }) => pointer.endsWith("/config/shared/whenAway"));
  expect([away?.source, away?.reason]).toEqual(["default", expect.stringContaining("local")]);
  // Elsewhere it is somewhere else, and the policy is the same.
  const [moved] = snapshotsOf(text, { redis: { limits: { host: "10.0.0.9" } } });
  expect(moved!.bindings.redis!.limits).toMatchObject({ host: "10.0.0.9", database: 2 });
  expect(moved!.policyHash).toBe(snapshot!.policyHash);
  expect(moved!.version).not.toBe(snapshot!.version);
});

test("an IPv6 address loses its brackets, and a Redis that nobody names is in no Snapshot", () => {
  const [snapshot] = snapshotsOf(sharing("shared: { redis: other }"));
  expect(snapshot!.bindings.redis).toEqual({ other: { host: "::1", port: 6390, database: 0 } });
  const [without] = snapshotsOf(sharing("burst: 5"));
  expect("redis" in without!.bindings).toBe(false);
});

test("routes of the App and rules of the Mesh share too, and count by what a path has", () => {
  const rule = [
    "  routes:",
    "    - host: shop.example.com",
    "      rules:",
    '        - match: { path: "/users/{id}/orders" }',
    "          backends: [{ app: shop/front }]",
    "          rateLimit: { requests: 5, by: { parameter: id }, shared: { redis: other } }",
    "",
  ].join("\n");
  const limit = "rateLimit: { requests: 5, by: { segments: 2 }, shared: { redis: limits } }";
  const app = appText("front", 8080, ["routes:", `  - { path: /*, ${limit} }`]);
  const [front, gateway] = snapshotsOf(app + MESH + rule);
  const configOf = (snapshot: typeof front, listener: string) =>
    snapshot!.policy.listeners[listener]!.routes[0]!.filters.find(
      ({ filter }) => filter === "rate_limit",
    )!.config;
  expect(configOf(front, "inbound")).toMatchObject({
    name: "segments 2",
    key: { by: "segments", segments: 2 },
  });
  expect(Object.keys(front!.bindings.redis!)).toEqual(["limits"]);
  expect(configOf(gateway, "gateway")).toMatchObject({
    name: "parameter id",
    key: { by: "parameter", parameter: "id", segment: 2 },
  });
  expect(Object.keys(gateway!.bindings.redis!)).toEqual(["other"]);
});

test.each([
  ["shared: { redis: limit }", "no Mesh says where the Redis limit is", 'did you mean "limits"?'],
  ["shared: { redis: faraway }", "no Mesh says", "add a Mesh with redis: { faraway:"],
  ["by: { parameter: id }", "a call has no path of its own", "count by segments"],
  ["by: { header: x-a, segments: 2 }", "by both header and segments", "keep one"],
  ["by: {}", "by nothing", "add header, segments or parameter"],
  ["shared: { redis: limits, whenAway: wait }", "whenAway", "local"],
])("%s is refused in words", (limit, message, advice) => {
  expect(problemsOf(sharing(limit))).toContain(message);
  expect(problemsOf(sharing(limit))).toContain(advice);
});

test.each([
  ["url: rediss://a", "TLS to a Redis is missing"],
  ["url: 'redis://me:secret@a'", "leave the user and the password out"],
  ["url: '10.0.0.1:6379'", 'write "redis://10.0.0.1:6379"'],
  ["url: 'redis://a:66000'", "a port is from 1 to 65535"],
  ["url: redis://a, password: secret", "password: found"],
  ["url: redis://a, password: {}", "a password from nowhere"],
  ["url: redis://a, password: { env: A, file: /b }", "a password from two places"],
  ["url: redis://a, user: me", "user without password"],
])("a Redis with %s is refused in words", (server, message) => {
  const mesh = MESH.replace(/limits: .*/, `limits: { ${server} }`);
  const problems = problemsOf(sharing("shared: { redis: limits }", mesh));
  expect(problems).toContain(message);
  // One mistake is one problem.
  expect(problems).not.toContain("no Mesh says");
});

function problemsOf(text: string): string {
  return formatProblems(loadDocuments([{ file: "shop.yaml", text }]).problems);
}

test("diff says what is shared, and where", () => {
  const before = snapshotsOf(sharing("burst: 100"));
  const after = snapshotsOf(sharing("shared: { redis: limits, whenAway: deny }"));
  const { workloads } = diffSnapshots(before, after);
  const sentences = workloads.flatMap(({ changes }) => changes.map(({ sentence }) => sentence));
  expect(sentences).toContain(
    "rate limit of calls to api changed: 100 requests in 1 s, shared by limits, without an " +
      "answer in 20 ms none passes (was: 100 requests in 1 s)",
  );
  const moved = snapshotsOf(
    sharing("shared: { redis: limits, whenAway: deny }", MESH.replace("redis.example/2", "a/3")),
  );
  const [place] = diffSnapshots(after, moved).workloads.flatMap(({ changes }) => changes);
  expect([place!.part, place!.sentence]).toEqual([
    "bindings",
    expect.stringContaining("a:6379, database 3 as me (was: redis.example:6379, database 2"),
  ]);
});
