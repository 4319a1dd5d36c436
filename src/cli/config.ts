import type { FaultStatus } from "../api/fault.ts";
import type { LogLevel } from "../api/log_level.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { World } from "../base/world.ts";
import type { ExplainedPart } from "../compile/explain.ts";
import type { AdminPlace } from "../local/sidecars.ts";
import type { Command } from "./command.ts";
import { outputOption } from "./command.ts";
import { printData } from "./output.ts";
import { APP_ARGUMENT, SIDECAR_OPTIONS, wantedPlaces } from "./sidecar_options.ts";

/** By name: which pointers belong to it. */
const PARTS: Readonly<Record<string, RegExp>> = {
  listeners: /^\/(policy|bindings)\/(listeners|tls)\/(?!.*\/routes\/)/,
  routes: /^\/policy\/listeners\/[^/]*\/routes(\/|$)/,
  clusters: /^\/(policy|bindings)\/clusters(\/|$)/,
  pipelines: /^\/(policy|bindings)\/pipelines(\/|$)/,
  sidecar: /^\/(policy|bindings)\/(?!listeners|tls|clusters|pipelines)/,
};

interface ShownConfig {
  readonly app: string;
  readonly version: string;
  readonly policyHash: string;
  readonly parts: readonly ExplainedPart[];
  /** What was changed at run time: it is in no file. */
  readonly runtime: { readonly logLevel: LogLevel; readonly faults: readonly FaultStatus[] };
}

export const config: Command = {
  name: "config",
  summary: "show and explain the effective configuration of a running proxy: each value's line",
  arguments: [APP_ARGUMENT],
  options: [
    ...SIDECAR_OPTIONS,
    { long: "part", value: "PART", about: "only this part", choices: Object.keys(PARTS) },
    { long: "written", about: "only what a line of a file asks for" },
    outputOption("text", ["text", "json", "yaml"]),
  ],
  examples: [
    { line: "outrigger config frontend", about: "every value in force, and why it is so" },
    { line: "outrigger config api --part routes --written", about: "the routes' own lines" },
    { line: "outrigger config --socket /run/admin.sock", about: "any proxy, by its socket" },
  ],
  async run(world, input) {
    const places = await wantedPlaces(world, input, input.words[0] ?? null);
    const part = input.text("part");
    const wanted = (one: ExplainedPart): boolean =>
      (part === null || PARTS[part]!.test(one.pointer)) &&
      (!input.flag("written") || one.source === "file");
    const all = await Promise.all(places.map((place) => shownConfig(world, place, wanted)));
    const format = input.text("output") ?? "text";
    if (format !== "text") await printData(world, format, all);
    else for (const one of all) world.stdio.stdout.write(await configText(one));
    return 0;
  },
};

async function shownConfig(
  world: World,
  place: AdminPlace,
  wanted: (part: ExplainedPart) => boolean,
): Promise<ShownConfig> {
  const { askAdmin } = await import("../local/sidecars.ts");
  const { explain } = await import("../compile/explain.ts");
  const [snapshot, level, faults] = await Promise.all([
    askAdmin<Snapshot>(world, place, "/config"),
    askAdmin<{ level: LogLevel }>(world, place, "/log-level"),
    askAdmin<{ faults: FaultStatus[] }>(world, place, "/faults"),
  ]);
  return {
    app: `${snapshot.workload.namespace}/${snapshot.workload.name}`,
    version: snapshot.version,
    policyHash: snapshot.policyHash,
    parts: explain(snapshot).filter(wanted),
    runtime: { logLevel: level.level, faults: faults.faults },
  };
}

async function configText(shown: ShownConfig): Promise<string> {
  const { app, version, policyHash, parts, runtime } = shown;
  const { partsText } = await import("../compile/explain.ts");
  const { faultText } = await import("../compile/words.ts");
  const count = (source: ExplainedPart["source"]): number =>
    parts.filter((one) => one.source === source).length;
  const head =
    `${app}: version ${version}, policy ${policyHash}, in force now; ` +
    `${parts.length} values: ${count("file")} written in files, ${count("default")} defaults, ` +
    `${count("derived")} that follow from a line, ${count("site")} from where it runs`;
  const lines = [head, ...partsText(parts)];
  if (runtime.logLevel !== "info") lines.push(`at run time: the log level is ${runtime.logLevel}`);
  for (const { listener, route, fault } of runtime.faults) {
    const where = route === null ? listener : `${listener} ${route}`;
    lines.push(`at run time: a fault on ${where}: ${faultText(fault)}`);
  }
  return `${lines.join("\n")}\n`;
}
