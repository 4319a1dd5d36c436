import type { ClusterStats, EndpointStats, ProxyEvent, ProxyStats } from "../api/stats.ts";
import type { Command } from "./command.ts";
import { outputOption } from "./command.ts";
import { printData, type Table } from "./output.ts";
import { APP_ARGUMENT, saySilent, SIDECAR_OPTIONS, wantedPlaces } from "./sidecar_options.ts";

interface ShownEndpoint extends EndpointStats {
  readonly state: "healthy" | "unhealthy" | "ejected";
  /** What the proxy said when it left it out; null where it is in. */
  readonly why: string | null;
}

interface ShownCluster extends Omit<ClusterStats, "endpoints"> {
  readonly app: string;
  readonly endpoints: readonly ShownEndpoint[];
}

export const clusters: Command = {
  name: "clusters",
  summary: "show what a running app calls: endpoints with their state, breakers, pools",
  arguments: [APP_ARGUMENT],
  options: [...SIDECAR_OPTIONS, outputOption("table")],
  examples: [
    { line: "outrigger clusters frontend", about: "a line an endpoint; why it is left out" },
    { line: "outrigger clusters -o json", about: "of all apps, with all that is counted" },
  ],
  async run(world, input) {
    const places = await wantedPlaces(world, input, input.words[0] ?? null);
    const { askAll } = await import("../local/sidecars.ts");
    const { answers, silent } = await askAll<ProxyStats>(world, places, "/stats");
    saySilent(world, silent);
    const shown = answers.flatMap(([{ workload }, stats]) => shownClusters(workload, stats));
    await printData(world, input.text("output") ?? "table", shown, () => clusterTable(shown));
    return 0;
  },
};

export function shownClusters(app: string, stats: ProxyStats): ShownCluster[] {
  return stats.clusters.map((cluster) => ({
    app,
    ...cluster,
    endpoints: cluster.endpoints.map((endpoint) => shownEndpoint(cluster, endpoint, stats.events)),
  }));
}

function shownEndpoint(
  cluster: ClusterStats,
  endpoint: EndpointStats,
  events: readonly ProxyEvent[],
): ShownEndpoint {
  const state = !endpoint.healthy ? "unhealthy" : endpoint.ejected ? "ejected" : "healthy";
  if (state === "healthy") return { ...endpoint, state, why: null };
  const kind = state === "ejected" ? "endpoint-ejected" : "endpoint-unhealthy";
  const start = `${endpoint.address}:${endpoint.port} `;
  const said = events.findLast((event) => {
    return event.kind === kind && event.subject === cluster.name && event.text.startsWith(start);
  });
  return { ...endpoint, state, why: said?.text.slice(start.length) ?? "said too long ago" };
}

const COLUMNS = [
  ...["app", "cluster", "breaker", "active", "waiting", "connections", "endpoint", "state"],
  ...["weight", "zone", "busy", "tries", "failed", "why"],
];

function clusterTable(all: readonly ShownCluster[]): Table {
  const rows = all.flatMap((cluster) => {
    const { app, name, breaker, requestsActive, requestsPending, connectionsActive } = cluster;
    const numbers = [requestsActive, requestsPending, connectionsActive].map(String);
    const head = [app, name, breaker, ...numbers];
    if (cluster.endpoints.length === 0) return [[...head, "none", "-", "-", "-", "-", "-", "-"]];
    return cluster.endpoints.map((one, index) => [
      ...(index === 0 ? head : [app, name, "", "", "", ""]),
      ...[`${one.address}:${one.port}`, one.state, String(Math.round(one.weight * 100) / 100)],
      one.zone === "" ? "-" : one.zone,
      ...[one.active, one.triesTotal, one.triesFailedTotal].map(String),
      one.why ?? "",
    ]);
  });
  return { columns: COLUMNS, rows };
}
