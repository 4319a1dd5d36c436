import { expect, test } from "bun:test";
import { loadDocuments } from "../api/documents.ts";
import { compile } from "./mod.ts";
import { diffSnapshots } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, documentsOf, siteOf, snapshotsOf } from "./testdata/from_text.ts";

const CERTIFICATES = [
  "tls:",
  "  certificates:",
  "    - { certificate: certs/shop.pem, key: certs/shop.key }",
  "    - { certificate: /etc/live/api.example/fullchain.pem, key: /etc/live/api.example/privkey.pem }",
];
const CLIENTS = ["  clientCertificate: require", "  clientCa: certs/clients.pem"];

const mesh = (gateway: string): string =>
  [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: Mesh",
    "metadata: { name: shop, namespace: shop }",
    "spec:",
    `  gateway: ${gateway}`,
    "---",
    "",
  ].join("\n");

test("tls of an App: names and rules are policy, files are bindings", () => {
  const text = appText("front", 8443, [...CERTIFICATES, ...CLIENTS]);
  const [snapshot] = snapshotsOf(text);
  const { tls, routes } = snapshot!.policy.listeners["inbound"]!;
  expect(tls).toEqual({
    certificates: ["shop", "api-example"],
    minVersion: "1.2",
    clientCertificate: "require",
    handshakeTimeoutMs: 10_000,
  });
  expect(snapshot!.bindings.tls).toEqual({
    inbound: {
      certificates: {
        shop: { certificate: "/apps/front/certs/shop.pem", key: "/apps/front/certs/shop.key" },
        "api-example": {
          certificate: "/etc/live/api.example/fullchain.pem",
          key: "/etc/live/api.example/privkey.pem",
        },
      },
      clientCa: "/apps/front/certs/clients.pem",
    },
  });
  const told = routes[0]!.filters.find(({ filter }) => filter === "forwarded_tls");
  expect(told?.config).toEqual({ scheme: true, clientCertificate: false });
  // Elsewhere on the disk it is the same policy.
  const documents = documentsOf(text);
  const site = siteOf(documents);
  const workload = site.workloads["shop/front"]!;
  const local = { ...workload.local!, filesFolder: "/elsewhere" };
  const moved = compile({
    documents,
    site: { ...site, workloads: { "shop/front": { ...workload, local } } },
  }).snapshots[0]!;
  expect(moved.policyHash).toBe(snapshot!.policyHash);
  expect(moved.bindings.tls!["inbound"]!.clientCa).toBe("/elsewhere/certs/clients.pem");
});

test("tls: explain names the line of each part, and why the rest is as it is", () => {
  const [snapshot] = snapshotsOf(appText("front", 8443, CERTIFICATES));
  const parts = new Map(explain(snapshot!).map((part) => [part.pointer, part]));
  const at = "/policy/listeners/inbound/tls";
  expect(parts.get(`${at}/certificates`)?.origin?.field).toBe("spec.tls.certificates");
  expect(parts.get(`${at}/minVersion`)?.reason).toContain("nearly all callers have it");
  const key = "/bindings/tls/inbound/certificates/shop/key";
  expect(parts.get(key)?.origin?.field).toBe("spec.tls.certificates[0].key");
});

test("tls: diff says in words what changes", () => {
  const sentences = (before: string[], after: string[]) =>
    diffSnapshots(
      snapshotsOf(appText("front", 8443, before)),
      snapshotsOf(appText("front", 8443, after)),
    )
      .workloads.flatMap((one) => one.changes.map(({ sentence }) => sentence))
      .filter((sentence) => sentence.startsWith("TLS"));
  const [added] = sentences([], CERTIFICATES.slice(0, 3));
  expect(added).toBe("TLS of requests to the app added: TLS 1.2 and later by certificate shop");
  const stricter = [...CERTIFICATES.slice(0, 3), "  minVersion: 1.3", ...CLIENTS];
  const [changed] = sentences(CERTIFICATES.slice(0, 3), stricter);
  expect(changed).toContain("TLS 1.3 by certificate shop, client certificates required");
});

test("the Mesh's gateway ends TLS; the scheme is told by who knows the trusted hops", () => {
  const tls = "{ certificates: [{ certificate: c/tls.crt, key: c/tls.key }], minVersion: '1.3' }";
  const text = mesh(`{ port: 8443, tls: ${tls} }`) + appText("front", 8080, [
    "ingress: [{ host: shop.example.com }]",
  ]);
  const gateway = snapshotsOf(text).find(({ workload }) => workload.name === "gateway")!;
  const { tls: policy, routes } = gateway.policy.listeners["gateway"]!;
  expect([policy?.certificates, policy?.minVersion]).toEqual([["c"], "1.3"]);
  expect(routes[0]!.filters.map(({ filter }) => filter)).toContain("forwarded");
  const told = routes[0]!.filters.find(({ filter }) => filter === "forwarded_tls");
  expect(told?.config).toEqual({ scheme: false, clientCertificate: false });
  expect(gateway.bindings.tls!["gateway"]!.clientCa).toBeNull();
});

