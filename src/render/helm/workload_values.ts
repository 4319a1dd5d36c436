/** Values of what runs pods: images, amounts, numbers of pods, environments, volumes. */
import { APP_CONTAINER, SIDECAR_CONTAINER } from "../kubernetes/names.ts";
import type { Plain } from "../kubernetes/sourced.ts";
import { type Owner, POD_SPECS } from "./owner.ts";
import { indented, memberAt, memberOf, type Step, type Template, valueOf } from "./template.ts";
import type { ChartValues } from "./values.ts";
import {
  CPU_PERCENT,
  CRON,
  DIGEST,
  ENV,
  MAX_REPLICAS,
  MIN_REPLICAS,
  PULL_SECRETS,
  REPLICAS,
  REPOSITORY,
  RESOURCES,
  SIZE,
  STORAGE_CLASS,
  TAG,
} from "./value_schemas.ts";

/** Where the values of an object are, in values.yaml and in a template. */
export interface Place {
  readonly path: readonly string[];
  /** The expression for the value at a path below. */
  readonly at: (...path: readonly string[]) => string;
}

export function placeOf(template: Template, owner: Owner | null): Place {
  if (owner === null) {
    return { path: ["gateway"], at: (...path) => valueOf("gateway", ...path) };
  }
  const path = ["apps", owner.key];
  return {
    path,
    at: (...rest) => {
      template.prelude(`{{- $app := ${valueOf(...path)} }}`);
      return memberOf("$app", ...rest);
    },
  };
}

/**
 * Deployment, StatefulSet, DaemonSet, Job, CronJob.
 *
 * @param ours the sidecar's image: whatever runs it has one value
 */
export function workloadValues(
  template: Template,
  values: ChartValues,
  place: Place,
  ours: string | null,
): void {
  const pod = POD_SPECS[String(template.at(["kind"]))];
  if (pod === undefined) return;
  replicasValue(template, values, place);
  cronValue(template, values, place, ["spec", "schedule"], "schedule");
  for (const list of ["containers", "initContainers"]) {
    const containers = template.at([...pod, list]);
    if (!Array.isArray(containers)) continue;
    for (const index of containers.keys()) {
      containerValues(template, values, place, [...pod, list, index], ours);
    }
  }
  claimValues(template, values, place);
  const about = "Secrets with which the images are fetched: [{ name: NAME }].";
  values.add(["imagePullSecrets"], [], { about, schema: PULL_SECRETS });
  template.putLines([...pod, "imagePullSecrets"], (indent) => {
    const lines = [
      "{{- with .Values.imagePullSecrets }}",
      "imagePullSecrets:",
      `  {{- toYaml . | nindent ${indent.length + 2} }}`,
      "{{- end }}",
    ];
    return lines.map((line) => indent + line).join("\n");
  });
}

function replicasValue(template: Template, values: ChartValues, { path, at }: Place): void {
  const replicas = template.at(["spec", "replicas"]);
  if (typeof replicas !== "number") return;
  values.add([...path, "replicas"], replicas, { about: "How many pods run.", schema: REPLICAS });
  template.put(["spec", "replicas"], `int ${at("replicas")}`);
}

/** A HorizontalPodAutoscaler's bounds. */
export function scalerValues(template: Template, values: ChartValues, { path, at }: Place): void {
  const utilization = ["spec", "metrics", 0, "containerResource", "target", "averageUtilization"];
  const fields = [
    ["min", ["spec", "minReplicas"], "At least as many pods run.", MIN_REPLICAS],
    ["max", ["spec", "maxReplicas"], "At most as many pods run.", MAX_REPLICAS],
    ["cpu", utilization, "More start above so many percent of the app's CPU request.", CPU_PERCENT],
  ] as const;
  for (const [name, place, about, schema] of fields) {
    const number = template.at(place);
    if (typeof number !== "number") continue;
    values.add([...path, "autoscaling", name], number, { about, schema });
    template.put(place, `int ${at("autoscaling", name)}`);
  }
  const [min, max] = [at("autoscaling", "min"), at("autoscaling", "max")];
  const text = `${path.at(-1)!}: autoscaling.max is less than autoscaling.min`;
  const fail = `{{ fail ${JSON.stringify(text)} }}`;
  template.prelude(`{{- if lt (int ${max}) (int ${min}) }}${fail}{{ end }}`);
}

/** @param name of the value, where the object has one */
export function cronValue(
  template: Template,
  values: ChartValues,
  { path, at }: Place,
  place: readonly Step[],
  ...name: readonly string[]
): void {
  const cron = template.at(place);
  if (typeof cron !== "string") return;
  const about = "When: minute, hour, day, month, weekday.";
  values.add([...path, ...name], cron, { about, schema: CRON });
  template.put(place, `${at(...name)} | quote`);
}

