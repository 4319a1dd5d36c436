/** Charts, ours and those that we write, in the hands of the real helm and a real API server. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { parseAllDocuments } from "yaml";
import {
  builtTool,
  ControlPlane,
  controlPlaneMissing,
  type Ended,
} from "../tools/kube/control_plane.ts";
import { Place, ROOT } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";

setDefaultTimeout(120_000);

const SHOP = join(ROOT, "examples", "shop", "kubernetes.yaml");
const TESTDATA = join(ROOT, "src", "render", "kubernetes", "testdata");
const FORMS = join(TESTDATA, "forms.yaml");
const EXAMPLES = ["django.yaml", "six.yaml", "kafka_consumer.yaml", "cron.yaml"];
const OWN = join(ROOT, "charts", "outrigger");
/** What helm takes for the cluster's where it talks with none. */
const VERSION = ["--kube-version", "1.35.0"];

const API = "Deployment shop api";

const registryConfig = (address: string): string => `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { inmemory: {} }
http: { addr: "${address}" }
`;

/** Braces wherever a user may write some. */
const BRACES = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: web, namespace: site }
spec:
  image: registry.example.com/web:1
  port: 8000
  env: { GREETING: "a \\"quoted\\" <b> & 'c' \\\\ \\u00e9 \\t: # {", PORT: "8000" }
  secrets: { PASSWORD: web/password }
  config:
    /etc/web/page.html: "{{ .Release.Name }}{{- if true }} {{{x}}} {{/* no */}}\\n---\\n}} \`{{\`\\n\\n\\n"
  ingress: [{ host: web.example.com }, { host: "*.example.org" }]
  calls:
    index:
      host: index.example.net
      port: 80
      fallback: { on: [exhausted], status: 200, body: "{{day}} {{ .Values.x }}" }
