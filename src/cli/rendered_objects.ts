import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { KubeObject, Target } from "../render/kubernetes/mod.ts";
import type { Input, OptionDefinition } from "./command.ts";

export const DEFAULT_IMAGE = "outrigger.dev/outrigger:latest";

/** Of commands that look at objects for Kubernetes. */
export const RENDER_OPTIONS: readonly OptionDefinition[] = [
  {
    long: "target",
    value: "NAME",
    about: "kubernetes (the default), eks, aks, gke, openshift, on-premises",
  },
  {
    long: "kubernetes",
    value: "VERSION",
    about: "the oldest that the objects are for, from 1.29, the default, on",
  },
  {
    long: "ingress",
    value: "KIND",
    about: "how requests reach the gateway: ingress, gateway-api or route; the target's by default",
  },
  {
    long: "monitoring",
    value: "KIND",
    about:
      "how metrics are found: pods (a PodMonitor, the default) or services (a ServiceMonitor), both " +
      "with rules for the Prometheus operator; annotations; none",
  },
  { long: "image", value: "IMAGE", about: `of the sidecar; ${DEFAULT_IMAGE}` },
  {
    long: "sink",
    value: "NAME=URL",
    about: "where a sink is from inside the cluster, in the place of what a Mesh says",
    many: true,
  },
];

const OLDEST_MINOR = 29;

/** @throws ProblemsFailure, or Failure `usage`. */
export async function renderedObjects(
  world: World,
  input: Input,
  files: readonly string[],
): Promise<readonly KubeObject[]> {
  const { renderObjects } = await import("../render/kubernetes/mod.ts");
  const { loadFiles, ProblemsFailure } = await import("../local/load_set.ts");
  const target = await targetOf(input);
  const image = input.text("image") ?? DEFAULT_IMAGE;
  const documents = await loadFiles(world, files);
  const { objects, problems } = renderObjects(documents, { target, image, sinks: sinksOf(input) });
  if (problems.length > 0) throw new ProblemsFailure(problems, 0);
  return objects;
}

/** @throws Failure `usage` */
function sinksOf(input: Input): Readonly<Record<string, string>> {
  const pairs = input.list("sink").map((written) => {
    const [, name, url = ""] = /^([a-z]+)=(.*)$/.exec(written) ?? [];
    if (name !== undefined && URL.canParse(url)) return [name, url] as const;
    throw new Failure("usage", `--sink ${written}`, "write --sink elasticsearch=http://HOST:PORT");
  });
  return Object.fromEntries(pairs);
}

/** @throws Failure `usage` */
export async function targetOf(input: Input): Promise<Target> {
  const kubernetes = await import("../render/kubernetes/mod.ts");
  const { TARGETS, TARGET_NAMES, INGRESSES, MONITORINGS } = kubernetes;
  const wanted = input.text("target") ?? "kubernetes";
  const name = TARGET_NAMES.find((one) => one === wanted);
  if (name === undefined) {
    throw new Failure("usage", `there is no target ${wanted}`, `known are ${TARGET_NAMES.join(", ")}`);
  }
  return {
    ...TARGETS[name],
    minor: minorOf(input.text("kubernetes")),
    ingress: oneOf(input, "ingress", INGRESSES) ?? TARGETS[name].ingress,
    monitoring: oneOf(input, "monitoring", MONITORINGS) ?? TARGETS[name].monitoring,
  };
}

function oneOf<T extends string>(input: Input, long: string, known: readonly T[]): T | null {
  const written = input.text(long);
  if (written === null) return null;
  const found = known.find((one) => one === written);
  if (found !== undefined) return found;
  throw new Failure("usage", `--${long} is "${written}"`, `known are ${known.join(", ")}`);
}

function minorOf(written: string | null): number {
  if (written === null) return OLDEST_MINOR;
  const minor = Number(/^v?1\.([0-9]{1,3})(?:\.|$)/.exec(written)?.[1] ?? "0");
  if (minor >= OLDEST_MINOR) return minor;
  throw new Failure("usage", `objects for Kubernetes ${written}`, "write 1.29 or newer");
}
