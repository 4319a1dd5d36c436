/**
 * Walks through the four stages of the shop on a real one-node cluster of this machine, with the same
 * load on each, and prints what each one brought as numbers measured here and now. Ends with status
 * 0, or 1 where a step did not show its improvement.
 *
 *   bun tools/demo_kube.ts [--keep]     --keep: the cluster stays, for a look
 */
import { ClusterShop } from "./cluster_shop.ts";
import {
  allShown,
  conclude,
  expect,
  type Measured,
  percent,
  say,
  show,
  showInitial,
  showResilience,
  until,
} from "./demo_report.ts";
import { clusterMissing, KubeCluster } from "./kube/cluster.ts";
import { CLUSTER_FOLDER, clusterRuns, HOW_TO_LOOK } from "./kept_cluster.ts";
import { loadShopImages } from "./shop_images.ts";

const keep = process.argv.includes("--keep");
/** Others may run at the same time: tests, and a cluster that is kept. */
const BASE_PORT = keep ? 17_600 : 17_500;
const STORED_SECONDS = 10;

// ---------------------------------------------------------------- the steps

async function initial(shop: ClusterShop): Promise<Measured> {
  say("\ninitial: the shop as it is, one pod each");
  await shop.apply("initial");
  return showInitial(shop);
}

async function v1(shop: ClusterShop): Promise<void> {
  say("\nv1: a sidecar in front of both: metrics of each pod");
  await shop.apply("v1");
  const total = "outrigger_requests_total";
  const counts = async () => ({
    all: await shop.counted("frontend", total, 'direction="inbound"'),
    failed: await shop.counted("frontend", total, 'direction="inbound",route="/*",code="5'),
  });
  const before = await counts();
  const measured = await shop.measure();
  const after = await counts();
  show("with sidecars", measured);
  const [all, failed] = [after.all - before.all, after.failed - before.failed];
  say(
    `  the frontend's sidecar counted ${all} requests, views and the kubelet's probes: ` +
      `${failed} of them failed, ${percent(failed / all)}`,
  );
  const { requests, byStatus } = measured.report;
  expect(all >= requests, `the sidecar should have counted all ${requests} views, not ${all}`);
  const seen = byStatus[500] ?? 0;
  expect(failed === seen, `the sidecar should know of ${seen} failures; it knows of ${failed}`);
}

async function v2(shop: ClusterShop): Promise<void> {
  say("\nv2: the API's own log file becomes structured events");
  await shop.apply("v2");
  show("with events", await shop.measure());
  const file = ["exec", "deployment/api", "-c", "app", "--", "cat", "logs/events.log"];
  const lines = (await shop.kubectl(...file)).trim().split("\n");
  const search = await shop.url("elasticsearch");
  const stored = await until(STORED_SECONDS, async () => {
    const { body } = await shop.cluster.get(`${search}/logs-*/_count`);
    const { count } = JSON.parse(body) as { count: number };
    return count >= lines.length ? count : null;
  });
  const printed = await shop.kubectl("logs", "deployment/api", "-c", "outrigger");
  // The sidecar's own events are there as well; these have no level.
  const events = printed.split("\n").filter((line) => line.includes('"level":'));
  say(
    `  ${lines.length} lines in its file, ${events.length} events of kubectl logs, ` +
      `${stored ?? "too few"} documents in Elasticsearch; for example`,
  );
  say(`    ${lines.find((line) => line.includes("[error]")) ?? lines[0]}`);
  const example = events.find((line) => line.includes('"level":"error"'));
  say(`    ${example}`);
  expect(events.length === lines.length, "each line should be an event of kubectl logs, once");
  expect(stored === lines.length, "each line should be stored once");
  expect(example !== undefined, "errors should be found by their level");
}

async function v3(shop: ClusterShop, before: Measured): Promise<void> {
  say("\nv3: timeouts, retries, a breaker, a canned answer");
  const was = await shop.podsAndRestarts("frontend");
  const started = Date.now();
  await shop.apply("v3");
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  const same = (await shop.podsAndRestarts("frontend")) === was;
  if (same) say(`  in force after ${seconds} s, by its ConfigMap: no pod began anew`);
  expect(same, "policies should come into force without a restart");
  await showResilience(shop, before);
}

// ---------------------------------------------------------------- the walk

async function walk(cluster: KubeCluster): Promise<void> {
  await cluster.start();
  await loadShopImages(cluster);
  say(`a cluster of one node runs, with images on it: ${elapsed()} s`);
  const shop = new ClusterShop(cluster);
  const before = await initial(shop);
  await v1(shop);
  await v2(shop);
  await v3(shop, before);
  conclude();
}

const began = Date.now();

function elapsed(): string {
  return ((Date.now() - began) / 1000).toFixed(0);
}

const interrupted = new Promise<"interrupted">((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => resolve("interrupted"));
  }
});

async function main(): Promise<number> {
  const missing = clusterMissing();
  if (missing !== null) {
    say(`the demo on a cluster cannot run here: ${missing}; make demo runs without a cluster`);
    return 1;
  }
  if (keep && clusterRuns()) {
    say(`a cluster is kept already, in ${CLUSTER_FOLDER}; make cluster_down ends it`);
    return 1;
  }
  say("starting Kubernetes; where it was never compiled, that takes six minutes more, once");
  const place = keep ? { folder: CLUSTER_FOLDER, basePort: BASE_PORT } : { basePort: BASE_PORT };
  const cluster = new KubeCluster(place);
  let status = 1;
  let stays = false;
  try {
    const ended = await Promise.race([walk(cluster).then(() => "done" as const), interrupted]);
    if (ended === "interrupted") status = 130;
    else status = allShown() ? 0 : 1;
    stays = keep && ended === "done";
  } catch (error) {
    say(`\nThe demo failed: ${(error as Error).message}`);
  } finally {
    if (stays) say(`\nStage v3 goes on running.\n${HOW_TO_LOOK}`);
    else await cluster.end();
  }
  say(`ended after ${elapsed()} s`);
  return status;
}

process.exit(await main());
