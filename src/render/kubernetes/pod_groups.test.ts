import { expect, test } from "bun:test";
import { app, rendered } from "./testdata/rendered.ts";

const CRUNCH = [
  "port: 7000",
  "replicas: 1",
  'env: { ROLE: leader, NAME: "{{app.name}}" }',
  "health: { ready: /healthz }",
  "calls: { store: {} }",
  "pods:",
  "  worker:",
  "    replicas: { min: 2, max: 8 }",
  "    command: [./crunch, --worker]",
  '    env: { ROLE: worker, STORE: "{{calls.store.url}}" }',
  "  sweeper: { listens: false, resources: { memory: 64Mi } }",
];
const SHOP = app("crunch", ...CRUNCH) + app("store", "port: 9000") + app("other");

test("S1-7 leader and workers are pods of one App, with Services between", () => {
  const { body, keys, source } = rendered(SHOP);
  const spec = (name: string) => body(`deployment/${name}`).spec.template.spec;
  const [leader] = spec("crunch").containers;
  const [worker] = spec("crunch-worker").containers;
  expect([leader.command, worker.command]).toEqual([undefined, ["./crunch", "--worker"]]);
  expect(worker.env).toEqual([
    { name: "ROLE", value: "worker" },
    { name: "NAME", value: "crunch" },
    { name: "STORE", value: "http://store:9000" },
  ]);
  expect(body("service/crunch-worker").spec).toMatchObject({
    selector: { "app.kubernetes.io/name": "crunch-worker" },
    ports: [{ port: 7000, targetPort: 15_006 }],
  });
  expect(body("horizontalpodautoscaler/crunch-worker").spec.scaleTargetRef.name).toBe("crunch-worker");
  expect(keys).not.toContain("horizontalpodautoscaler/crunch");
  // One that does not listen is not asked, and has no name.
  expect(keys).not.toContain("service/crunch-sweeper");
  expect(spec("crunch-sweeper").containers[0].readinessProbe).toBeUndefined();
  expect(source("deployment/crunch-worker", "/spec/template/spec/containers/0/command")).toBe(
    "shop.yaml:14:7 spec.pods.worker.command",
  );
  expect(source("deployment/crunch-worker", "/spec/template/spec/containers/0/image")).toContain(
    "shop.yaml:5",
  );
});

test("S1-7 all have one policy: the same Snapshot, account and files", () => {
  const { body, objects } = rendered(SHOP);
  for (const name of ["crunch", "crunch-worker", "crunch-sweeper"]) {
    const { spec, metadata } = body(`deployment/${name}`).spec.template;
    expect(spec.volumes[0].configMap.name).toBe("crunch-outrigger");
    expect(spec.serviceAccountName).toBe("crunch");
    expect(body(`deployment/${name}`).spec.selector.matchLabels).toEqual({
      "app.kubernetes.io/name": metadata.labels["app.kubernetes.io/name"],
    });
  }
  const snapshots = objects.filter(({ kind, name }) => kind === "ConfigMap" && name.startsWith("crunch"));
  expect(snapshots).toHaveLength(1);
});

test("S1-7 they reach each other and what the App calls; nobody else reaches a worker", () => {
  const { body } = rendered(SHOP);
  const all = {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "shop" } },
    podSelector: {
      matchExpressions: [
        {
          key: "app.kubernetes.io/name",
          operator: "In",
          values: ["crunch", "crunch-worker", "crunch-sweeper"],
        },
      ],
    },
  };
  const ports = [{ port: 15_006, protocol: "TCP" }];
  const worker = body("networkpolicy/crunch-worker").spec;
  expect(worker.podSelector.matchLabels).toEqual({ "app.kubernetes.io/name": "crunch-worker" });
  expect(worker.ingress.slice(0, -1)).toEqual([{ from: [all], ports }]);
  expect(worker.egress).toContainEqual({ to: [all], ports });
  expect(body("networkpolicy/store").spec.ingress[0]).toEqual({ from: [all], ports });
  const [, toStore] = worker.egress;
  expect(toStore.to[0].podSelector.matchLabels).toEqual({ "app.kubernetes.io/name": "store" });
});

test("S1-7 alerts watch the workers too", () => {
  const { groups } = rendered(SHOP).body("prometheusrule/crunch").spec;
  expect(groups.map(({ name }: any) => name)).toEqual([
    "outrigger-shop-crunch",
    "outrigger-shop-crunch-worker",
    "outrigger-shop-crunch-sweeper",
  ]);
});

test("S1-8 a database by itself, the rest together: two workloads, and the web reaches it by name", () => {
  const { body, keys } = rendered(
    app(
      "web",
      "port: 8000",
      "replicas: 3",
      "containers: { nginx: { image: nginx:1, port: 8081 } }",
      "env: { DB_HOST: mysql, DB_PORT: 3306 }",
    ) + app("mysql", "bypass: [{ port: 3306, from: [web] }]", "volumes: { data: { path: /d, size: 1Gi } }"),
  );
  expect(keys.filter((key) => /^(deployment|statefulset)\//.test(key))).toEqual([
    "statefulset/mysql",
    "deployment/web",
  ]);
  const names = body("deployment/web").spec.template.spec.containers.map(({ name }: any) => name);
  expect(names).toEqual(["app", "nginx"]);
  expect(body("service/mysql").spec.ports[0]).toMatchObject({ port: 3306, targetPort: 3306 });
  const label = { "app.kubernetes.io/name": "mysql" };
  const [, toMysql] = body("networkpolicy/web").spec.egress;
  expect(toMysql).toMatchObject({ to: [{ podSelector: { matchLabels: label } }], ports: [{ port: 3306 }] });
  expect(body("statefulset/mysql").spec.replicas).toBe(1);
});

test("S1-7 what cannot be is told with its line", () => {
  const wrong = (...lines: string[]) => () => rendered(app("web", ...lines));
  expect(wrong("job: {}", "pods: { worker: {} }")).toThrow("both job and pods");
  expect(wrong('pods: { worker: { env: { A: "{{calls.api.url}}" } } }')).toThrow("api is not declared");
  const { problems } = rendered(app("web", "pods: { worker: {} }") + app("web-worker"));
  expect(problems.map(({ line, message }) => [line, message])).toEqual([
    [6, "pods: worker would be web-worker, which is an App at shop.yaml:10"],
  ]);
});
