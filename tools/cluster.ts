/**
 * A real one-node cluster on this machine, with the shop's images, that stays until it is ended.
 *
 *   bun tools/cluster.ts up|shell|down
 */
import { mkdirSync } from "node:fs";
import { CLUSTER_FOLDER, clusterRuns, HOW_TO_LOOK } from "./kept_cluster.ts";
import { clusterMissing, KubeCluster } from "./kube/cluster.ts";
import { ROOT } from "./shop.ts";
import { loadShopImages, SIDECAR_IMAGE } from "./shop_images.ts";

const BASE_PORT = 17_600;

function kept(): KubeCluster {
  mkdirSync(CLUSTER_FOLDER, { recursive: true });
  return new KubeCluster({ folder: CLUSTER_FOLDER, basePort: BASE_PORT });
}

async function up(): Promise<number> {
  const missing = clusterMissing();
  if (missing !== null) {
    console.error(missing);
    return 1;
  }
  if (clusterRuns()) {
    console.log(`a cluster runs already, in ${CLUSTER_FOLDER}\n${HOW_TO_LOOK}`);
    return 0;
  }
  console.log("starting Kubernetes; where it was never compiled, that takes six minutes more, once");
  const cluster = kept();
  try {
    await cluster.start();
    await loadShopImages(cluster);
  } catch (error) {
    await cluster.end();
    throw error;
  }
  console.log(`a cluster of one node runs; on it are the shop's images and ${SIDECAR_IMAGE}`);
  console.log(HOW_TO_LOOK);
  return 0;
}

async function shell(): Promise<number> {
  if (!clusterRuns()) {
    console.error("no cluster runs; start one: make cluster");
    return 9;
  }
  const words = kept().command([process.env["SHELL"] ?? "bash"]);
  const child = Bun.spawn(words.command, {
    cwd: ROOT,
    env: { ...words.env, PATH: `${ROOT}/bin:${words.env["PATH"]}` },
    stdio: ["inherit", "inherit", "inherit"],
  });
  return child.exited;
}

async function down(): Promise<number> {
  const ran = clusterRuns();
  await kept().end();
  console.log(ran ? "ended the cluster, and removed all of it" : "no cluster ran");
  return 0;
}

const commands: Readonly<Record<string, () => Promise<number>>> = { up, shell, down };
const command = commands[process.argv[2] ?? ""];
if (command === undefined) {
  console.error("usage: bun tools/cluster.ts up|shell|down");
  process.exit(2);
}
process.exit(await command());
