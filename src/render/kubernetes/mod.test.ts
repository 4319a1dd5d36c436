import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { loadDocuments } from "../../api/documents.ts";
import { formatProblems } from "../../schema/problem.ts";
import {
  explainObject,
  explainObjectText,
  filesOf,
  manifestText,
  objectKey,
  renderObjects,
  TARGET_NAMES,
  TARGETS,
} from "./mod.ts";

const TESTDATA = join(import.meta.dir, "testdata");
const IMAGE = "registry.example.com/outrigger:1";

function render(file: string, text: string, target = TARGETS.kubernetes) {
  const documents = loadDocuments([{ file, text }]);
  expect(formatProblems(documents.problems)).toBe("");
  return renderObjects(documents, { target, image: IMAGE });
}

const read = (name: string): string => readFileSync(join(TESTDATA, name), "utf8");

for (const name of ["shop", "forms", "more_forms"]) {
  test(`what ${name}.yaml is on Kubernetes (UPDATE_GOLDENS=1 writes it)`, () => {
    const { objects, problems } = render(`${name}.yaml`, read(`${name}.yaml`));
    expect(problems).toEqual([]);
    const text = manifestText(objects);
    if (process.env.UPDATE_GOLDENS === "1") writeFileSync(join(TESTDATA, `${name}.golden.yaml`), text);
    expect(text).toBe(read(`${name}.golden.yaml`));
    const parsed = parseAllDocuments(text).map((document) => document.toJS());
    expect(parsed).toEqual(objects.map(({ body }) => body));
  });
}

test("S1-3 S3-3 one file for each target: what differs are values of the platform", () => {
  const plain = render("shop.yaml", read("shop.yaml")).objects;
  for (const name of TARGET_NAMES) {
    const { objects, problems } = render("shop.yaml", read("shop.yaml"), TARGETS[name]);
    expect(problems).toEqual([]);
    const changed = objects.filter((one) => {
      const same = plain.find((other) => objectKey(other) === objectKey(one));
      return JSON.stringify(same?.body) !== JSON.stringify(one.body);
    });
    const kinds = [...new Set(changed.map(({ kind }) => kind))].sort();
    expect([name, kinds]).toEqual([name, CHANGED[name] as string[]]);
  }
});

const CHANGED: Readonly<Record<string, readonly string[]>> = {
  kubernetes: [],
  eks: ["Ingress"],
  aks: ["Ingress"],
  gke: ["Ingress"],
  openshift: ["Deployment", "NetworkPolicy", "Route"],
  "on-premises": ["Ingress"],
};

test("every value of every object has a line of the file, or a reason in words", () => {
  const { objects } = render("forms.yaml", read("forms.yaml"));
  for (const object of objects) {
    for (const { pointer, text } of explainObject(object)) {
      expect([objectKey(object), pointer, text.length > 5]).toEqual([objectKey(object), pointer, true]);
    }
  }
  const web = objects.find((one) => objectKey(one) === "deployment/web")!;
  const lines = explainObjectText(web).split("\n");
  const lineOf = (pointer: string) => lines.find((line) => line.startsWith(`${pointer} =`));
  expect(lineOf("/spec/replicas")).toContain("forms.yaml:8");
  expect(lineOf("/spec/revisionHistoryLimit")).toContain("overrides[0]");
  expect(lineOf("/spec/template/spec/enableServiceLinks")).toContain("because no variables");
});

test("a patch and a merge change what they name; what meets nothing is a problem with its line", () => {
  const app = (overrides: string) => `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: web, namespace: site }
spec:
  image: registry.example.com/web:1
  port: 8000
  overrides: ${overrides}
`;
  const merge = "{ spec: { template: { spec: { containers: [{ name: app, tty: true }] } } } }";
  const patch = "[{ op: replace, path: /spec/ports/0/port, value: 80 }]";
  const { objects } = render(
    "web.yaml",
    app(
      `[{ kind: Deployment, merge: ${merge}, reason: x }, { kind: Service, patch: ${patch}, reason: y }]`,
    ),
  );
  const body = (key: string) => objects.find((one) => objectKey(one) === key)!.body as any;
  const [container] = body("deployment/web").spec.template.spec.containers;
  expect([container.name, container.tty, container.image]).toEqual([
    "app",
    true,
    "registry.example.com/web:1",
  ]);
  expect(body("service/web").spec.ports[0].port).toBe(80);
  const wrong = render(
    "web.yaml",
    app(`[{ kind: Ingress, merge: {}, reason: x }, { kind: Service, patch: [{ op: remove, path: /no }], reason: y }]`),
  );
  expect(wrong.problems.map(({ line, message }) => [line, message])).toEqual([
    [7, "overrides: nothing rendered is Ingress web"],
    [7, "overrides: Service web: patch[0], remove /no: nothing is there"],
  ]);
});

