/** What the shop needs on a cluster of ours: its programs and Outrigger as images on the node. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { outriggerImage } from "./image.ts";
import { type KubeCluster, nodeImage, nodeRoot } from "./kube/cluster.ts";

const ROOT = join(import.meta.dir, "..");

export const SIDECAR_IMAGE = "registry.example.com/outrigger:1";

const PROGRAMS = {
  "registry.example.com/shop/frontend:1": "frontend/frontend.js",
  "registry.example.com/shop/api:1": "api/api.js",
  "registry.example.com/shop/search:1": "elasticsearch_stand_in.js",
} as const;

/** Puts them on the node. @throws Error where dist/outrigger is not built */
export async function loadShopImages(cluster: KubeCluster): Promise<void> {
  const binary = join(ROOT, "dist", "outrigger");
  if (!existsSync(binary)) throw new Error(`${binary} is not there: make build makes it`);
  await cluster.load(outriggerImage(binary, SIDECAR_IMAGE));
  const root = await nodeRoot();
  try {
    for (const [name, file] of Object.entries(PROGRAMS)) {
      const text = readFileSync(join(ROOT, "examples", "shop", file), "utf8");
      const path = `app/${file.slice(file.lastIndexOf("/") + 1)}`;
      const files = { "app/package.json": '{"type":"module"}', [path]: text };
      // As containers mostly do: who may come is for the pod's network to say.
      const variables = { HOST: "0.0.0.0" };
      await cluster.load(await nodeImage(root, name, files, `/${path}`, variables));
    }
  } finally {
    rmSync(dirname(root), { recursive: true });
  }
}
