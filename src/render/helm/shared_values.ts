/** Values of what Apps share: policies, monitoring, the door from outside, backups, namespaces. */
import { sha256Hex } from "../../base/hash.ts";
import { ADMIN_PORT, NAMESPACE_LABEL, SNAPSHOT_FILE } from "../kubernetes/names.ts";
import type { KubeObject } from "../kubernetes/object.ts";
import type { Plain } from "../kubernetes/sourced.ts";
import { memberAt, type Step, type Template, valueOf } from "./template.ts";
import { ANNOTATIONS, HOST, NAME, STORAGE_CLASS, SWITCH } from "./value_schemas.ts";
import type { ChartValues } from "./values.ts";

const DOORS: ReadonlySet<string> = new Set(["Ingress", "HTTPRoute", "Route"]);

interface Switch {
  readonly path: readonly string[];
  readonly about: string;
  readonly on: boolean;
  readonly of: (object: KubeObject) => boolean;
}

const SWITCHES: readonly Switch[] = [
  {
    path: ["namespaces", "create"],
    about:
      "Whether the chart makes the namespaces, with the labels of Pod Security. A release cannot " +
      "make the namespace that it is installed in.",
    on: false,
    of: ({ kind }) => kind === "Namespace",
  },
  {
    path: ["networkPolicy", "enabled"],
    about:
      "Whether only declared calls pass. Without policies nothing keeps callers on the sidecars' " +
      "ports.",
    on: true,
    of: ({ kind }) => kind === "NetworkPolicy",
  },
  {
    path: ["monitoring", "enabled"],
    about: "Whether there are monitors and alerts: the Prometheus operator must be there.",
    on: true,
    of: ({ apiVersion }) => apiVersion.startsWith("monitoring.coreos.com/"),
  },
  {
    path: ["backup", "enabled"],
    about: "Whether there are backups: Velero must be there.",
    on: true,
    of: ({ apiVersion }) => apiVersion.startsWith("velero.io/"),
  },
  {
    path: ["ingress", "enabled"],
    about: "Whether requests come from outside.",
    on: true,
    of: ({ kind }) => DOORS.has(kind),
  },
];

/** Whether an object is there at all. */
export function switchValues(template: Template, values: ChartValues, object: KubeObject): void {
  const found = SWITCHES.find(({ of }) => of(object));
  if (found === undefined) return;
  const { path, about, on } = found;
  values.add(path, on, { about, schema: SWITCH });
  template.onlyIf(valueOf(...path));
}

/** From where metrics are read: a policy's rule for the admin port. */
export function scrapeValues(template: Template, values: ChartValues): void {
  const rules = template.at(["spec", "ingress"]);
  if (!Array.isArray(rules)) return;
  for (const [index, rule] of rules.entries()) {
    if (memberAt(rule, ["ports", 0, "port"]) !== ADMIN_PORT) continue;
    const at: Step[] = ["from", 0, "namespaceSelector", "matchLabels", NAMESPACE_LABEL];
    namespaceValue(template, values, ["spec", "ingress", index, ...at], {
      path: ["monitoring", "namespace"],
      about: "The namespace of what reads metrics.",
    });
  }
}

/** A backup's own: where the tool is. */
export function backupNamespace(template: Template, values: ChartValues): void {
  namespaceValue(template, values, ["metadata", "namespace"], {
    path: ["backup", "namespace"],
    about: "Velero's namespace.",
  });
}

function namespaceValue(
  template: Template,
  values: ChartValues,
  place: readonly Step[],
  { path, about }: { readonly path: readonly string[]; readonly about: string },
): void {
  const namespace = template.at(place);
  if (typeof namespace !== "string") return;
  values.add(path, namespace, { about, schema: NAME });
  template.put(place, `${valueOf(...path)} | quote`);
}

// ---------------------------------------------------------------- the door

/** Names of hosts by their values' names: a dot parts a value from its group. */
export function hostsOf(objects: readonly KubeObject[]): ReadonlyMap<string, string> {
  const places = objects.flatMap((object) => hostPlaces(object.kind, object.body));
  const hosts = new Set(places.map(({ host }) => host).filter((host) => host !== "*"));
  const named = new Map<string, string>();
  for (const host of [...hosts].sort()) {
    const plain = host.replace("*", "any").replaceAll(".", "-");
    const taken = [...named.values()].includes(plain);
    named.set(host, taken ? `${plain}-${sha256Hex(host).slice(0, 6)}` : plain);
  }
  return named;
}