test("what no cluster can do is told with its line", () => {
  const text = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: a, namespace: n }
spec:
  run: { command: [a], port: 9001 }
  port: 9000
  logs: [{ file: logs/a.log }]
  calls:
    b: {}
---
apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: b, namespace: n }
spec: { image: b, port: 9000 }
`;
  const { problems, objects } = render("a.yaml", text);
  expect(objects).toEqual([]);
  expect(problems.map(({ line, message }) => `${line} ${message}`)).toEqual([
    "4 App a has no image, so no cluster can run it",
    "9 the app listens on 9000, and calls b on 9000 too: in one pod only one can listen there",
    "7 logs: nobody says where the app's working folder is in its image",
  ]);
});

test("S1-16 three sidecars beside an app and ours: no port, no volume twice", () => {
  const text = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: web, namespace: site }
spec:
  image: registry.example.com/web:1
  port: 8000
  volumes: { shared: { path: /srv } }
  containers:
    nginx: { image: "registry.example.com/nginx:1", port: 8081 }
    cache: { image: "registry.example.com/cache:1", port: 6379 }
    agent: { image: "registry.example.com/agent:1", port: 9102 }
`;
  const { objects, problems } = render("web.yaml", text);
  expect(problems).toEqual([]);
  const deployment = objects.find((one) => objectKey(one) === "deployment/web")!.body as any;
  const { initContainers, containers, volumes } = deployment.spec.template.spec;
  const all = [...initContainers, ...containers];
  expect(all.map(({ name }: any) => name)).toEqual(["outrigger", "app", "nginx", "cache", "agent"]);
  const ports = all.flatMap((one: any) => (one.ports ?? []).map((port: any) => port.containerPort));
  expect(ports.length).toBe(new Set(ports).size);
  const names = volumes.map(({ name }: any) => name);
  expect(names.length).toBe(new Set(names).size);
  for (const { volumeMounts } of all) {
    const paths = volumeMounts.map(({ mountPath }: any) => mountPath);
    expect(paths.length).toBe(new Set(paths).size);
  }
  const clash = render("web.yaml", text.replace("port: 6379", "port: 8081"));
  expect(clash.problems).toHaveLength(1);
});

test("a folder has a file an object, and for kustomize a list of them", () => {
  const { objects } = render("shop.yaml", read("shop.yaml"));
  const files = filesOf(objects, "kustomize");
  expect(files.size).toBe(objects.length + 1);
  expect(files.get("kustomization.yaml")).toContain("  - shop/deployment-frontend.yaml\n");
  expect([...filesOf(objects, "manifests").keys()]).toContain("namespace-shop.yaml");
});

test("the sidecar reads logs out of the App's own volume where one holds them", () => {
  const { objects } = render(
    "api.yaml",
    `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: api }
spec:
  image: registry.example.com/api:1
  port: 9000
  container: { dir: /app }
  volumes: { data: { path: /app/data } }
  logs: [{ file: data/logs/a.log }, { file: data/b.log }, { file: other/c.log }]
`,
  );
  const { body } = objects.find(({ body }) => body.kind === "Deployment")!;
  const { spec } = (body as any).spec.template;
  const seenBy = ({ volumeMounts }: any): string[] => {
    const shared = volumeMounts.filter(({ name }: any) => /^(data|logs)/.test(name));
    return shared.map(({ name, mountPath }: any) => `${name} ${mountPath}`);
  };
  const sidecar = [...spec.containers, ...(spec.initContainers ?? [])].find(
    ({ name }: any) => name === "outrigger",
  );
  expect(seenBy(sidecar)).toEqual(["data /app/data", "logs-2 /app/other"]);
  expect(seenBy(spec.containers.find(({ name }: any) => name === "app")).sort()).toEqual([
    "data /app/data",
    "logs-2 /app/other",
  ]);
  const volumes = spec.volumes.map(({ name }: any) => name);
  expect(volumes).toEqual([...new Set(volumes)]);
});
