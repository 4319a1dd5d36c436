import { expect, setDefaultTimeout, test } from "bun:test";
import { loadDocuments } from "../../api/documents.ts";
import type { Documents } from "../../api/document.ts";
import { workloadKey } from "../../api/site.ts";
import { compile } from "../../compile/mod.ts";
import { paperSite } from "../../compile/paper_site.ts";
import { manifestText, renderObjects, TARGET_NAMES, TARGETS } from "./mod.ts";
import { randomApps } from "./testdata/random_apps.ts";

setDefaultTimeout(30_000);

const RUNS = 150;
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
/** Pods get names of their own behind that of what makes them. */
const LONGEST: Readonly<Record<string, number>> = { CronJob: 52, StatefulSet: 52 };

type Body = any;

function optionsOf(seed: number) {
  const name = TARGET_NAMES[seed % TARGET_NAMES.length]!;
  return { target: { ...TARGETS[name], minor: 29 + (seed % 7) }, image: "registry.example.com/o:1" };
}

function render(seed: number) {
  const documents = loadDocuments([{ file: "apps.yaml", text: randomApps(seed) }]);
  if (documents.problems.length > 0) return { documents, problems: documents.problems, objects: [] };
  return { documents, ...renderObjects(documents, optionsOf(seed)) };
}

/** Pod templates by the object that has them. */
function templatesOf(bodies: readonly Body[]): readonly { readonly owner: Body; readonly template: Body }[] {
  return bodies.flatMap((owner) => {
    const template = owner.spec?.template ?? owner.spec?.jobTemplate?.spec.template;
    return template?.spec?.containers === undefined ? [] : [{ owner, template }];
  });
}

const containersOf = (template: Body): readonly Body[] => [
  ...(template.spec.initContainers ?? []),
  ...template.spec.containers,
];
const portsOf = (template: Body): readonly number[] => {
  return containersOf(template).flatMap(({ ports = [] }) => ports.map((one: Body) => one.containerPort));
};
const isSelected = (selector: Body, { metadata }: Body): boolean => {
  return Object.entries(selector).every(([key, value]) => metadata.labels[key] === value);
};

function twice(values: readonly unknown[]): readonly unknown[] {
  return values.filter((one, index) => values.indexOf(one) !== index);
}