// ---------------------------------------------------------------- containers

/** Where a container's own values are below its App's. */
function containerPath(name: string): readonly string[] {
  if (name === APP_CONTAINER) return [];
  return name === SIDECAR_CONTAINER ? ["sidecar"] : ["containers", name];
}

function containerValues(
  template: Template,
  values: ChartValues,
  place: Place,
  container: readonly Step[],
  ours: string | null,
): void {
  const name = template.at([...container, "name"]);
  if (typeof name !== "string") return;
  // The gateway is nothing but the sidecar's program.
  const own = place.path[0] === "apps" ? containerPath(name) : [];
  const isApp = place.path[0] === "apps" && name === APP_CONTAINER;
  const image = template.at([...container, "image"]);
  if (typeof image === "string") {
    const path = image === ours ? ["sidecar", "image"] : [...place.path, ...own, "image"];
    const at = image === ours ? valueOf(...path) : place.at(...own, "image");
    imageValues(values, path, image);
    template.put([...container, "image"], `include "outrigger.image" ${at} | quote`);
  }
  if (isApp) environment(template, values, place, [...container, "env"]);
  const resources = template.at([...container, "resources"]);
  if (resources !== undefined) {
    const about = "What it reserves, and its limits, as Kubernetes writes them.";
    values.add([...place.path, ...own, "resources"], resources, { about, schema: RESOURCES });
    template.putBlock([...container, "resources"], place.at(...own, "resources"));
  }
}

function imageValues(values: ChartValues, path: readonly string[], image: string): void {
  const [name = "", digest = ""] = image.split("@");
  const colon = name.lastIndexOf(":");
  const hasTag = colon > name.lastIndexOf("/");
  const repository = hasTag ? name.slice(0, colon) : name;
  const tag = hasTag ? name.slice(colon + 1) : "";
  values.add([...path, "repository"], repository, {
    about: "The image, without its tag.",
    schema: REPOSITORY,
  });
  values.add([...path, "tag"], tag, { about: "A text: --set-string.", schema: TAG });
  values.add([...path, "digest"], digest, {
    about: 'Wins over the tag: "sha256:...".',
    schema: DIGEST,
  });
}

/** Variables with a text are values, more may come by values; those of Secrets stay as they are. */
function environment(
  template: Template,
  values: ChartValues,
  { path, at }: Place,
  place: readonly Step[],
): void {
  const written = (template.at(place) ?? []) as readonly { readonly [key: string]: Plain }[];
  const isText = (one: { readonly [key: string]: Plain }): boolean => {
    return typeof one.value === "string" && Object.keys(one).length === 2;
  };
  const end = written.findIndex((one) => !isText(one));
  const texts = end < 0 ? written : written.slice(0, end);
  const rest = end < 0 ? [] : written.slice(end);
  values.add([...path, "env"], Object.fromEntries(texts.map((one) => [one.name, one.value!])), {
    about: "The app's variables; more may be added. Texts: --set-string.",
    schema: ENV,
  });
  const order = texts.map(({ name }) => JSON.stringify(name)).join(" ");
  const call = `include "outrigger.env" (dict "env" ${at("env")} "order" (list ${order}))`;
  template.putLines(place, (indent) => {
    const items = `${indent}  {{- . | nindent ${indent.length + 2} }}`;
    if (rest.length > 0) {
      const fixed = indented(rest as Plain, `${indent}  `);
      const some = `${indent}  {{- with ${call} }}\n${items}\n${indent}  {{- end }}`;
      return `${indent}env:\n${some}\n${fixed}`;
    }
    return `${indent}{{- with ${call} }}\n${indent}env:\n${items}\n${indent}{{- end }}`;
  });
}

// ---------------------------------------------------------------- volumes

function claimValues(template: Template, values: ChartValues, { path, at }: Place): void {
  const claims = template.at(["spec", "volumeClaimTemplates"]);
  if (!Array.isArray(claims)) return;
  for (const [index, claim] of claims.entries()) {
    const name = memberAt(claim, ["metadata", "name"]);
    const spec = ["spec", "volumeClaimTemplates", index, "spec"];
    const size = template.at([...spec, "resources", "requests", "storage"]);
    if (typeof name !== "string" || typeof size !== "string") continue;
    const own = ["storage", name];
    values.add([...path, ...own, "size"], size, {
      about: "How much each pod keeps.",
      schema: SIZE,
    });
    template.put([...spec, "resources", "requests", "storage"], `${at(...own, "size")} | quote`);
    const storageClass = template.at([...spec, "storageClassName"]) ?? "";
    values.add([...path, ...own, "class"], storageClass, {
      about: "Its StorageClass. Empty: the cluster's default.",
      schema: STORAGE_CLASS,
    });
    template.putOptional([...spec, "storageClassName"], at(...own, "class"));
  }
}
