import { expect, test } from "bun:test";
import { parse } from "yaml";
import { machine, outrigger, SHOP } from "./testdata/machine.ts";
import "../render/kubernetes/exceptions.ts";

const TIGHT = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: api, namespace: shop }
spec: { image: a, port: 9000 }
`;
const LOOSE = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: web, namespace: shop }
spec:
  image: a
  container:
    user: 0
    capabilities: [CHOWN, NET_ADMIN]
  containers:
    nginx:
      image: b
      writable: true
  bypass:
    - { port: 9042, from: [api] }
  dependencies:
    db: { host: db.example.com, port: 3306 }
    near: { host: near.example.com, port: 3306, networks: [10.0.0.0/8] }
  serviceAccount: { token: true }
  sidecar:
    enabled: false
  overrides:
    - kind: Deployment
      merge: { spec: { revisionHistoryLimit: 3 } }
      reason: auditors ask for three
`;

test("S3-5 every exception of the files is listed with its line, overrides with their reason", async () => {
  const world = machine({ "/home/app/a.yaml": TIGHT, "/home/app/b.yaml": LOOSE });
  const { code, out } = await outrigger(world, "exceptions", "a.yaml", "b.yaml", "-o", "json");
  expect(code).toBe(0);
  const rows = JSON.parse(out) as Record<string, string | null>[];
  expect(rows.map(({ asked, what, reason }) => `${asked} ${what}: ${reason}`)).toEqual([
    "b.yaml:7 the app runs as root: null",
    "b.yaml:8 the app has the capability CHOWN: null",
    "b.yaml:8 the app has the capability NET_ADMIN: null",
    "b.yaml:12 container nginx may write to its root file system: null",
    "b.yaml:18 its pods have a token to talk with Kubernetes: null",
    "b.yaml:20 no sidecar: none of its traffic has a policy: null",
    "b.yaml:14 port 9042 is reached past the sidecar, by api: null",
    "b.yaml:16 port 3306 of any address is open to it, for db: null",
    "b.yaml:22 Deployment web is changed: auditors ask for three",
  ]);
  const yaml = await outrigger(world, "exceptions", "a.yaml", "b.yaml", "-o", "yaml");
  expect(parse(yaml.out)).toEqual(rows);
  const table = (await outrigger(world, "exceptions", "a.yaml", "b.yaml")).out;
  expect(table).toMatch(
    /^shop\/web +override +Deployment web is changed +auditors ask for three +b\.yaml:22 spec\.overrides\[0\]$/m,
  );
});

test("nothing asked for: an empty list, and no failure", async () => {
  const world = machine({ "/home/app/a.yaml": TIGHT, "/home/app/shop.yaml": SHOP });
  expect(await outrigger(world, "exceptions", "a.yaml", "-o", "json")).toMatchObject({
    code: 0,
    out: "[]\n",
  });
  const wrong = await outrigger(machine({ "/home/app/a.yaml": "kind: App" }), "exceptions", "a.yaml");
  expect(wrong.code).not.toBe(0);
});
