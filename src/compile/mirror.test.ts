import { expect, test } from "bun:test";
import { diffSnapshots, diffText } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, documentsOf, siteOf, snapshotsOf } from "./testdata/from_text.ts";
import { compile } from "./mod.ts";

const NEXT = appText("api-next", 8090);
const API = appText("api", 8080);

function front(route: string): string {
  const call = 'calls: { next: { endpoints: ["10.0.0.9:80"] } }';
  return appText("front", 8070, [call, "routes:", `  - ${route}`]) + NEXT;
}

function mesh(rule: string): string {
  return [
    API,
    NEXT,
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: Mesh",
    "metadata: { name: shop, namespace: shop }",
    "spec:",
    "  gateway: { port: 8000 }",
    "  routes:",
    "    - host: a.example",
    "      rules:",
    `        - { backends: [{ app: api }]${rule} }`,
    "",
  ].join("\n");
}

const MIRROR = {
  cluster: "next",
  ratio: 0.1,
  timeoutMs: 15_000,
  maxBodyBytes: 65_536,
  maxInFlight: 100,
  shadowHost: true,
};

test("a route's mirror goes to a call or to an App, line by line", () => {
  const [, snapshot] = snapshotsOf(front("{ path: /*, mirror: { to: next, percent: 10% } }"));
  expect(snapshot!.policy.listeners.inbound!.routes[0]!.mirror).toEqual(MIRROR);
  const at = "/policy/listeners/inbound/routes/0/mirror/";
  const parts = explain(snapshot!).filter(({ pointer }) => pointer.startsWith(at));
  const sources = parts.map(({ pointer, source }) => [pointer.slice(at.length), source]);
  expect(Object.fromEntries(sources)).toEqual({
    cluster: "file",
    ratio: "file",
    timeoutMs: "default",
    maxBodyBytes: "default",
    maxInFlight: "default",
    shadowHost: "default",
  });
  expect(parts.every(({ source, reason }) => source === "file" || reason !== null)).toBe(true);
  const [, toApp] = snapshotsOf(front("{ path: /*, mirror: { to: api-next } }"));
  expect(toApp!.policy.listeners.inbound!.routes[0]!.mirror!.cluster).toBe("shop/api-next");
  expect(toApp!.policy.clusters["shop/api-next"]!.kind).toBe("call");
});

test("a rule of the Mesh has it too, and diff says it in words", () => {
  const before = snapshotsOf(mesh(""));
  const after = snapshotsOf(mesh(", mirror: { to: api-next, percent: 10% }"));
  const gateway = after.find(({ workload }) => workload.name === "gateway")!;
  const { mirror } = gateway.policy.listeners.gateway!.routes[0]!;
  expect(mirror).toEqual({ ...MIRROR, cluster: "api-next" });
  expect(gateway.policy.clusters["api-next"]).toBeDefined();
  const text = diffText(diffSnapshots(before, after));
  expect(text).toContain("mirror of requests from outside on a.example/* added: a copy of 10% to");
});

test("a mirror to nobody is refused where it stands", () => {
  for (const text of [front("{ path: /*, mirror: { to: gone } }"), mesh(", mirror: { to: gone }")]) {
    const documents = documentsOf(text);
    const { problems } = compile({ documents, site: siteOf(documents) });
    expect(problems.length).toBe(1);
    expect(problems[0]!.message).toContain('"gone"');
  }
});