`;

/** An App whose texts are whatever characters come: the same with each run. */
function manyTexts(): string {
  const options = { numRuns: 150, seed: 8 };
  const characters = "{}}{`\"'\\\n\t\r -#:&*!|>%@<\u00e9\u2028\u0085\u{1f6f6}";
  const odd = fc.array(fc.constantFrom(...characters, "{{", "---\n")).map((all) => all.join(""));
  const words = fc.oneof(fc.string({ unit: "grapheme" }), odd);
  const texts = fc.sample(words, options);
  const config = Object.fromEntries(texts.map((text, index) => [`/etc/web/${index}`, text]));
  // Two braces are a template of ours in a variable, and no character is NUL there.
  const plain = texts.map((text) => text.replaceAll(/\{\{|\0/g, ""));
  const env = Object.fromEntries(plain.map((text, index) => [`V${index}`, text]));
  const spec = { image: "registry.example.com/web:1", port: 8000, config, env };
  const metadata = { name: "web", namespace: "site" };
  return JSON.stringify({ apiVersion: "outrigger.dev/v1alpha1", kind: "App", metadata, spec });
}

type Plain = any;
/** What `--set` is given, and the places that are another value then. */
type Case = readonly [set: string, changed: readonly string[]];
const keyOf = ({ kind, metadata }: Plain): string => {
  return `${kind} ${metadata.namespace ?? ""} ${metadata.name}`;
};

function objectsOf(text: string): Map<string, Plain> {
  const all = parseAllDocuments(text).map((one) => one.toJS());
  return new Map(all.filter((one) => one !== null).map((one) => [keyOf(one), one]));
}

/** JSON pointers, behind the object's key, of every value that is another one. */
function changes(before: Map<string, Plain>, after: Map<string, Plain>): readonly string[] {
  const found: string[] = [];
  const walk = (at: string, a: Plain, b: Plain): void => {
    if (Bun.deepEquals(a, b)) return;
    const deep = [a, b].every((one) => typeof one === "object" && one !== null);
    if (!deep || Array.isArray(a) !== Array.isArray(b)) return void found.push(at);
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    for (const key of keys) walk(`${at}/${key}`, a[key], b[key]);
  };
  const keys = new Set([...before.keys(), ...after.keys()]);
  for (const key of keys) walk(key, before.get(key), after.get(key));
  return found.sort();
}

const missing = controlPlaneMissing();
if (missing !== null) {
  if (process.env["CI"] === "true") throw new Error(missing);
  console.log(`skipped: no helm: ${missing}`);
}

describe.skipIf(missing !== null)("helm", () => {
  const server = new ControlPlane(17_300);
  const place = new Place();

  const helm = (...words: string[]): Promise<Ended> => server.helm(words);
  const rendered = async (...words: string[]): Promise<string> => {
    const { status, stdout, stderr } = await place.outrigger("render", ...words);
    if (status !== 0) throw new Error(stderr);
    return stdout;
  };
  /** The folder of a file's chart. */
  const chartOf = async (file: string, ...options: string[]): Promise<string> => {
    const folder = place.path(`chart-${Bun.hash([file, ...options].join(" "))}`);
    await rendered(file, "--format", "helm", "--out", folder, ...options);
    return folder;
  };
  const template = async (chart: string, ...options: string[]): Promise<string> => {
    const { status, stdout, stderr } = await helm("template", "it", chart, ...VERSION, ...options);
    if (status !== 0) throw new Error(stderr);
    return stdout;
  };
  const refused = async (chart: string, ...options: string[]): Promise<string> => {
    const { status, stderr } = await helm("template", "it", chart, ...VERSION, ...options);
    expect(status).toBe(1);
    return stderr;
  };
  const lint = async (chart: string): Promise<void> => {
    const { stdout, stderr } = await helm("lint", "--strict", chart);
    const all = "1 chart(s) linted, 0 chart(s) failed";
    expect([stderr, stdout]).toEqual(["", expect.stringContaining(all)]);
  };

  beforeAll(() => server.start(), 900_000);

  afterAll(async () => {
    await server.end();
    await place.end();
  }, 60_000);

  for (const [what, file, ...options] of [
    ["braces in a user's own texts", () => place.write("braces.yaml", BRACES)],
    ["any characters in them", () => place.write("texts.json", manyTexts())],
    ["the shop", () => SHOP],
    ["the shop on OpenShift", () => SHOP, "--target", "openshift"],
    ["the shop behind the Gateway API", () => SHOP, "--ingress", "gateway-api"],
    ["the shop on EKS", () => SHOP, "--target", "eks", "--monitoring", "services"],
    ["every form of workload", () => FORMS],
    ["the rarer forms", () => join(TESTDATA, "more_forms.yaml")],
    ...EXAMPLES.map((name) => [name, () => join(ROOT, "examples", "kubernetes", name)] as const),
  ] as const) {
    test(`S3-17 helm lint and template: ${what}, by default what manifests are`, async () => {
      const packed = place.path("it.tgz");
      const chart = await chartOf(file(), "--package", packed, ...options);
      await lint(chart);
      await lint(packed);
      const text = await template(chart, "--set", "namespaces.create=true");
      const plain = objectsOf(await rendered(file(), ...options));
      expect(changes(plain, objectsOf(text))).toEqual([]);
      expect(await template(packed, "--set", "namespaces.create=true")).toBe(text);
      // Without the namespace, which the release is in.
      expect(await template(chart)).not.toContain("kind: Namespace");
    });
  }

  test("any characters of a user reach the API server, by manifests and by a chart", async () => {
    const file = place.write("texts.json", manyTexts());
    await restricted(server, "site");
    const plain = await rendered(file);
    const expected = objectsOf(plain);
    const create = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    for (const text of [plain, await template(await chartOf(file))]) {
      const documents = text.split(/^---\n/m);
      const taken = async (key: string): Promise<Plain> => {
        const its = documents.find((one) => objectsOf(one).has(key))!;
        return JSON.parse(await server.kubectl(create, its));
      };
      const map = "ConfigMap site web-files";
      expect((await taken(map)).data).toEqual(expected.get(map).data);
      const deployment = "Deployment site web";
      const env = ({ spec }: Plain): Plain => {
        const [container] = spec.template.spec.containers;
        return container.env.map(({ name, value = "" }: Plain) => [name, value]);
      };
      expect(env(await taken(deployment))).toEqual(env(expected.get(deployment)));
    }
  });

  test("S3-17 a changed value changes what it names, and nothing else", async () => {
    const chart = await chartOf(SHOP);
    const before = objectsOf(await template(chart));
    const pod = "spec/template/spec";
    const gateway = "ConfigMap shop gateway-outrigger";
    const texts: readonly Case[] = [
      ["apps.api.image.tag=2.1", [`Deployment shop api/${pod}/containers/0/image`]],
      [
        "apps.frontend.resources.limits.memory=1Gi",
        [`Deployment shop frontend/${pod}/containers/0/resources/limits/memory`],
      ],
      [
        "apps.frontend.sidecar.resources.requests.cpu=50m",
        [`Deployment shop frontend/${pod}/initContainers/0/resources/requests/cpu`],
      ],
      ["apps.api.env.PORT=9001", [`Deployment shop api/${pod}/containers/0/env/0/value`]],
      ["apps.api.env.MORE=\\{\\{x}}", [`Deployment shop api/${pod}/containers/0/env/1`]],
      ["ingress.class=nginx", ["Ingress shop gateway/spec/ingressClassName"]],
      ["ingress.annotations.a=b", ["Ingress shop gateway/metadata/annotations/a"]],
      [
        "ingress.hosts.shop-example-com=buy.example.com",
        [
          `${gateway}/data/snapshot.json`,
          `${gateway}/metadata/annotations/outrigger.dev/policy-hash`,
          "Ingress shop gateway/spec/rules/0/host",
        ],
      ],
    ];
    const numbers: readonly Case[] = [
      ["apps.api.replicas=4", ["Deployment shop api/spec/replicas"]],
      [
        "apps.frontend.autoscaling.max=9",
        ["HorizontalPodAutoscaler shop frontend/spec/maxReplicas"],
      ],
      ["gateway.replicas=3", ["Deployment shop gateway/spec/replicas"]],
    ];
    for (const [option, cases] of [["--set-string", texts], ["--set", numbers]] as const) {
      for (const [set, expected] of cases) {
        const after = objectsOf(await template(chart, option, set));
        expect([set, changes(before, after)]).toEqual([set, expected as string[]]);
      }
    }
    const kinds = async (set: string): Promise<readonly string[]> => {
      const after = objectsOf(await template(chart, "--set", set));
      const gone = [...before].filter(([key]) => !after.has(key)).map(([, { kind }]) => kind);
      return [...new Set(gone)];
    };
    expect(await kinds("monitoring.enabled=false")).toEqual(["PodMonitor", "PrometheusRule"]);
    expect(await kinds("networkPolicy.enabled=false")).toEqual(["NetworkPolicy"]);
    expect(await kinds("ingress.enabled=false")).toEqual(["Ingress"]);
    const image = "sidecar.image.tag=9";
    const after = objectsOf(await template(chart, "--set-string", image));
    const changed = changes(before, after);
    expect(changed.length).toBe(4);
    expect(changed.every((one) => /(?:initContainers|gateway).*\/image$/.test(one))).toBe(true);
  });

  test("S3-17 another host is in the gateway's Snapshot too, a version of its own", async () => {
    const chart = await chartOf(SHOP);
    const snapshot = async (...options: string[]): Promise<Plain> => {
      const objects = objectsOf(await template(chart, ...options));
      const map = objects.get("ConfigMap shop gateway-outrigger");
      return JSON.parse(map.data["snapshot.json"]);
    };
    const before = await snapshot();
    const after = await snapshot("--set", "ingress.hosts.shop-example-com=buy.example.com");
    expect(after.version).not.toBe(before.version);
    expect(after.policyHash).not.toBe(before.policyHash);
    const text = JSON.stringify(before).replaceAll('"shop.example.com"', '"buy.example.com"');
    const same = { version: after.version, policyHash: after.policyHash };
    expect(after).toEqual({ ...JSON.parse(text), ...same });
  });

  test("S3-17 the schema refuses what is no value", async () => {
    const chart = await chartOf(SHOP);
    for (const [option, set, words] of [
      ["--set", "apps.api.replicas=-1", "'/apps/api/replicas': minimum: got -1, want 0"],
      ["--set", "apps.api.replicas=many", "'/apps/api/replicas': got string, want integer"],
      ["--set", "apps.api.env.PORT=9001", "'/apps/api/env/PORT': got number, want null or string"],
      ["--set", "apps.apy.replicas=1", "'/apps': additional properties 'apy' not allowed"],
      ["--set-string", "apps.api.image.tag=a b", "'/apps/api/image/tag': 'a b' does not match"],
      ["--set", "ingress.hosts.shop-example-com=-", "'/ingress/hosts/shop-example-com'"],
      ["--set", "apps.frontend.autoscaling.max=1", "frontend: autoscaling.max is less than"],
    ] as const) {
      const said = await refused(chart, option, set);
      expect([set, said]).toEqual([set, expect.stringContaining(words)]);
    }
  });

  test("S3-17 a chart of each App, each of which helm takes", async () => {
    const folder = place.path("per-app");
    await rendered(FORMS, "--format", "helm", "--per-app", "--out", folder, "--chart", ":2.0.0");
    const all = new Map<string, Plain>();
    for (const name of ["web", "search", "nightly", "node-agent", "site"]) {
      await lint(join(folder, name));
      const options = name === "site" ? ["--set", "namespaces.create=true"] : [];
      const objects = objectsOf(await template(join(folder, name), ...options));
      for (const [key, object] of objects) all.set(key, object);
    }
    expect(changes(objectsOf(await rendered(FORMS)), all)).toEqual([]);
    const { stdout } = await helm("package", join(folder, "web"), "-d", server.folder);
    expect(stdout).toContain("web-2.0.0.tgz");
  });

  test("S3-17 a chart is installed, upgraded, rolled back, removed; pods fit", async () => {
    const chart = place.path("shop.tgz");
    await rendered(SHOP, "--format", "helm", "--package", chart);
    await restricted(server, "shop");
    const options = ["-n", "shop"];
    const run = async (...words: string[]): Promise<void> => {
      const { status, stderr } = await helm(...words);
      // A warning is what Pod Security says of a pod template that does not fit.
      expect([words[0], status, stderr]).toEqual([words[0], 0, ""]);
    };
    await run("install", "shop", chart, ...options);
    const replicas = async (): Promise<string> => {
      const path = "jsonpath={.spec.replicas}";
      return server.kubectl(["-n", "shop", "get", "deployment", "api", "-o", path]);
    };
    expect(await replicas()).toBe("1");
    await until("pods of every App", async () => {
      const pods = await server.kubectl(["-n", "shop", "get", "pods", "-o", "json"]);
      const labels = JSON.parse(pods).items.map((one: Plain) => one.metadata.labels);
      const names = new Set(labels.map((one: Plain) => one["app.kubernetes.io/name"]));
      return names.size === 4 ? names : null;
    });
    await run("upgrade", "shop", chart, ...options, "--set", "apps.api.replicas=3");
    expect(await replicas()).toBe("3");
    await run("rollback", "shop", "1", "-n", "shop");
    expect(await replicas()).toBe("1");
    await run("uninstall", "shop", "-n", "shop");
    const left = await server.kubectl(["-n", "shop", "get", "deploy,configmap", "-o", "name"]);
    expect(left).toBe("configmap/kube-root-ca.crt\n");
  });

  test("S3-17 a registry takes the package, and gives the same bytes back", async () => {
    const program = await builtTool("registry");
    const address = `127.0.0.1:${await freePort()}`;
    const config = place.write("registry.yaml", registryConfig(address));
    const start = ["env", "OTEL_TRACES_EXPORTER=none", program, "serve", config];
    const registry = place.startProgram(start);
    try {
      await untilTrue("the registry", async () => (await fetch(`http://${address}/v2/`)).ok);
      const packed = place.path("pushed.tgz");
      await rendered(SHOP, "--format", "helm", "--package", packed, "--chart", "shop:1.4.0");
      const at = `oci://${address}/charts`;
      const pushed = await helm("push", packed, at, "--plain-http");
      expect([pushed.status, pushed.stderr]).toEqual([0, expect.stringContaining("shop:1.4.0")]);
      const name = ["--version", "1.4.0", "--plain-http"];
      const pulled = await helm("pull", `${at}/shop`, ...name, "-d", place.folder);
      expect([pulled.status, pulled.stderr]).toEqual([0, expect.stringContaining("Digest: ")]);
      expect(readFileSync(place.path("shop-1.4.0.tgz"))).toEqual(readFileSync(packed));
      const straight = await template(`${at}/shop`, ...name);
      expect(changes(objectsOf(straight), objectsOf(await template(packed)))).toEqual([]);
    } finally {
      registry.kill("SIGTERM");
      await registry.ended;
    }
  }, 900_000);

  test("kustomize builds the very objects of manifests, and an overlay changes them", async () => {
    const base = place.path("base");
    const before = objectsOf(await rendered(SHOP));
    const { image } = before.get(API).spec.template.spec.containers[0];
    await rendered(SHOP, "--format", "kustomize", "--out", base);
    const built = objectsOf(await server.kubectl(["kustomize", base]));
    expect(changes(before, built)).toEqual([]);
    mkdirSync(place.path("overlay"));
    place.write(
      "overlay/kustomization.yaml",
      `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../base]
images: [{ name: ${image.split(":")[0]}, newTag: "9" }]
replicas: [{ name: api, count: 5 }]
`,
    );
    const changed = objectsOf(await server.kubectl(["kustomize", place.path("overlay")]));
    expect(changed.get(API).spec.replicas).toBe(5);
    const [container] = changed.get(API).spec.template.spec.containers;
    expect(container.image).toEndWith(":9");
  });

  // -------------------------------------------------------------- the chart of Outrigger itself

  const common = ["ConfigMap", "NetworkPolicy", "Service", "ServiceAccount"];
  const scaled = ["HorizontalPodAutoscaler", "PodDisruptionBudget"];
  for (const [name, values, kinds] of [
    ["Deployment", "kind=Deployment", [...common, "Deployment", "PodDisruptionBudget"]],
    ["Deployment with HPA", "autoscaling.enabled=true", [...common, "Deployment", ...scaled]],
    ["StatefulSet", "kind=StatefulSet", [...common, "StatefulSet", "PodDisruptionBudget"]],
    ["DaemonSet", "kind=DaemonSet,metrics.podMonitor=true", [...common, "DaemonSet", "PodMonitor"]],
    ["Sidecar", "kind=Sidecar", ["ConfigMap", "ConfigMap"]],
  ] as const) {
    test(`S0-4 S0-10 the event processor as ${name}: a real API server takes it strictly`, async () => {
      const namespace = name.toLowerCase().replaceAll(" ", "-");
      await restricted(server, namespace);
      const text = await template(OWN, "-n", namespace, "--set", values);
      const found = [...objectsOf(text).values()].map(({ kind }) => kind).sort();
      expect(found).toEqual([...kinds].sort());
      const apply = ["apply", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", "-"];
      const out = await server.kubectl(apply, text);
      expect(out.trim().split("\n").length).toBe(found.length);
    });
  }

  test("S0-4 the patch of a Sidecar puts the event processor beside an app", async () => {
    await restricted(server, "beside");
    const app = objectsOf(await rendered(SHOP)).get(API);
    app.metadata.namespace = "beside";
    await server.kubectl(["apply", "-f", "-"], JSON.stringify(app));
    const mount = (field: string): string => `sidecar.volumeMounts[0].${field}`;
    const values = `kind=Sidecar,${mount("name")}=tmp,${mount("mountPath")}=/app/tmp`;
    const installed = await helm("install", "events", OWN, "-n", "beside", "--set", values);
    expect([installed.status, installed.stderr]).toEqual([0, ""]);
    const patch = await server.kubectl([
      ...["-n", "beside", "get", "configmap", "events-outrigger-sidecar"],
      ...["-o", "jsonpath={.data.patch\\.yaml}"],
    ]);
    await server.kubectl(["-n", "beside", "patch", "deployment", "api", "--patch", patch]);
    const found = await server.kubectl(["-n", "beside", "get", "deployment", "api", "-o", "json"]);
    const { initContainers } = JSON.parse(found).spec.template.spec;
    const names = initContainers.map((one: Plain) => one.name).sort();
    expect(names).toEqual(["outrigger", "outrigger-pipeline"]);
    const own = initContainers.find((one: Plain) => one.name === "outrigger-pipeline");
    expect(own.volumeMounts.map((one: Plain) => one.mountPath)).toContain("/app/tmp");
    expect(own.restartPolicy).toBe("Always");
  });

  test("S0-10 values change the chart's output, and its schema refuses what is none", async () => {
    await lint(OWN);
    const before = objectsOf(await template(OWN));
    const pipeline = `apiVersion: outrigger.dev/v1alpha1
kind: Pipeline
metadata: { name: orders }
spec:
  sources: { net: { http: { listen: "http://127.0.0.1:${await freePort()}" } } }
  steps: [{ typescript: ./price.ts }]
  sinks: { out: { elasticsearch: { url: "http://search:9200", index: "orders-{{day}}" } } }
`;
    const file = place.write("orders.yaml", pipeline);
    const step = place.write("price.ts", "export default (event) => event;\n");
    const files = ["--set-file", `pipeline=${file}`, "--set-file", `files.price\\.ts=${step}`];
    const after = objectsOf(await template(OWN, ...files));
    expect(changes(before, after)).toEqual([
      "ConfigMap default it-outrigger/data/pipeline.yaml",
      "ConfigMap default it-outrigger/data/price.ts",
    ]);
    const { data } = after.get("ConfigMap default it-outrigger");
    expect(data["pipeline.yaml"]).toBe(pipeline);
    // What the pods are given is what the program takes, and probes ask what it answers.
    const mounted = place.path("mounted");
    mkdirSync(mounted);
    for (const [name, text] of Object.entries<string>(data)) {
      writeFileSync(join(mounted, name), text);
    }
    const [container] = after.get("Deployment default it-outrigger").spec.template.spec.containers;
    const port = await freePort();
    const here: readonly (readonly [string, string])[] = [
      ["/etc/outrigger", mounted],
      ["/var/lib/outrigger", place.path("kept")],
      ["0.0.0.0:9598", `127.0.0.1:${port}`],
    ];
    const args: string[] = container.args.map((word: string) => {
      return here.reduce((text, [there, local]) => text.replace(there, local), word);
    });
    const running = place.start(...args);
    const { httpGet } = container.readinessProbe;
    const ready = `http://127.0.0.1:${port}${httpGet.path}`;
    await untilTrue("the probe's answer", async () => (await fetch(ready)).ok);
    running.kill("SIGTERM");
    expect((await running.ended).status).toBe(0);
    for (const [set, words] of [
      ["kind=Job", "'/kind': value must be one of"],
      ["metrics.port=80", "'/metrics/port': minimum: got 80, want 1,024"],
      ["pipeline=nothing", "'/pipeline'"],
      ["kind=DaemonSet,autoscaling.enabled=true", "a DaemonSet has a pod on each node"],
      ["hostLogs.enabled=true", "kind must be DaemonSet"],
    ] as const) {
      const said = await refused(OWN, "--set", set);
      expect([set, said]).toEqual([set, expect.stringContaining(words)]);
    }
  });

  test("S0-11 on OpenShift no user is written, and a Route is there when asked for", async () => {
    const ports = "ports[0].name=http,ports[0].port=8080";
    const openshift = `openshift.enabled=true,openshift.route.enabled=true,${ports}`;
    const objects = objectsOf(await template(OWN, "--set", openshift));
    const { spec } = objects.get("Deployment default it-outrigger").spec.template;
    const [container] = spec.containers;
    const security = [spec.securityContext, container.securityContext];
    for (const one of security) {
      expect(Object.keys(one)).not.toContain("runAsUser");
      expect(Object.keys(one)).not.toContain("fsGroup");
    }
    expect(container.securityContext).toMatchObject({
      ...{ runAsNonRoot: true, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      capabilities: { drop: ["ALL"] },
    });
    expect(objects.get("Route default it-outrigger").spec.port).toEqual({ targetPort: "http" });
    // A chart of Apps for OpenShift likewise.
    const shop = objectsOf(await template(await chartOf(SHOP, "--target", "openshift")));
    const kinds = [...shop.values()].map(({ kind }) => kind);
    expect(kinds).toContain("Route");
    const pods = [...shop.values()].filter(({ kind }) => kind === "Deployment");
    expect(JSON.stringify(pods)).not.toMatch(/runAsUser|fsGroup|NET_ADMIN/);
  });
});

/** A namespace in which nothing but `restricted` pods are let in. */
async function restricted(server: ControlPlane, name: string): Promise<void> {
  const labels = Object.fromEntries(
    ["enforce", "warn"].map((mode) => [`pod-security.kubernetes.io/${mode}`, "restricted"]),
  );
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
  await server.kubectl(["apply", "-f", "-"], JSON.stringify(namespace));
}