/** What is wrong with the objects of one file, in sentences. */
function wrongs(bodies: readonly Body[]): readonly string[] {
  const found: string[] = [];
  const check = (is: boolean, what: string): void => {
    if (!is) found.push(what);
  };
  const templates = templatesOf(bodies);
  const names = bodies.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`);
  check(twice(names).length === 0, `twice: ${twice(names)}`);
  for (const [index, body] of bodies.entries()) {
    const at = names[index]!;
    const { name, labels } = body.metadata;
    check(LABEL.test(name) && name.length <= (LONGEST[body.kind] ?? 63), `${at}: its name`);
    check(body.kind !== "Service" || /^[a-z]/.test(name), `${at}: a Service begins with a letter`);
    for (const value of Object.values(labels)) {
      check(LABEL_VALUE.test(String(value)), `${at}: label ${value}`);
    }
  }
  for (const { owner, template } of templates) found.push(...podWrongs(owner, template));
  for (const body of bodies) found.push(...reachWrongs(body, templates));
  return found;
}

function podWrongs(owner: Body, template: Body): readonly string[] {
  const found: string[] = [];
  const at = `${owner.kind} ${owner.metadata.name}`;
  const none = (values: readonly unknown[], what: string): void => {
    if (values.length > 0) found.push(`${at}: ${what}: ${values.join()}`);
  };
  const { selector, volumeClaimTemplates = [] } = owner.spec;
  if (selector !== undefined && !isSelected(selector.matchLabels, template)) {
    found.push(`${at}: its selector is of other pods`);
  }
  const differing = Object.entries(owner.metadata.labels).filter(([key, value]) => {
    return template.metadata.labels[key] !== value;
  });
  none(differing, "labels that its pods have otherwise");
  none(twice(portsOf(template)), "two listen on one port");
  none(twice(containersOf(template).map(({ name }) => name)), "two containers of one name");
  const volumes = [
    ...template.spec.volumes.map((one: Body) => one.name),
    ...volumeClaimTemplates.map((one: Body) => one.metadata.name),
  ];
  none(twice(volumes), "two volumes of one name");
  const called = (template.spec.hostAliases ?? []).flatMap(({ hostnames }: Body) => hostnames);
  none(twice(called), "a name leads to two addresses");
  for (const { name, env = [], volumeMounts = [] } of containersOf(template)) {
    none(twice(env.map((one: Body) => one.name)), `${name}: a variable twice`);
    none(twice(volumeMounts.map((one: Body) => one.mountPath)), `${name}: two volumes at one place`);
    const unknown = volumeMounts.filter((one: Body) => !volumes.includes(one.name));
    none(unknown.map((one: Body) => one.name), `${name}: an unknown volume`);
  }
  return found;
}

/** Services and policies lead to ports that the pods have. */
function reachWrongs(body: Body, templates: ReturnType<typeof templatesOf>): readonly string[] {
  const { kind, metadata, spec } = body;
  const found: string[] = [];
  const podsIn = (namespace: string, labels: Body) =>
    templates.filter(({ owner, template }) => {
      return owner.metadata.namespace === namespace && isSelected(labels, template);
    });
  const needs = (namespace: string, labels: Body, ports: readonly number[]): void => {
    const pods = podsIn(namespace, labels);
    if (pods.length === 0) found.push(`${kind} ${metadata.name}: it is for no pods`);
    for (const { owner, template } of pods) {
      const missing = ports.filter((port) => !portsOf(template).includes(port));
      if (missing.length > 0) found.push(`${kind} ${metadata.name}: ${owner.metadata.name} lacks ${missing}`);
    }
  };
  if (kind === "Service" && spec.selector !== undefined) {
    needs(metadata.namespace, spec.selector, spec.ports.map((one: Body) => one.targetPort));
  }
  if (kind !== "NetworkPolicy" || spec.podSelector.matchLabels === undefined) return found;
  const own = spec.podSelector.matchLabels;
  const ports = (rule: Body) => rule.ports.map((one: Body) => one.port);
  needs(metadata.namespace, own, spec.ingress.flatMap(ports));
  for (const rule of spec.egress) {
    for (const { podSelector, namespaceSelector } of rule.to ?? []) {
      const namespace = namespaceSelector?.matchLabels["kubernetes.io/metadata.name"];
      if (podSelector === undefined || namespace === undefined) continue;
      if (!templates.some(({ owner }) => owner.metadata.namespace === namespace)) continue;
      needs(namespace, podSelector.matchLabels, ports(rule));
    }
  }
  return found;
}

function policyHashes(documents: Documents): Readonly<Record<string, string>> {
  const site = paperSite(documents, { state: "/state", app: () => "/app" });
  const { snapshots } = compile({ documents, site });
  return Object.fromEntries(snapshots.map((one) => [workloadKey(one.workload), one.policyHash]));
}

test("random Apps: names, labels, selectors, ports and Snapshots agree, or their line says why not", () => {
  let rendered = 0;
  let refused = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const { documents, objects, problems } = render(seed);
    if (problems.length > 0) {
      refused++;
      for (const { line, message } of problems) {
        expect([seed, line > 0, message.length > 10]).toEqual([seed, true, true]);
      }
      continue;
    }
    rendered++;
    const bodies = objects.map(({ body }) => body as Body);
    expect([seed, wrongs(bodies)]).toEqual([seed, []]);
    const maps = bodies.filter(({ kind, data }) => kind === "ConfigMap" && data["snapshot.json"]);
    const inMaps = maps.map(({ data }) => JSON.parse(data["snapshot.json"]));
    const hashes = inMaps.map(({ workload, policyHash }) => [workloadKey(workload), policyHash]);
    expect([seed, Object.fromEntries(hashes)]).toEqual([seed, policyHashes(documents)]);
    const again = render(seed).objects;
    expect(JSON.stringify(again) === JSON.stringify(objects)).toBe(true);
    // The text of some: writing it takes longer than making it.
    if (seed % 20 === 0) expect(manifestText(again) === manifestText(objects)).toBe(true);
  }
  // Neither half may be empty.
  expect(rendered).toBeGreaterThan(RUNS / 3);
  expect(refused).toBeGreaterThan(RUNS / 20);
});