function hostPlaces(
  kind: string,
  body: Plain,
): readonly { readonly place: readonly Step[]; readonly host: string }[] {
  const list = (path: readonly Step[]): readonly Plain[] => (memberAt(body, path) ?? []) as Plain[];
  const places: (readonly Step[])[] = [];
  if (kind === "Ingress") {
    const rules = list(["spec", "rules"]);
    places.push(...rules.map((_, index) => ["spec", "rules", index, "host"]));
  } else if (kind === "HTTPRoute") {
    const names = list(["spec", "hostnames"]);
    places.push(...names.map((_, index) => ["spec", "hostnames", index]));
  } else if (kind === "Route") places.push(["spec", "host"]);
  return places.flatMap((place) => {
    const host = memberAt(body, place);
    return typeof host === "string" ? [{ place, host }] : [];
  });
}

export function doorValues(
  template: Template,
  values: ChartValues,
  hosts: ReadonlyMap<string, string>,
  { kind, body }: KubeObject,
): void {
  if (!DOORS.has(kind)) return;
  hostValues(values, hosts);
  for (const { place, host } of hostPlaces(kind, body)) {
    template.put(place, `${valueOf("ingress", "hosts", hosts.get(host)!)} | quote`);
  }
  if (kind === "Ingress") {
    const name = template.at(["spec", "ingressClassName"]) ?? "";
    const about = "The IngressClass. Empty: the cluster's default.";
    values.add(["ingress", "class"], name, { about, schema: STORAGE_CLASS });
    template.putOptional(["spec", "ingressClassName"], valueOf("ingress", "class"));
  }
  const about = "More annotations of what takes requests, such as a certificate issuer's.";
  values.add(["ingress", "annotations"], {}, { about, schema: ANNOTATIONS });
  const written = (template.at(["metadata", "annotations"]) ?? {}) as { [key: string]: Plain };
  const entries = Object.entries(written);
  const [last, text] = entries.at(-1) ?? [];
  if (last === undefined) return;
  // Behind the last one of ours.
  template.putLines(["metadata", "annotations", last], (indent) => {
    const own = `${indent}${JSON.stringify(last)}: ${JSON.stringify(text)}`;
    return `${own}\n${indent}{{- with .Values.ingress.annotations }}
${indent}{{- toYaml . | nindent ${indent.length} }}\n${indent}{{- end }}`;
  });
}

function hostValues(values: ChartValues, hosts: ReadonlyMap<string, string>): void {
  for (const [host, name] of hosts) {
    const about = "Its name from outside, for what takes requests and for the gateway.";
    values.add(["ingress", "hosts", name], host, { about, schema: HOST });
  }
}

/**
 * The gateway's Snapshot holds the hosts as well. Its version says to a running gateway whether
 * there is something new, so another host makes another one.
 */
export function snapshotHosts(
  template: Template,
  values: ChartValues,
  hosts: ReadonlyMap<string, string>,
): void {
  const place = ["data", SNAPSHOT_FILE];
  const text = template.at(place);
  if (hosts.size === 0 || typeof text !== "string") return;
  const snapshot = JSON.parse(text);
  let found = 0;
  const named = (host: string): string => {
    const name = hosts.get(host);
    if (name === undefined) return host;
    found++;
    return template.action(`{{ ${valueOf("ingress", "hosts", name)} }}`);
  };
  for (const listener of Object.values<any>(snapshot.policy?.listeners ?? {})) {
    for (const route of listener.routes ?? []) route.hosts = route.hosts.map(named);
  }
  if (found === 0) return;
  hostValues(values, hosts);
  const pairs = [...hosts].map(([host, name]) => [name, host] as const);
  const known = JSON.stringify(Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1))));
  template.prelude(`{{- $hosts := toJson .Values.ingress.hosts }}`);
  // Of such texts JSON's way to write them is Go's too.
  const changing = (word: string): string => {
    const other = `{{ print ${JSON.stringify(word)} $hosts | sha256sum | trunc ${word.length} }}`;
    return `{{ if eq $hosts ${JSON.stringify(known)} }}${word}{{ else }}${other}{{ end }}`;
  };
  const { version, policyHash } = snapshot;
  snapshot.version = template.action(changing(version));
  snapshot.policyHash = template.action(changing(policyHash));
  template.replace(place, `${JSON.stringify(snapshot, null, 1)}\n`);
  const annotation = ["metadata", "annotations", "outrigger.dev/policy-hash"];
  if (template.at(annotation) === policyHash) {
    template.replace(annotation, template.action(`"${changing(policyHash)}"`));
  }
}
