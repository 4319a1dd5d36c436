import { expect, test } from "bun:test";
import { app, rendered } from "./testdata/rendered.ts";

const names = (containers: readonly any[]) => containers.map(({ name }) => name);

test("S1-4 Django and nginx are one pod: one network, one volume that both see", () => {
  const { body, keys } = rendered(
    app(
      "web",
      "port: 8000",
      "volumes: { static: { path: /srv/static } }",
      "containers:",
      "  nginx:",
      "    image: nginx:1.29",
      "    port: 8081",
      "    volumes: { static: /usr/share/nginx/html }",
    ),
  );
  expect(keys.filter((key) => /^(deployment|statefulset|daemonset)\//.test(key))).toEqual([
    "deployment/web",
  ]);
  const { containers, volumes, hostNetwork, shareProcessNamespace } =
    body("deployment/web").spec.template.spec;
  expect(names(containers)).toEqual(["app", "nginx"]);
  const seen = containers.map(({ volumeMounts }: any) =>
    volumeMounts.find(({ name }: any) => name === "static"),
  );
  expect(seen.map(({ mountPath }: any) => mountPath)).toEqual(["/srv/static", "/usr/share/nginx/html"]);
  expect(volumes.filter(({ name }: any) => name === "static")).toEqual([{ name: "static", emptyDir: {} }]);
  // Nothing takes them out of the network that a pod's containers have together.
  expect([hostNetwork, shareProcessNamespace]).toEqual([undefined, undefined]);
});

test("S1-5 an App without a sidecar is a pod of one container", () => {
  const { body } = rendered(app("web", "port: 8000", "sidecar: { enabled: false }"));
  const { containers, initContainers } = body("deployment/web").spec.template.spec;
  expect([names(containers), initContainers]).toEqual([["app"], undefined]);
  // Callers reach the app itself.
  expect(body("service/web").spec.ports[0].targetPort).toBe(8000);
});

test("S1-6 containers start in the order in which they are declared", () => {
  const { body } = rendered(
    app(
      "web",
      "containers:",
      "  migrate: { image: web:1, role: before }",
      "  worker: { image: web:1 }",
      "  seed: { image: web:1, role: before }",
      "  cache: { image: redis:8 }",
    ),
  );
  const { containers, initContainers } = body("deployment/web").spec.template.spec;
  // The sidecar first, so that what runs before the app calls through it too.
  expect(names(initContainers)).toEqual(["outrigger", "migrate", "seed"]);
  expect(names(containers)).toEqual(["app", "worker", "cache"]);
  expect(initContainers.map(({ restartPolicy }: any) => restartPolicy)).toEqual([
    "Always",
    undefined,
    undefined,
  ]);
});

test("S3-19 an App's special case is written beside it, and survives rendering anew", () => {
  const special = [
    "overrides:",
    "  - kind: Service",
    "    name: web",
    "    merge: { metadata: { annotations: { example.com/lb: internal } }, spec: { type: LoadBalancer } }",
    "    reason: callers of the old data centre",
  ];
  const shop = (image: string) =>
    app("web", "port: 8000", ...special).replace("web:1", image) + app("api", "port: 9000");
  for (const image of ["web:1", "web:2"]) {
    const { body, source } = rendered(shop(image));
    expect(body("deployment/web").spec.template.spec.containers[0].image).toContain(image);
    const { spec, metadata } = body("service/web");
    expect([spec.type, metadata.annotations["example.com/lb"]]).toEqual(["LoadBalancer", "internal"]);
    expect(spec.ports[0].targetPort).toBe(15_006);
    expect(source("service/web", "/spec/type")).toContain("shop.yaml:8");
    // Of that App alone.
    expect(body("service/api").spec.type).toBe("ClusterIP");
  }
});

test("S3-24 what has two pods outlives a node: spread, a budget, a successor before one goes", () => {
  const { body, keys } = rendered(app("web", "port: 8000", "replicas: 3") + app("one", "port: 8001"));
  const { strategy, template } = body("deployment/web").spec;
  expect(strategy.rollingUpdate.maxUnavailable).toBe(0);
  const spread = template.spec.topologySpreadConstraints;
  expect(spread.map(({ topologyKey }: any) => topologyKey)).toEqual([
    "topology.kubernetes.io/zone",
    "kubernetes.io/hostname",
  ]);
  for (const { labelSelector } of spread) expect(template.metadata.labels).toMatchObject(labelSelector.matchLabels);
  const budget = body("poddisruptionbudget/web").spec;
  expect([budget.maxUnavailable, budget.selector]).toEqual([1, spread[0].labelSelector]);
  // A budget of one pod would only keep its node from being emptied.
  expect(keys).not.toContain("poddisruptionbudget/one");
  const strict = rendered(app("web", "port: 8000", "replicas: 3", "placement: { spread: require }"));
  const [zone] = strict.body("deployment/web").spec.template.spec.topologySpreadConstraints;
  expect(zone.whenUnsatisfiable).toBe("DoNotSchedule");
});
