import type { RoutePolicy, Snapshot } from "../api/snapshot.ts";
import type { Command } from "./command.ts";
import { outputOption } from "./command.ts";
import { printData } from "./output.ts";
import { APP_ARGUMENT, saySilent, SIDECAR_OPTIONS, wantedPlaces } from "./sidecar_options.ts";

interface ShownRoute {
  readonly app: string;
  readonly listener: string;
  readonly direction: string;
  readonly host: string;
  readonly route: string;
  readonly match: string;
  readonly backends: string;
  readonly filters: readonly string[];
  readonly timeout: string;
  readonly retry: string;
  readonly fallback: string;
  /** `shop.yaml:9:5 spec.calls.api`; null where no line led to it. */
  readonly origin: string | null;
}

export const routes: Command = {
  name: "routes",
  summary: "show the routes in force in a running app, in matching order, with their lines",
  arguments: [APP_ARGUMENT],
  options: [...SIDECAR_OPTIONS, outputOption("table")],
  examples: [
    { line: "outrigger routes frontend", about: "the first that fits takes a request" },
    { line: "outrigger routes -o json", about: "of all apps, as data" },
  ],
  async run(world, input) {
    const places = await wantedPlaces(world, input, input.words[0] ?? null);
    const { askAll } = await import("../local/sidecars.ts");
    const { answers, silent } = await askAll<Snapshot>(world, places, "/config");
    saySilent(world, silent);
    const shown = (await Promise.all(answers.map(([, snapshot]) => shownRoutes(snapshot)))).flat();
    await printData(world, input.text("output") ?? "table", shown, () => ({
      columns: [
        ...["app", "listener", "host", "match", "to", "filters", "timeout", "retry", "fallback"],
        "asked for by",
      ],
      rows: shown.map((one) => [
        ...[one.app, one.listener, one.host, one.match, one.backends],
        one.filters.length === 0 ? "-" : one.filters.join(", "),
        ...[one.timeout, one.retry, one.fallback, one.origin ?? "no line: a default"],
      ]),
    }));
    return 0;
  },
};

async function shownRoutes(snapshot: Snapshot): Promise<ShownRoute[]> {
  const { inMatchingOrder } = await import("../proxy/route/matching_order.ts");
  const { findOrigin, originText } = await import("../compile/origins.ts");
  const { toPointer } = await import("../compile/pointer.ts");
  const words = await import("../compile/words.ts");
  const app = `${snapshot.workload.namespace}/${snapshot.workload.name}`;
  const { listeners } = snapshot.policy;
  return Object.entries(listeners).flatMap(([listener, { direction, routes: all }]) =>
    inMatchingOrder(all).map(({ host, route, index }) => {
      const { retry, fallback } = route;
      const pointer = toPointer(["policy", "listeners", listener, "routes", index]);
      const found = findOrigin(snapshot, pointer);
      const asks = [words.pathText(route.path), words.matchText(route.match)];
      return {
        ...{ app, listener, direction, host, route: route.name },
        match: asks.filter((text) => text !== "").join(" "),
        backends: words.backendsText(route.backends),
        filters: filterNames(route),
        timeout: route.timeoutMs === 0 ? "-" : words.durationText(route.timeoutMs),
        retry: retry === null ? "-" : `${retry.attempts} on ${retry.on.join(", ")}`,
        fallback: fallback === null ? "-" : `${fallback.status} on ${fallback.on.join(", ")}`,
        origin: found === null ? null : originText(found.origin),
      };
    }),
  );
}

/** A rate limit with its name: a route may have several. */
function filterNames({ filters }: RoutePolicy): string[] {
  return filters.map(({ filter, config }) => {
    return typeof config["name"] === "string" ? `${filter} ${config["name"]}` : filter;
  });
}
