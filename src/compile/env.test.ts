import { expect, test } from "bun:test";
import { localDependencies, processPort, resolveEnv } from "./env.ts";
import { documentsOf, siteOf } from "./testdata/from_text.ts";

function app(lines: readonly string[]): string {
  return [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    "metadata: { name: front, namespace: shop }",
    "spec:",
    ...lines.map((line) => `  ${line}`),
    "---",
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    "metadata: { name: api, namespace: shop }",
    "spec: { run: { command: [./api], port: 19000 }, port: 9000 }",
  ].join("\n");
}

function resolved(lines: readonly string[]) {
  const documents = documentsOf(app(lines));
  const front = documents.apps.find((one) => one.name === "front")!;
  return { ...resolveEnv(front, siteOf(documents)), site: siteOf(documents), front };
}

const CALLS = "calls: { api: {}, out: { host: a.example, port: 81 } }";
const ENV =
  'env: { URL: "{{calls.api.url}}/v1", AT: "{{calls.out.host}}:{{calls.out.port}}", ' +
  'ME: "{{app.namespace}}/{{app.name}}", PORT: "{{run.port}}", PLAIN: x }';

test("with a sidecar, calls lead to its listeners", () => {
  const { env, command, site } = resolved([
    'run: { command: [./front, --port, "{{run.port}}"], port: 18080 }',
    "port: 8080",
    CALLS,
    ENV,
  ]);
  const calls = site.workloads["shop/front"]!.local!.calls;
  expect(env).toEqual({
    URL: `http://127.0.0.1:${calls.api!.port}/v1`,
    AT: `127.0.0.1:${calls.out!.port}`,
    ME: "shop/front",
    PORT: "18080",
    PLAIN: "x",
  });
  expect(command).toEqual(["./front", "--port", "18080"]);
});

test("without a sidecar, calls lead to the callee and the process takes the App's port", () => {
  const off = ["port: 8080", CALLS, "sidecar: { enabled: false }"];
  const told = resolved(["run: { command: [./front], port: 18080 }", ENV, ...off]);
  expect(told.env).toMatchObject({
    URL: "http://127.0.0.1:9000/v1",
    AT: "a.example:81",
    PORT: "8080",
  });
  expect(told.site.workloads["shop/front"]!.endpoints).toEqual([{ host: "127.0.0.1", port: 8080 }]);
  const fixed = resolved(["run: { command: [./front], port: 18080 }", ...off]);
  expect(processPort(fixed.front)).toBe(18_080);
  expect(fixed.site.workloads["shop/front"]!.endpoints).toEqual([
    { host: "127.0.0.1", port: 18_080 },
  ]);
});

test("an App without a port has no process port", () => {
  const { front } = resolved(["run: { command: [./front] }"]);
  expect(processPort(front)).toBeNull();
});

test("a site that does not know the App is a mistake of the program", () => {
  const env = 'env: { A: "{{calls.api.url}}" }';
  const documents = documentsOf(app(["run: { command: [./front] }", CALLS, env]));
  const front = documents.apps.find((one) => one.name === "front")!;
  const nowhere = { workloads: {}, gateway: null, sinks: {} };
  expect(() => resolveEnv(front, nowhere)).toThrow(
    "The site has no address for the call api of shop/front.",
  );
});

test("S3-12 what runs elsewhere is found where the file says, or on this machine by its local place", () => {
  const env = 'env: { DB: "{{dependencies.db.host}}:{{dependencies.db.port}}" }';
  const db = "host: db.example.com, port: 3306, local: { host: 127.0.0.1, port: 13306 }";
  const { front, site } = resolved([
    "run: { command: [./front] }",
    `dependencies: { db: { ${db} } }`,
    env,
  ]);
  expect(resolveEnv(front, site).env).toEqual({ DB: "db.example.com:3306" });
  expect(resolveEnv(front, site, localDependencies(front)).env).toEqual({ DB: "127.0.0.1:13306" });
});
