/** What the examples are on Kubernetes, for judges that we did not write. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadDocuments } from "../../src/api/documents.ts";
import {
  type KubeObject,
  renderObjects,
  TARGET_NAMES,
  type Target,
  TARGETS,
  type TargetName,
} from "../../src/render/kubernetes/mod.ts";
import { randomApps } from "../../src/render/kubernetes/testdata/random_apps.ts";
import { formatProblems } from "../../src/schema/problem.ts";
import { ROOT } from "./outrigger.ts";

const FOLDERS = ["examples/kubernetes", "src/render/kubernetes/testdata"];

/** By name: the examples, and the files that show every form. */
export const EXAMPLES: ReadonlyMap<string, string> = new Map([
  ["examples/shop/kubernetes.yaml", read("examples/shop/kubernetes.yaml")],
  ...FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith(".yaml") && !name.endsWith(".golden.yaml"))
      .sort()
      .map((name): [string, string] => [`${folder}/${name}`, read(`${folder}/${name}`)]),
  ),
]);

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** @throws Error with the problems of the file */
export function renderExample(
  name: string,
  target: TargetName,
  minor: number,
  otherwise: Partial<Target> = {},
): readonly KubeObject[] {
  const documents = loadDocuments([{ file: name, text: EXAMPLES.get(name)! }]);
  const options = {
    target: { ...TARGETS[target], minor, ...otherwise },
    image: "registry.example.com/outrigger:0.1.0",
  };
  const { objects, problems } = renderObjects(documents, options);
  const all = [...documents.problems, ...problems];
  if (all.length > 0) throw new Error(formatProblems(all));
  return objects;
}

/** Every different object of all examples on all targets, from a version of Kubernetes on. */
export function everyObject(minor: number, targets: readonly TargetName[] = TARGET_NAMES): readonly any[] {
  const found = new Map<string, unknown>();
  for (const name of EXAMPLES.keys()) {
    for (const target of targets) {
      for (const { body } of renderExample(name, target, minor)) found.set(JSON.stringify(body), body);
    }
  }
  return [...found.values()];
}

const RANDOM_FILES = 60;

/** What the right ones of some random files of Apps render to; the same each time. */
export function randomObjects(minor: number): readonly any[] {
  const found: unknown[] = [];
  for (let seed = 1; seed <= RANDOM_FILES; seed++) {
    const documents = loadDocuments([{ file: "apps.yaml", text: randomApps(seed) }]);
    if (documents.problems.length > 0) continue;
    const target = { ...TARGETS[TARGET_NAMES[seed % TARGET_NAMES.length]!], minor };
    const options = { target, image: "registry.example.com/outrigger:0.1.0" };
    found.push(...renderObjects(documents, options).objects.map(({ body }) => body));
  }
  return found;
}

const WORKLOADS = new Set(["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"]);

/** The pods that a cluster would make of workloads: Pod Security refuses pods, and nothing else. */
export function podsOf(objects: readonly any[]): readonly any[] {
  return objects
    .filter(({ kind }) => WORKLOADS.has(kind))
    .map(({ kind, metadata, spec }) => {
      const { template } = kind === "CronJob" ? spec.jobTemplate.spec : spec;
      const claims = (spec.volumeClaimTemplates ?? []).map((one: any) => ({
        name: one.metadata.name,
        persistentVolumeClaim: { claimName: `${one.metadata.name}-${metadata.name}-0` },
      }));
      return {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { ...template.metadata, name: metadata.name, namespace: metadata.namespace },
        spec: { ...template.spec, volumes: [...template.spec.volumes, ...claims] },
      };
    });
}
