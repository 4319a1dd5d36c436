import { NetError, type World } from "../base/world.ts";
import { Console } from "../console/console.ts";
import type { ConsoleApp, ConsoleSource } from "../console/view.ts";
import { HttpClient } from "../http/client.ts";
import { LOCAL_HOST } from "./allot_ports.ts";
import { CONSOLE, schemeOf } from "./build_site.ts";
import { askStats } from "./collect_stats.ts";
import type { RunningSet } from "./running_set.ts";

/** The console page of a running set, on the loopback address. */
export function serveConsole(
  world: World,
  set: RunningSet,
): { readonly url: string; readonly stop: () => void } {
  const client = new HttpClient(world, { maxIdle: 1 });
  const source = { title: set.record().name, apps: () => appsOf(client, set) };
  const { console, port } = startOn(world, set.loaded?.ports[CONSOLE] ?? 0, source);
  const stop = () => {
    console.stop();
    client.close();
  };
  return { url: `http://${LOCAL_HOST}:${port}/`, stop };
}

/** On that port, or on any other where somebody took it in between: the page's port is no promise. */
function startOn(
  world: World,
  wanted: number,
  source: ConsoleSource,
): { readonly console: Console; readonly port: number } {
  for (const port of [wanted, 0]) {
    const console = new Console(world, { host: LOCAL_HOST, port }, source);
    try {
      return { console, port: console.start() };
    } catch (error) {
      const isTaken = error instanceof NetError && error.code === "address-in-use";
      if (!isTaken || port === 0) throw error;
    }
  }
  throw new Error("bug: the system has no free port");
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
  const { loaded } = set;
  if (loaded === null) return null;
  const { site } = loaded;
  const address = gateway ? site.gateway?.listener : site.workloads[workload]?.endpoints[0];
  if (address === undefined) return null;
  const scheme = schemeOf(loaded.documents, gateway ? null : workload);
  return `${scheme}://${address.host}:${address.port}/`;
}
