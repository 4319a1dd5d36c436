import { expect, test } from "bun:test";
import { compile } from "./mod.ts";
import { appText, documentsOf, siteOf, snapshotsOf } from "./testdata/from_text.ts";

const INGRESS = ["ingress: [{ host: shop.example.com, paths: [/*] }]"];

function meshText(namespace: string | null): string {
  return [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: Mesh",
    `metadata: { name: shop${namespace === null ? "" : `, namespace: ${namespace}`} }`,
    "spec:",
    "  routes:",
    "    - host: shop.example.com",
    "      rules:",
    "        - { match: { path: /api/* }, backends: [{ app: api, weight: 3 }, { app: next }] }",
    "---",
    "",
  ].join("\n");
}

const APPS = appText("api", 9000) + appText("next", 9001);

function gatewayOf(text: string) {
  return snapshotsOf(text).find((one) => one.workload.name === "gateway");
}

test("S1-19 (configuration) the gateway leads each host and path to its Apps, by weight", () => {
  const gateway = gatewayOf(meshText(null) + APPS + appText("front", 8080, INGRESS))!;
  const routes = gateway.policy.listeners.gateway!.routes;
  expect(routes.map(({ name, hosts, backends }) => ({ name, hosts, backends }))).toEqual([
    {
      name: "shop.example.com/api/*",
      hosts: ["shop.example.com"],
      backends: [
        { cluster: "api", weight: 3 },
        { cluster: "next", weight: 1 },
      ],
    },
    {
      name: "shop.example.com/*",
      hosts: ["shop.example.com"],
      backends: [{ cluster: "front", weight: 1 }],
    },
  ]);
  expect(gateway.bindings.clusters.api!.endpoints).toEqual([{ host: "127.0.0.1", port: 9000 }]);
});

test("the gateway is in the namespace of its Mesh, else with most of its Apps", () => {
  expect(gatewayOf(meshText(null) + APPS)!.workload.namespace).toBe("shop");
  const edge = gatewayOf(meshText("edge") + APPS)!;
  expect(edge.workload.namespace).toBe("edge");
  expect(Object.keys(edge.policy.clusters)).toEqual(["shop/api", "shop/next"]);
});

test("a Mesh whose rules all answer themselves has a gateway without clusters", () => {
  const text = meshText(null).replace(/backends: .* \}$/m, "respond: {} }");
  const gateway = gatewayOf(text + APPS)!;
  expect(gateway.workload.namespace).toBe("default");
  expect(gateway.policy.clusters).toEqual({});
  expect(gateway.policy.listeners.gateway!.routes[0]!.backends).toEqual([]);
});

test("without anything to reach from outside, or without a place, there is no gateway", () => {
  expect(gatewayOf(APPS)).toBeUndefined();
  const documents = documentsOf(appText("front", 8080, INGRESS));
  const { snapshots } = compile({ documents, site: siteOf(documents, { gateway: null }) });
  expect(snapshots.map((one) => one.workload.name)).toEqual(["front"]);
});

test("an App without ingress changes nothing at the gateway", () => {
  const before = gatewayOf(appText("front", 8080, INGRESS));
  expect(gatewayOf(appText("front", 8080, INGRESS) + APPS)).toEqual(before!);
});
