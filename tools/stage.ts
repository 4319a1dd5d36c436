/**
 * The demo by hand: starts a stage in place of the one that runs, stops it, opens its console.
 *
 *   bun tools/stage.ts initial|v1|v2|v3|reset|dashboard
 */
import { existsSync, rmSync } from "node:fs";
import { PROMETHEUS_FOLDER } from "./prometheus.ts";
import {
  FRONTEND_URL,
  isStage,
  removeTraces,
  SEARCH_URL,
  shopStatus,
  type Stage,
  STAGES,
  startStage,
  stopShop,
} from "./shop.ts";

const SHOWS: Readonly<Record<Stage, string>> = {
  initial: "refresh the page: about a third of the views fail",
  v1: "metrics and goals: make forward_prometheus, make open_dashboard",
  v2: `the API's events as JSON: ${SEARCH_URL}/logs-*/_search`,
  v3: "no view fails; the API gets a rest while its breaker is open",
};

const NEXT: Readonly<Record<Stage, string>> = {
  initial: "make v1",
  v1: "make v2",
  v2: "make v3",
  v3: "make reset_demo",
};

async function start(stage: Stage): Promise<number> {
  const status = await startStage(stage);
  if (status !== 0) return status;
  console.log(`stage ${stage} runs: ${FRONTEND_URL}`);
  console.log(`  ${SHOWS[stage]}`);
  console.log(`  load: make create_load; next: ${NEXT[stage]}; stop: make reset_demo`);
  return 0;
}

async function reset(): Promise<number> {
  const ran = await stopShop();
  removeTraces();
  rmSync(PROMETHEUS_FOLDER, { recursive: true, force: true });
  console.log(`${ran ? "stopped the shop, and " : ""}removed its state and logs`);
  return 0;
}

async function dashboard(): Promise<number> {
  const url = (await shopStatus())?.console ?? null;
  if (url === null) {
    console.error("no stage runs that has a console; start one: make v1");
    return 9;
  }
  console.log(url);
  const opener = ["xdg-open", "open"].find((name) => Bun.which(name) !== null);
  const hasScreen =
    process.platform === "darwin" || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (opener === undefined || !hasScreen || existsSync("/.dockerenv")) return 0;
  return Bun.spawn([opener, url], { stdio: ["ignore", "ignore", "ignore"] }).exited;
}

if (import.meta.main) {
  const word = process.argv[2];
  if (isStage(word)) process.exit(await start(word));
  if (word === "reset") process.exit(await reset());
  if (word === "dashboard") process.exit(await dashboard());
  console.error(`usage: bun tools/stage.ts ${STAGES.join("|")}|reset|dashboard`);
  process.exit(2);
}