test("a call to an App that ends TLS at its port says whom to trust, and no other does", () => {
  const problemsOf = (call: string, lines: readonly string[]) => {
    const text = appText("front", 8080, [`calls: { api: ${call} }`]) + appText("api", 8443, lines);
    const documents = documentsOf(text);
    return compile({ documents, site: siteOf(documents) }).problems.map(({ message }) => message);
  };
  expect(problemsOf("{}", CERTIFICATES)).toEqual([
    "shop/api ends TLS at its port (shop.yaml:15), and this call goes without",
  ]);
  expect(problemsOf("{ tls: {} }", [])).toEqual([
    "tls to shop/api, which does not speak TLS at its port",
  ]);
  expect(problemsOf("{ tls: { ca: certs/ca.pem } }", CERTIFICATES)).toEqual([]);
});

test("tls of a call: the name is policy, files are bindings, each with its line", () => {
  const calls = [
    "calls:",
    "  api: { tls: { ca: certs/ca.pem, certificate: certs/me.pem, key: certs/me.key } }",
    "  bank: { host: bank.example, port: 443, tls: { minVersion: 1.3 } }",
    "  fixed: { endpoints: ['10.0.0.1:443'], tls: { serverName: fixed.example } }",
    "  plain: { host: plain.example, port: 80 }",
  ];
  const text = appText("front", 8080, calls) + appText("api", 8443, CERTIFICATES);
  const snapshots = snapshotsOf(text);
  const { policy, bindings, origins } = snapshots.find(({ workload }) => workload.name === "front")!;
  const of = (name: string) => [policy.clusters[name]!.tls, bindings.clusters[name]!.tls];
  expect(of("api")).toEqual([
    { serverName: "api", minVersion: "1.2" },
    {
      ca: "/apps/front/certs/ca.pem",
      client: { certificate: "/apps/front/certs/me.pem", key: "/apps/front/certs/me.key" },
    },
  ]);
  expect(of("bank")).toEqual([
    { serverName: "bank.example", minVersion: "1.3" },
    { ca: null, client: null },
  ]);
  expect(of("fixed")[0]).toEqual({ serverName: "fixed.example", minVersion: "1.2" });
  expect(of("plain")).toEqual([undefined, undefined]);
  expect(origins["/bindings/clusters/api/tls/client/key"]?.field).toBe("spec.calls.api.tls.key");
  const before = text.replace(", tls: { minVersion: 1.3 }", "");
  const said = diffSnapshots(snapshotsOf(before), snapshots).workloads.flatMap(({ changes }) =>
    changes.map(({ sentence }) => sentence),
  );
  expect(said.some((one) => one.endsWith("added: TLS 1.3 to bank.example"))).toBe(true);
});

test("tls of a call: what cannot be meant is refused where it stands", () => {
  const problemOf = (call: string) => {
    const text = appText("front", 8080, [`calls: { api: ${call} }`]);
    return loadDocuments([{ file: "a.yaml", text }]).problems[0]?.message;
  };
  expect(problemOf("{ tls: { certificate: a.pem } }")).toContain("certificate without key");
  expect(problemOf("{ tls: { key: a.key } }")).toContain("key without certificate");
  expect(problemOf("{ endpoints: ['10.0.0.1:443'], tls: {} }")).toContain("without serverName");
});

test("tls: what cannot be meant is refused where it stands", () => {
  const problemsOf = (lines: string[]): string[] =>
    loadDocuments([{ file: "a.yaml", text: appText("front", 8443, lines) }]).problems.map(
      ({ message }) => message,
    );
  expect(problemsOf(["tls: { certificates: [] }"])[0]).toContain("certificates");
  const one = "certificates: [{ certificate: a/x.pem, key: a/x.key }]";
  expect(problemsOf([`tls: { ${one}, minVersion: 1.1 }`])[0]).toBe(
    'tls.minVersion: found 1.1, expected "1.2" or "1.3"',
  );
  expect(problemsOf([`tls: { ${one}, clientCertificate: require }`])[0]).toContain(
    "client certificates that nobody has signed",
  );
  expect(problemsOf([`tls: { ${one}, clientCa: x.pem }`])[0]).toContain("no certificate is asked");
  expect(problemsOf([`tls: { ${one}, forwardClientCertificate: true }`])[0]).toContain(
    "forwardClientCertificate",
  );
  const twice = "[{ certificate: a/x.pem, key: k }, { certificate: b/x.pem, key: k }]";
  expect(problemsOf([`tls: { certificates: ${twice} }`])[0]).toContain("two are called x");
  expect(problemsOf([`tls: { ${one} }`, "sidecar: { enabled: false }"])[0]).toContain(
    "tls without a sidecar",
  );
});
