import { expect, test } from "bun:test";
import { explain, explainText } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

const [SNAPSHOT] = snapshotsOf(
  appText("frontend", 8080, [
    "calls:",
    "  api:",
    "    host: api.example.com",
    "    port: 80",
    "    breaker: { errorRate: 25% }",
    "    fallback: { on: [open], headers: { content-type: text/plain } }",
  ]),
);

function part(pointer: string) {
  const found = explain(SNAPSHOT!).find((one) => one.pointer === pointer);
  if (found === undefined) throw new Error(`nothing is explained at ${pointer}`);
  return found;
}

test("a written value has its line", () => {
  expect(part("/policy/clusters/api/breaker/errorRate")).toEqual({
    pointer: "/policy/clusters/api/breaker/errorRate",
    value: 0.25,
    source: "file",
    origin: { file: "shop.yaml", line: 11, column: 18, field: "spec.calls.api.breaker.errorRate" },
    reason: null,
  });
  const route = "/policy/listeners/call:api/routes/0";
  expect(part(`${route}/fallback/headers/content-type`).origin?.line).toBe(12);
  expect(part("/bindings/clusters/api/endpoints/0/host")).toMatchObject({
    value: "api.example.com",
    source: "file",
    origin: { line: 9, field: "spec.calls.api.host" },
  });
});

test("a default has its reason, and the line of what it belongs to", () => {
  expect(part("/policy/clusters/api/breaker/minRequests")).toMatchObject({
    value: 20,
    source: "default",
    origin: { field: "spec.calls.api.breaker" },
  });
  expect(part("/policy/clusters/api/breaker/minRequests").reason).toContain("20");
});

test("what follows from a line says from which, what the site says says so", () => {
  expect(part("/policy/listeners/call:api/direction")).toMatchObject({
    source: "derived",
    origin: { field: "spec.calls.api" },
  });
  expect(part("/bindings/admin/socket")).toMatchObject({ source: "site" });
});

test("every value of the Snapshot is explained, once", () => {
  const count = (value: unknown): number => {
    if (typeof value !== "object" || value === null) return 1;
    const members = Object.values(value);
    if (members.length === 0) return 1;
    if (Array.isArray(value) && members.every((one) => typeof one !== "object")) return 1;
    return members.reduce<number>((sum, one) => sum + count(one), 0);
  };
  const parts = explain(SNAPSHOT!);
  expect(parts.length).toBe(count(SNAPSHOT!.policy) + count(SNAPSHOT!.bindings));
  expect(new Set(parts.map((one) => one.pointer)).size).toBe(parts.length);
});

test("the text has a line a value", () => {
  const lines = explainText(SNAPSHOT!).trimEnd().split("\n");
  expect(lines[0]).toBe(
    `shop/frontend version ${SNAPSHOT!.version} policy ${SNAPSHOT!.policyHash}`,
  );
  expect(lines.length).toBe(1 + explain(SNAPSHOT!).length);
  expect(lines.find((line) => line.includes("/breaker/errorRate"))).toMatch(
    /errorRate = 0.25 +shop.yaml:11:18 spec.calls.api.breaker.errorRate$/,
  );
  expect(lines.find((line) => line.includes("/breaker/openMs"))).toMatch(/ +default: .*5s/);
});

test("each part of a route's match has its line", () => {
  const [snapshot] = snapshotsOf(
    appText("api", 9000, [
      "routes:",
      "  - path: /items",
      "    match:",
      "      headers: { X-B: 1, x-a: { prefix: beta } }",
    ]),
  );
  const parts = explain(snapshot!);
  const at = (rest: string) =>
    parts.find((one) => one.pointer === `/policy/listeners/inbound/routes/0/match/${rest}`);
  expect(at("headers/0/value")).toMatchObject({
    value: "beta",
    source: "file",
    origin: { line: 10, field: "spec.routes[0].match.headers.x-a" },
  });
  expect(at("headers/1/name")).toMatchObject({ value: "x-b", origin: { line: 10 } });
  expect(at("methods")).toMatchObject({ source: "default", reason: "any request" });
});
