import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { KubeObject } from "../render/kubernetes/mod.ts";
import type { Input, OptionDefinition } from "./command.ts";

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
  { long: "image", value: "IMAGE", about: "of the sidecar; outrigger.dev/outrigger:latest" },
];

const OLDEST_MINOR = 29;

/** @throws ProblemsFailure, or Failure `usage`. */
export async function renderedObjects(
  world: World,
  input: Input,
  files: readonly string[],
): Promise<readonly KubeObject[]> {
  const { renderObjects, TARGETS, TARGET_NAMES } = await import("../render/kubernetes/mod.ts");
  const { loadFiles, ProblemsFailure } = await import("../local/load_set.ts");
  const wanted = input.text("target") ?? "kubernetes";
  const name = TARGET_NAMES.find((one) => one === wanted);
  if (name === undefined) {
    throw new Failure("usage", `there is no target ${wanted}`, `known are ${TARGET_NAMES.join(", ")}`);
  }
  const minor = minorOf(input.text("kubernetes"));
  const image = input.text("image") ?? "outrigger.dev/outrigger:latest";
  const documents = await loadFiles(world, files);
  const target = { ...TARGETS[name], minor };
  const { objects, problems } = renderObjects(documents, { target, image });
  if (problems.length > 0) throw new ProblemsFailure(problems, 0);
  return objects;
}

function minorOf(written: string | null): number {
  if (written === null) return OLDEST_MINOR;
  const minor = Number(/^v?1\.([0-9]{1,3})(?:\.|$)/.exec(written)?.[1] ?? "0");
  if (minor >= OLDEST_MINOR) return minor;
  throw new Failure("usage", `objects for Kubernetes ${written}`, "write 1.29 or newer");
}
