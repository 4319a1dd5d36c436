import { expect, test } from "bun:test";
import { app, rendered } from "./testdata/rendered.ts";

const DB = "db: { host: db.example.com, port: 3306, networks: [10.2.0.0/16], secret: db-login, wait: 1m }";

test("S3-12 a managed database is declared once: name, egress, Secret and wait follow", () => {
  const { body, source } = rendered(
    app(
      "api",
      "port: 9000",
      'env: { DB: "{{dependencies.db.host}}:{{dependencies.db.port}}" }',
      `dependencies: { ${DB} }`,
    ),
  );
  expect(body("service/db").spec).toEqual({ type: "ExternalName", externalName: "db.example.com" });
  expect(body("networkpolicy/api").spec.egress.slice(1)).toEqual([
    { to: [{ ipBlock: { cidr: "10.2.0.0/16" } }], ports: [{ port: 3306, protocol: "TCP" }] },
  ]);
  const { containers, initContainers } = body("deployment/api").spec.template.spec;
  expect(containers[0].envFrom).toEqual([{ prefix: "DB_", secretRef: { name: "db-login" } }]);
  // As it stands in the file, for TLS checks that name.
  expect(containers[0].env).toEqual([{ name: "DB", value: "db.example.com:3306" }]);
  // Behind the sidecar, so that a pod that waits already tells how it is; and it goes on in the end.
  expect(initContainers.map(({ name }: any) => name)).toEqual(["outrigger", "wait-db"]);
  const [, waiting] = initContainers;
  expect(waiting.args).toEqual(["wait", "db.example.com:3306", "--timeout", "1m", "--go-on"]);
  expect([waiting.restartPolicy, waiting.securityContext.runAsNonRoot]).toEqual([undefined, true]);
  // No probe of a pod that runs asks the database.
  expect(JSON.stringify(containers)).not.toContain('Probe":{"tcpSocket');
  expect(source("service/db", "/spec/externalName")).toBe("shop.yaml:8:25 spec.dependencies.db.host");
});

test("S3-12 an address is a Service without a selector, and one endpoint", () => {
  for (const [host, type, cidr] of [
    ["10.2.0.7", "IPv4", "10.2.0.7/32"],
    ["2001:db8::7", "IPv6", "2001:db8::7/128"],
  ] as const) {
    const { body } = rendered(app("api", `dependencies: { db: { host: "${host}", port: 5432 } }`));
    expect(body("service/db").spec).toEqual({
      type: "ClusterIP",
      ports: [{ name: "main", port: 5432, targetPort: 5432, protocol: "TCP" }],
    });
    const slice = body("endpointslice/db");
    expect(slice.metadata.labels["kubernetes.io/service-name"]).toBe("db");
    expect([slice.addressType, slice.endpoints, slice.ports]).toEqual([
      type,
      [{ addresses: [host], conditions: { ready: true } }],
      [{ name: "main", port: 5432, protocol: "TCP" }],
    ]);
    expect(body("networkpolicy/api").spec.egress[1].to).toEqual([{ ipBlock: { cidr } }]);
  }
});

test("S3-12 only who declares it may go there; two Apps share one Service", () => {
  const db = "dependencies: { db: { host: 10.2.0.7, port: 5432 } }";
  const { keys, body } = rendered(app("api", db) + app("mail", db) + app("page"));
  expect(keys.filter((key) => key === "service/db")).toHaveLength(1);
  const mayGo = (name: string) => JSON.stringify(body(`networkpolicy/${name}`)).includes("10.2.0.7");
  expect(["api", "mail", "page"].map(mayGo)).toEqual([true, true, false]);
});

test("S3-12 a name that is taken, two places of one name and the pod itself are told with their line", () => {
  const one = (host: string) => `dependencies: { db: { host: ${host}, port: 5432 } }`;
  const messages = (text: string) => rendered(text).problems.map(({ line, message }) => `${line} ${message}`);
  expect(messages(app("api", one("a.example.com")) + app("mail", one("b.example.com")))).toEqual([
    "13 dependencies: db is a.example.com:5432 at shop.yaml:6",
  ]);
  expect(messages(app("db") + app("api", one("a.example.com")))).toEqual([
    "12 dependencies: db is an App of shop",
  ]);
  expect(messages(app("api", one("127.0.0.1")))).toEqual([
    "6 dependencies: in a pod 127.0.0.1 is the pod itself",
  ]);
});
