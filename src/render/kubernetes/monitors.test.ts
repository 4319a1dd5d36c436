import { expect, test } from "bun:test";
import { app, rendered } from "./testdata/rendered.ts";

const SHOP =
  app("frontend", "port: 8080", "slo: { availability: 99.9% }", "calls: { api: { breaker: {} } }") +
  app("api", "port: 9000") +
  app("mail") +
  app("page", "port: 80", "ingress: [{ host: shop.example.com }]");

test("S2-16 a ServiceMonitor's selector meets a Service of each workload, whose port is the sidecar's", () => {
  const { objects, body } = rendered(SHOP, { monitoring: "services" });
  const { selector, endpoints } = body("servicemonitor/outrigger").spec;
  const [[label, value]] = Object.entries(selector.matchLabels) as [[string, string]];
  const services = objects.filter(({ kind, body: { metadata } }) => {
    return kind === "Service" && (metadata as any).labels[label] === value;
  });
  // Also an App that nobody calls, and the gateway.
  const names = services.map(({ name }) => name).sort();
  expect(names).toEqual(["api-pods", "frontend-pods", "gateway-pods", "mail-pods", "page-pods"]);
  for (const { name, body: service } of services) {
    const { ports, selector: chosen, clusterIP } = (service as any).spec;
    const port = ports.find((one: any) => one.name === endpoints[0].port);
    expect([clusterIP, port.targetPort]).toEqual(["None", 15_020]);
    const { template } = body(`deployment/${name.replace(/-pods$/, "")}`).spec;
    expect(template.metadata.labels).toMatchObject(chosen);
    const containers = [...(template.spec.initContainers ?? []), ...template.spec.containers];
    const sidecar = containers.find((one: any) => one.name === "outrigger");
    expect(sidecar.ports).toContainEqual({ name: "admin", containerPort: 15_020, protocol: "TCP" });
  }
  // What callers ask for has no such port.
  expect(body("service/api").spec.ports.map(({ name }: any) => name)).toEqual(["http"]);
});

test("S2-16 PodMonitor by default; annotations where there is no operator; nothing where nobody asks", () => {
  const kinds = (monitoring: "pods" | "annotations" | "none") =>
    rendered(SHOP, { monitoring }).keys.filter((key) => /monitor|prometheusrule/.test(key));
  const rules = ["api", "frontend", "gateway", "mail", "page"].map((one) => `prometheusrule/${one}`);
  expect(kinds("pods").sort()).toEqual(["podmonitor/outrigger", ...rules]);
  expect([kinds("annotations"), kinds("none")]).toEqual([[], []]);
  const { body } = rendered(SHOP, { monitoring: "annotations" });
  for (const name of ["api", "gateway"]) {
    expect(body(`deployment/${name}`).spec.template.metadata.annotations).toMatchObject({
      "prometheus.io/scrape": "true",
      "prometheus.io/port": "15020",
      "prometheus.io/path": "/metrics",
    });
  }
});

test("S2-16 a PrometheusRule a workload, with the alerts of its objectives and calls", () => {
  const { body, source } = rendered(SHOP);
  const { groups } = body("prometheusrule/frontend").spec;
  const alerts = groups.flatMap(({ rules }: any) => rules.map((rule: any) => rule.alert));
  expect(alerts).toContain("OutriggerBreakerOpen");
  expect(alerts).toContain("OutriggerSloFastBurn");
  expect(source("prometheusrule/frontend", "/spec/groups/0/name")).toBe("shop.yaml:7:3 spec.slo");
});
