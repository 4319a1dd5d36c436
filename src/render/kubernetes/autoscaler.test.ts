import { expect, test } from "bun:test";
import { app, rendered } from "./testdata/rendered.ts";

test("S1-9 what holds no data scales, its database does not", () => {
  const { keys, body, source } = rendered(
    app("web", "port: 8000", "replicas: { min: 2, max: 10, cpu: 70% }", "calls: { mysql: {} }") +
      app("mysql", "port: 3306", "volumes: { data: { path: /var/lib/mysql, size: 10Gi } }"),
  );
  expect(keys.filter((key) => key.startsWith("horizontalpodautoscaler/"))).toEqual([
    "horizontalpodautoscaler/web",
  ]);
  // Else each apply would undo what the autoscaler did.
  expect(body("deployment/web").spec.replicas).toBeUndefined();
  expect(body("statefulset/mysql").spec.replicas).toBe(1);
  expect(source("horizontalpodautoscaler/web", "/spec/maxReplicas")).toContain("spec.replicas.max");
});

test("S1-9 figures of one's own: each pod's, or somebody else's", () => {
  const { body, source } = rendered(
    app(
      "web",
      "replicas:",
      "  min: 2",
      "  max: 10",
      "  metrics:",
      "    - { name: http_requests_per_second, target: 12.5 }",
      "    - { name: queue_ready, of: external, target: 30, labels: { queue: orders } }",
    ),
  );
  const hpa = "horizontalpodautoscaler/web";
  expect(body(hpa).spec.metrics.slice(1)).toEqual([
    {
      type: "Pods",
      pods: {
        metric: { name: "http_requests_per_second" },
        target: { type: "AverageValue", averageValue: "12500m" },
      },
    },
    {
      type: "External",
      external: {
        metric: { name: "queue_ready", selector: { matchLabels: { queue: "orders" } } },
        target: { type: "AverageValue", averageValue: "30" },
      },
    },
  ]);
  expect(source(hpa, "/spec/metrics/2/external/metric/name")).toContain("shop.yaml:11");
});
