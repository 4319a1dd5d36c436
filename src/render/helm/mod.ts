/**
 * Helm charts of rendered objects: one path, for a chart's templates are the very objects of
 * `--format manifests`, with actions where a value may be another one.
 */
import { objectFileName } from "../kubernetes/mod.ts";
import type { KubeObject } from "../kubernetes/object.ts";
import { type ChartFacts, chartYaml, HELPERS, IGNORED, notes, readme } from "./chart_files.ts";
import { type Owner, ownerOf, ownersOf, sidecarImage } from "./owner.ts";
import {
  backupNamespace,
  doorValues,
  hostsOf,
  scrapeValues,
  snapshotHosts,
  switchValues,
} from "./shared_values.ts";
import { Template } from "./template.ts";
import { ChartValues } from "./values.ts";
import { cronValue, placeOf, scalerValues, workloadValues } from "./workload_values.ts";

export { chartPackage } from "./package.ts";

export interface ChartOptions {
  /** Of the whole; null: the one App's or the one namespace's name. */
  readonly name: string | null;
  readonly version: string;
  /** A chart an App, and one for what they share. */
  readonly perApp: boolean;
  /** The oldest minor version of Kubernetes 1. */
  readonly minor: number;
  readonly target: string;
}

export interface Chart {
  readonly name: string;
  readonly version: string;
  /** By their path in the chart. */
  readonly files: ReadonlyMap<string, string>;
}

export function charts(objects: readonly KubeObject[], options: ChartOptions): readonly Chart[] {
  const owners = ownersOf(objects);
  const whole = options.name ?? wholeName(objects, owners);
  if (!options.perApp) return [chart(whole, objects, owners, options)];
  const byRoot = Map.groupBy(objects, (object) => ownerOf(owners, object)?.root ?? null);
  return [...byRoot].map(([root, own]) => {
    const its = owners.filter((one) => one.root === root);
    if (root !== null) return chart(root.replace(".", "-"), own, its, options);
    const taken = owners.some(({ key }) => key.replace(".", "-") === whole);
    return chart(taken ? `${whole}-shared` : whole, own, its, options);
  });
}

function wholeName(objects: readonly KubeObject[], owners: readonly Owner[]): string {
  const [first] = owners;
  if (owners.length === 1) return first!.name;
  const namespaces = new Set(owners.map(({ namespace }) => namespace));
  return namespaces.size === 1 ? first!.namespace : (objects.at(0)?.namespace || "apps");
}

function chart(
  name: string,
  objects: readonly KubeObject[],
  owners: readonly Owner[],
  options: ChartOptions,
): Chart {
  const values = new ChartValues();
  for (const owner of owners) {
    const about = `App ${owner.name} in the namespace ${owner.namespace}.`;
    values.describe(["apps", owner.key], about);
  }
  const hosts = hostsOf(objects);
  const ours = sidecarImage(objects);
  const templates = objects.map((object) => {
    const text = templateText(object, values, ownerOf(owners, object), { hosts, ours });
    return [`templates/${objectFileName(object)}`, text] as const;
  });
  const facts: ChartFacts = {
    name,
    version: options.version,
    appVersion: appVersion(values, owners),
    description: descriptionOf(owners),
    minor: options.minor,
    target: options.target,
    namespaces: [...new Set(objects.map(namespaceOf).filter((one) => one !== ""))].sort(),
  };
  const files = new Map([
    ["Chart.yaml", chartYaml(facts)],
    ["values.yaml", values.yaml()],
    ["values.schema.json", values.schema(name)],
    ["README.md", readme(facts, values)],
    [".helmignore", IGNORED],
    ["templates/_helpers.tpl", HELPERS],
    ["templates/NOTES.txt", notes(facts, values)],
    ...templates,
  ]);
  return { name, version: options.version, files };
}

/** Backups are in the tool's namespace. */
function namespaceOf({ kind, namespace, name }: KubeObject): string {
  if (kind === "Schedule") return "";
  return kind === "Namespace" ? name : namespace;
}

/** What is known of all objects together. */
interface Whole {
  /** Names from outside, and of their values. */
  readonly hosts: ReadonlyMap<string, string>;
  /** The sidecar's image; null where nothing has one. */
  readonly ours: string | null;
}

function templateText(
  object: KubeObject,
  values: ChartValues,
  owner: Owner | null,
  { hosts, ours }: Whole,
): string {
  const template = new Template(object);
  const place = placeOf(template, owner);
  switchValues(template, values, object);
  switch (object.kind) {
    case "HorizontalPodAutoscaler":
      scalerValues(template, values, place);
      break;
    case "NetworkPolicy":
      scrapeValues(template, values);
      break;
    case "ConfigMap":
      snapshotHosts(template, values, hosts);
      break;
    case "Schedule":
      cronValue(template, values, place, ["spec", "schedule"], "backup", "schedule");
      backupNamespace(template, values);
      break;
    default:
      doorValues(template, values, hosts, object);
      workloadValues(template, values, place, ours);
  }
  return template.text();
}

function descriptionOf(owners: readonly Owner[]): string {
  const names = owners.map(({ name }) => name);
  if (names.length === 0) return "What Apps share: namespaces, the gateway, what lets nothing in.";
  if (names.length === 1) return `The App ${names[0]}, with its sidecar.`;
  const some = names.length > 8 ? [...names.slice(0, 8), `${names.length - 8} more`] : names;
  return `The Apps ${some.slice(0, -1).join(", ")} and ${some.at(-1)}, with their sidecars.`;
}

/** The Apps' tag, where all have the same one. */
function appVersion(values: ChartValues, owners: readonly Owner[]): string | null {
  const tags = new Set(owners.map(({ key }) => values.valueAt(["apps", key, "image", "tag"])));
  const [tag] = tags;
  return tags.size === 1 && typeof tag === "string" && tag !== "" ? tag : null;
}
