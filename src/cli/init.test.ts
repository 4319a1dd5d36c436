import { expect, test } from "bun:test";
import { parse, parseAllDocuments } from "yaml";
import { machine, outrigger } from "./testdata/machine.ts";

test("the first file passes check, and is never written over", async () => {
  const world = machine();
  const args = ["init", "--command", "node server.js", "--port", "3000", "--name", "My App"];
  expect((await outrigger(world, ...args)).code).toBe(0);
  expect(world.files.readText("/home/app/app.yaml")).toContain("name: my-app");
  expect((await outrigger(world, "check", "app.yaml")).code).toBe(0);
  const again = await outrigger(world, ...args);
  expect(again.code).toBe(2);
  expect(again.err).toContain("app.yaml is there already");
  const printed = await outrigger(world, ...args, "-");
  expect(printed.out).toBe(world.files.readText("/home/app/app.yaml"));
});

test("what is missing is named", async () => {
  const { err } = await outrigger(machine(), "init", "--port", "3000");
  expect(err).toContain("--command is missing");
  const port = await outrigger(machine(), "init", "--command", "x", "--port", "eighty");
  expect([port.code, port.err]).toEqual([
    2,
    'error: --port is "eighty"; a number from 1 to 65535 was expected\n',
  ]);
});

/** An App that a team would write who knows nothing of Kubernetes. */
const FIFTEEN = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: api, namespace: shop, labels: { owner: shop } }
spec:
  image: registry.example.com/shop/api:2.0.0
  port: 9000
  replicas: { min: 2, max: 10 }
  resources: { cpu: 100m, memory: 128Mi }
  health: { ready: /healthz, live: /livez }
  ingress: [{ host: api.example.com }]
  secrets: { DB_PASSWORD: db/password }
  dependencies: { db: { host: db.example.com, port: 5432, wait: 1m } }
  env: { DB: "{{dependencies.db.host}}:{{dependencies.db.port}}" }
  slo: { availability: 99.9%, latency: { p99: 300ms } }
`;

test("S3-27 fifteen lines are all that a cluster needs, and nothing is missing in them", async () => {
  expect(FIFTEEN.trimEnd().split("\n").length).toBeLessThanOrEqual(15);
  const world = machine({ "/home/app/api.yaml": FIFTEEN });
  expect((await outrigger(world, "check", "--strict", "api.yaml")).out).toBe("ok: 1 App\n");
  const { out } = await outrigger(world, "render", "api.yaml");
  const kinds = new Set(parseAllDocuments(out).map((one) => one.toJS().kind));
  for (const kind of [
    ...["Namespace", "Deployment", "Service", "ServiceAccount", "ConfigMap", "NetworkPolicy"],
    ...["HorizontalPodAutoscaler", "PodDisruptionBudget", "Ingress", "PodMonitor", "PrometheusRule"],
  ]) {
    expect(kinds).toContain(kind);
  }
});

for (const [service, path] of [
  ["github", ".github/workflows/outrigger.yml"],
  ["gitlab", ".gitlab-ci.yml"],
] as const) {
  test(`S3-27 a pipeline for ${service}: what it runs runs, and kubectl gets what was rendered`, async () => {
    const world = machine({ "/home/app/api.yaml": FIFTEEN });
    const args = ["init", "--ci", service, "api.yaml", "--target", "eks", "--image", "r.example/o:1"];
    expect((await outrigger(world, ...args)).err).toContain(`wrote ${path}`);
    const pipeline = parse(world.files.readText(`/home/app/${path}`));
    const lines = scriptLines(pipeline).flatMap((script) => script.trimEnd().split("\n"));
    const ours = lines.filter((line) => line.startsWith("outrigger "));
    expect(ours.map((line) => line.split(" ")[1])).toEqual(["check", "render"]);
    for (const line of ours) {
      const words = line.split(" ").slice(1);
      const end = words.indexOf(">");
      const { code, out } = await outrigger(world, ...(end < 0 ? words : words.slice(0, end)));
      expect([line, code]).toEqual([line, 0]);
      if (end >= 0) expect(out).toContain("image: r.example/o:1");
    }
    const kubectl = lines.filter((line) => line.startsWith("kubectl "));
    expect(kubectl.map((line) => line.split(" ").slice(1, 3).join(" "))).toEqual([
      "diff --server-side",
      "apply --server-side",
      "-n shop",
    ]);
    // It is theirs once it is there.
    expect((await outrigger(world, ...args)).err).toContain("is there already");
  });
}

test("S3-27 a file of any name is one word in a pipeline", async () => {
  const world = machine({ "/home/app/a: b's #1.yaml": FIFTEEN });
  await outrigger(world, "init", "--ci", "github", "a: b's #1.yaml");
  const pipeline = parse(world.files.readText("/home/app/.github/workflows/outrigger.yml"));
  expect(scriptLines(pipeline)).toContain("outrigger check 'a: b'\\''s #1.yaml'");
});

/** Every `run` and `script` of a pipeline, in the order in which they stand. */
function scriptLines(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    if (key === "run" || key === "script") return [member].flat().map(String);
    return scriptLines(member);
  });
}
