/** What an App leaves unsaid and its running would be better with: `outrigger check --strict`. */
import type { AppDocument, Documents } from "../api/document.ts";
import type { Path } from "../schema/node.ts";
import type { Problem } from "../schema/problem.ts";
import { problemAt } from "./source.ts";

/** Of Apps with an image: on a laptop none of it has an effect. */
export function strictAdvice({ apps, meshes }: Documents): readonly Problem[] {
  const seesThrough = meshes.some(({ spec }) => (spec.gateway?.trustedHops ?? []).length > 0);
  return apps
    .filter(({ spec }) => spec.image !== undefined)
    .flatMap((app) => adviceFor(app, seesThrough));
}

function adviceFor(app: AppDocument, seesThrough: boolean): readonly Problem[] {
  const found: Problem[] = [];
  const advise: Advise = (path, message, advice) => {
    found.push(problemAt(app, path, { message: `App ${app.name}: ${message}`, advice }));
  };
  for (const look of [probes, resources, owner, replicas, images]) look(app, advise);
  if (!seesThrough) networks(app, advise);
  return found;
}

type Advise = (path: Path, message: string, advice: string) => void;

function probes({ spec }: AppDocument, advise: Advise): void {
  if (spec.port === undefined) return;
  if (spec.health?.ready === undefined) {
    advise(
      ["spec", "health"],
      "no readiness probe, so requests come before it can answer, and to one that no longer can",
      "health: { ready: /healthz }, a path that answers 200 when it can take requests",
    );
  }
  if (spec.health?.live === undefined) {
    advise(
      ["spec", "health"],
      "no liveness probe, so one that hangs is never restarted",
      "health: { live: /livez }, a path that asks nothing of others: else their failure restarts it",
    );
  }
}

function resources({ spec }: AppDocument, advise: Advise): void {
  const why = {
    cpu: "no CPU is reserved but a guess of 100m, so its share is a guess where a node is full",
    memory: "no limit of memory but a guess of 512Mi: above it the app is killed",
  };
  for (const field of ["cpu", "memory"] as const) {
    if (spec.resources?.[field] !== undefined) continue;
    advise(["spec", "resources"], why[field], `resources: { ${field}: ... }, as you measure it`);
  }
  for (const [name, one] of Object.entries(spec.containers)) {
    if (one.resources?.cpu !== undefined && one.resources.memory !== undefined) continue;
    const message = `the container ${name} has no resources but a guess`;
    advise(["spec", "containers", name], message, "resources: { cpu: ..., memory: ... }");
  }
}

const OWNERS = /(?:^|\/)(?:owner|team)$/;

function owner({ labels, annotations }: AppDocument, advise: Advise): void {
  if (Object.keys({ ...labels, ...annotations }).some((key) => OWNERS.test(key))) return;
  const message = "nobody is named whom an alert is for";
  advise(["metadata"], message, "metadata.labels: { owner: ... }, or team, or an annotation .../owner");
}

function replicas({ spec }: AppDocument, advise: Advise): void {
  const isTask = spec.job !== undefined || spec.schedule !== undefined;
  const keeps = Object.values(spec.volumes).some(({ size }) => size !== undefined);
  if (isTask || spec.perNode || keeps || spec.port === undefined) return;
  if ((spec.replicas?.min ?? 1) > 1) return;
  advise(
    ["spec", "replicas"],
    "one pod, so a node that fails or is emptied is an outage",
    "replicas: 2, if it keeps nothing in its memory that another would need",
  );
}

function images({ spec }: AppDocument, advise: Advise): void {
  const all: [Path, string][] = [
    [["spec", "image"], spec.image!],
    ...Object.entries(spec.containers).map(
      ([name, { image }]): [Path, string] => [["spec", "containers", name, "image"], image],
    ),
  ];
  for (const [path, image] of all) {
    const tag = /@sha256:|:([^:/]+)$/.exec(image);
    if (tag !== null && tag[1] !== "latest") continue;
    advise(path, `the image ${image} is another one tomorrow`, "name a version, or a digest");
  }
}

/** In front of the gateway stands a controller: without trustedHops all callers are that one. */
function networks({ spec }: AppDocument, advise: Advise): void {
  for (const [index, { deny }] of spec.ingress.entries()) {
    const nth = deny.findIndex(({ notFrom }) => notFrom.length > 0);
    if (nth < 0) continue;
    advise(
      ["spec", "ingress", index, "deny", nth],
      "who a caller is cannot be seen behind an ingress controller, so all are denied",
      "the Mesh's gateway: { trustedHops: [NETWORK of the controller] }",
    );
  }
}
