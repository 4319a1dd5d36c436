import type { World } from "../base/world.ts";
import { Console } from "../console/console.ts";
import type { ConsoleApp } from "../console/view.ts";
import { HttpClient } from "../http/client.ts";
import { LOCAL_HOST } from "./allot_ports.ts";
import { CONSOLE } from "./build_site.ts";
import { askStats } from "./collect_stats.ts";
import type { RunningSet } from "./running_set.ts";

/** The console page of a running set, on the loopback address. */
export function serveConsole(
  world: World,
  set: RunningSet,
): { readonly url: string; readonly stop: () => void } {
  const client = new HttpClient(world, { maxIdle: 1 });
  const address = { host: LOCAL_HOST, port: set.loaded?.ports[CONSOLE] ?? 0 };
  const console = new Console(world, address, {
    title: set.record().name,
    apps: () => appsOf(client, set),
  });
  const port = console.start();
  const stop = () => {
    console.stop();
    client.close();
  };
  return { url: `http://${LOCAL_HOST}:${port}/`, stop };
}

async function appsOf(client: HttpClient, set: RunningSet): Promise<readonly ConsoleApp[]> {
  const { processes } = set.record();
  const workloads = [...new Set(processes.map(({ workload }) => workload))];
  return Promise.all(
    workloads.map(async (workload): Promise<ConsoleApp> => {
      const own = processes.filter((process) => process.workload === workload);
      const socket = own.find(({ admin }) => admin !== null)?.admin?.socket ?? null;
      return {
        workload,
        url: urlOf(set, workload, own[0]?.role === "gateway"),
        processes: own.map(({ role, state, restarts }) => ({ role, state, restarts })),
        stats: socket === null ? null : await askStats(client, socket),
      };
    }),
  );
}

function urlOf(set: RunningSet, workload: string, gateway: boolean): string | null {
  const site = set.loaded?.site;
  const address = gateway ? site?.gateway?.listener : site?.workloads[workload]?.endpoints[0];
  return address === undefined ? null : `http://${address.host}:${address.port}/`;
}
