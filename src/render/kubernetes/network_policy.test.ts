import { expect, test } from "bun:test";
import { app, rendered } from "./testdata/rendered.ts";

const peer = (name: string) => ({
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "shop" } },
  podSelector: { matchLabels: { "app.kubernetes.io/name": name } },
});
const PORTS = [{ port: 9042, protocol: "TCP" }];

test("S4-41 a port past the sidecar is open for whom it names, and closed when the line goes", () => {
  const shop = (...lines: string[]) => app("store", "port: 9000", ...lines) + app("web") + app("mail");
  const open = rendered(shop("bypass: [{ port: 9042, from: [web] }]"));
  const rules = (one: typeof open, name: string, way: "ingress" | "egress") =>
    one.body(`networkpolicy/${name}`).spec[way];
  expect(rules(open, "store", "ingress")).toContainEqual({ from: [peer("web")], ports: PORTS });
  expect(rules(open, "web", "egress")).toContainEqual({ to: [peer("store")], ports: PORTS });
  expect(JSON.stringify(rules(open, "mail", "egress"))).not.toContain("9042");
  const { ports } = open.body("service/store-pods").spec;
  expect(ports.map(({ port, targetPort }: any) => [port, targetPort])).toEqual([
    [9000, 15006],
    [9042, 9042],
  ]);
  expect(open.source("networkpolicy/store", "/spec/ingress/0/ports/0/port")).toBe(
    "shop.yaml:7:12 spec.bypass[0]",
  );
  const closed = rendered(shop());
  expect(JSON.stringify(closed.objects.map(({ body }) => body))).not.toContain("9042");
  // The same objects: what is applied over them leaves no rule behind.
  expect(closed.keys).toEqual(open.keys);
});

test("S4-41 nobody named: members of the App's own, in both directions", () => {
  const { body } = rendered(app("store", "bypass: [{ port: 9042 }]"));
  const { ingress, egress } = body("networkpolicy/store").spec;
  expect(ingress).toContainEqual({ from: [peer("store")], ports: PORTS });
  expect(egress).toContainEqual({ to: [peer("store")], ports: PORTS });
});

test("S4-41 no UDP leaves a pod but to DNS; every pod without a policy is denied both ways", () => {
  const { objects, body } = rendered(
    app("store", "bypass: [{ port: 9042 }]", "dependencies: { db: { host: 10.2.0.7, port: 5432 } }"),
  );
  const policies = objects.filter(({ kind }) => kind === "NetworkPolicy").map((one) => one.body as any);
  for (const { spec } of policies) {
    const rules = [...(spec.ingress ?? []), ...(spec.egress ?? [])];
    const udp = rules.filter(({ ports }) => ports.some(({ protocol }: any) => protocol === "UDP"));
    for (const { to, ports } of udp) {
      expect(to[0].podSelector.matchLabels).toEqual({ "k8s-app": "kube-dns" });
      expect(ports.map(({ port }: any) => port)).toEqual([53, 53]);
    }
    // A rule without ports would open all of them, UDP too.
    expect(rules.every(({ ports }) => ports.length > 0)).toBe(true);
  }
  expect(body("networkpolicy/default-deny").spec).toEqual({
    podSelector: {},
    policyTypes: ["Ingress", "Egress"],
  });
});

test("S4-41 what cannot be is refused with its line", () => {
  const wrong = (bypass: string) => () => rendered(app("store", "port: 9000", `bypass: ${bypass}`));
  expect(wrong("[{ port: 9000 }]")).toThrow("bypass: 9000 is the App's own port");
  expect(wrong("[{ port: 9042 }, { port: 9042 }]")).toThrow("9042 stands there twice");
  expect(wrong("[{ port: 9042, protocol: udp }]")).toThrow("UDP is denied but for DNS");
  expect(wrong("[{ port: 9042, from: [wep] }]")).toThrow('bypass[0]: there is no App "wep"');
  expect(wrong("[{ port: 15020 }]")().problems.map(({ line, message }) => [line, message])).toEqual([
    [7, "port 15020 is the sidecar's own"],
  ]);
});
