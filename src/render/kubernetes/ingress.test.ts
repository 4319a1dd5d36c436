import { expect, test } from "bun:test";
import { type Target, TARGETS } from "./mod.ts";
import { app, rendered } from "./testdata/rendered.ts";

const SHOP =
  app(
    "page",
    "port: 80",
    "ingress:",
    "  - { host: shop.example.com, deny: [{ methods: [DELETE], notFrom: [203.0.113.0/24] }] }",
    "  - { host: admin.example.com, deny: [{ notFrom: [203.0.113.0/24, 198.51.100.0/24] }] }",
  ) + app("api", "port: 81", "ingress: [{ host: api.example.com }]");

test("S0-11 S3-20 each way in leads to the gateway, on any target", () => {
  for (const [ingress, keys] of [
    ["ingress", ["ingress/gateway"]],
    ["gateway-api", ["httproute/gateway"]],
    ["route", ["route/gateway-"]],
  ] as const) {
    const { keys: all } = rendered(SHOP, { ...TARGETS.eks, ingress });
    const doors = all.filter((key) => /^(ingress|httproute|route)\//.test(key));
    expect([ingress, doors.every((key) => key.startsWith(keys[0]))]).toEqual([ingress, true]);
    expect(doors.length).toBe(ingress === "route" ? 3 : 1);
  }
  const route = rendered(SHOP, { ingress: "gateway-api" }).body("httproute/gateway");
  expect(route.spec.hostnames).toEqual(["admin.example.com", "api.example.com", "shop.example.com"]);
  expect(route.spec.rules).toEqual([{ backendRefs: [{ name: "gateway", port: 80 }] }]);
});

test("S3-20 methods and networks are the gateway's to enforce, whatever stands in front of it", () => {
  const hashes = ([{ ingress: "ingress" }, { ingress: "gateway-api" }, TARGETS.openshift] as const).map(
    (target) => {
      const config = rendered(SHOP, target).body("configmap/gateway-outrigger");
      expect(config.data["snapshot.json"]).toContain('"DELETE"');
      return config.metadata.annotations["outrigger.dev/policy-hash"];
    },
  );
  expect(new Set(hashes).size).toBe(1);
});

test("S3-20 a controller that can be told who may come at all is told, of that host alone", () => {
  const nginx = "nginx.ingress.kubernetes.io/whitelist-source-range";
  const annotated = (target: Partial<Target>) =>
    rendered(SHOP, target).objects.filter(({ kind }) => kind === "Ingress" || kind === "Route").map(
      ({ body }: any) => {
        const { spec, metadata } = body;
        const hosts = spec.rules?.map(({ host }: any) => host) ?? [spec.host];
        return [hosts.join(), metadata.annotations[nginx] ?? openshift(metadata)];
      },
    );
  const openshift = (metadata: any) => metadata.annotations["haproxy.router.openshift.io/ip_whitelist"];
  expect(annotated(TARGETS["on-premises"])).toEqual([
    ["api.example.com,shop.example.com", undefined],
    ["admin.example.com", "198.51.100.0/24,203.0.113.0/24"],
  ]);
  expect(annotated(TARGETS.openshift)).toEqual([
    ["admin.example.com", "198.51.100.0/24 203.0.113.0/24"],
    ["api.example.com", undefined],
    ["shop.example.com", undefined],
  ]);
  // A class that nothing is known of.
  expect(annotated(TARGETS.eks).map(([, value]) => value)).toEqual([undefined]);
});
