import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Ajv from "ajv";
import { parse } from "yaml";
import { loadDocuments } from "../../api/documents.ts";
import { formatProblems } from "../../schema/problem.ts";
import { type KubeObject, renderObjects, TARGETS } from "../kubernetes/mod.ts";
import { type ChartOptions, charts, chartPackage } from "./mod.ts";

const TESTDATA = join(import.meta.dir, "..", "kubernetes", "testdata");
const IMAGE = "registry.example.com/outrigger:1";
const OPTIONS: ChartOptions = {
  name: null,
  version: "1.2.3",
  perApp: false,
  minor: 29,
  target: "kubernetes",
};

function objectsOf(text: string): readonly KubeObject[] {
  const documents = loadDocuments([{ file: "a.yaml", text }]);
  expect(formatProblems(documents.problems)).toBe("");
  const options = { target: TARGETS.kubernetes, image: IMAGE };
  const { objects, problems } = renderObjects(documents, options);
  expect(problems).toEqual([]);
  return objects;
}

const read = (name: string): string => readFileSync(join(TESTDATA, name), "utf8");
const chartOf = (text: string, options = OPTIONS) => charts(objectsOf(text), options)[0]!;

test("S3-17 a chart has its values with a schema that takes them and no others", () => {
  const { files, name } = chartOf(read("shop.yaml"));
  expect(name).toBe("shop");
  const chart = parse(files.get("Chart.yaml")!);
  const { apiVersion, version, kubeVersion } = chart;
  expect([apiVersion, version, kubeVersion]).toEqual(["v2", "1.2.3", ">=1.29.0-0"]);
  const values = parse(files.get("values.yaml")!);
  const valid = new Ajv({ strict: false }).compile(JSON.parse(files.get("values.schema.json")!));
  expect([valid(values), valid.errors]).toEqual([true, null]);
  const frontend = values.apps.frontend;
  expect(frontend.autoscaling).toEqual({ min: 2, max: 10, cpu: 70 });
  const wrong: readonly [field: string, change: object][] = [
    ["no number of pods", { autoscaling: { ...frontend.autoscaling, max: 10_001 } }],
    ["a number where a text belongs", { env: { PORT: 8080 } }],
    ["a value that nobody asks for", { imgae: {} }],
    ["a tag that is none", { image: { ...frontend.image, tag: "a b" } }],
    ["memory without a unit of Kubernetes", { resources: { requests: { memory: "64 MB" } } }],
  ];
  for (const [what, change] of wrong) {
    const changed = { ...values, apps: { ...values.apps, frontend: { ...frontend, ...change } } };
    expect([what, valid(changed)]).toEqual([what, false]);
  }
});

test("an action in a user's own text is a text in the template", () => {
  const text = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: web, namespace: site }
spec:
  image: registry.example.com:5000/web@sha256:${"0".repeat(64)}
  port: 8000
  config: { /etc/greeting.txt: "{{ .Release.Name }} and {{{ \\n\\n" }
`;
  const { files } = chartOf(text);
  const map = files.get("templates/site/configmap-web-files.yaml")!;
  expect(map).toContain('{{ "{{" }} .Release.Name }} and {{ "{{" }}{ ');
  // What Helm takes off an object's end is not the text's.
  expect(map).toEndWith("\n\n# The text above ends in empty lines.\n");
  expect(parse(files.get("values.yaml")!).apps.web.image).toEqual({
    repository: "registry.example.com:5000/web",
    tag: "",
    digest: `sha256:${"0".repeat(64)}`,
  });
});

test("a chart an App: each has its own objects, and one has what they share", () => {
  const objects = objectsOf(read("forms.yaml"));
  const all = charts(objects, { ...OPTIONS, perApp: true });
  const names = all.map((one) => one.name).sort();
  expect(names).toEqual(["nightly", "node-agent", "search", "site", "web"]);
  const paths = all.flatMap(({ files }) => [...files.keys()]);
  const own = paths.filter((path) => /^templates\/.*\.yaml$/.test(path));
  expect(own.length).toBe(objects.length);
  const web = all.find(({ name }) => name === "web")!;
  expect(Object.keys(parse(web.files.get("values.yaml")!).apps)).toEqual(["web"]);
  expect(parse(web.files.get("Chart.yaml")!).appVersion).toBe("5.2");
  const shared = all.find(({ name }) => name === "site")!;
  expect([...shared.files.keys()]).toContain("templates/site/networkpolicy-default-deny.yaml");
});

test("Apps of one name in two namespaces have values of their own", () => {
  const app = (namespace: string): string => `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: web, namespace: ${namespace} }
spec: { image: registry.example.com/web:1, port: 8000 }
`;
  const { files } = chartOf(`${app("a")}---\n${app("b")}`);
  expect(Object.keys(parse(files.get("values.yaml")!).apps)).toEqual(["a.web", "b.web"]);
  expect(files.get("templates/b/deployment-web.yaml")).toContain('(index .Values "apps" "b.web")');
});

test("a package is the same bytes each time, and holds one folder of the chart's name", () => {
  const { name, files } = chartOf(read("shop.yaml"));
  const bytes = chartPackage(name, files);
  expect(chartPackage(name, chartOf(read("shop.yaml")).files)).toEqual(bytes);
  const tar = gunzipSync(bytes);
  expect(tar.subarray(0, "shop/Chart.yaml".length).toString()).toBe("shop/Chart.yaml");
});
