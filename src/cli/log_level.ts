import { LOG_LEVELS, type LogLevel } from "../api/log_level.ts";
import { Failure } from "../base/failure.ts";
import type { Command } from "./command.ts";
import { outputOption } from "./command.ts";
import { printData } from "./output.ts";
import { SIDECAR_OPTIONS, wantedPlaces } from "./sidecar_options.ts";

export const logLevel: Command = {
  name: "log-level",
  summary: "show or change what running sidecars log: error, info or debug",
  arguments: [
    { name: "app", about: "an App of what up runs, or a level for all of them" },
    { name: "level", about: "from now on, until the sidecar ends", choices: [...LOG_LEVELS] },
  ],
  options: [...SIDECAR_OPTIONS, outputOption("table")],
  examples: [
    { line: "outrigger log-level", about: "of each sidecar" },
    { line: "outrigger log-level frontend debug", about: "each request and try from now on" },
    { line: "outrigger log-level info", about: "all as their files have it again" },
  ],
  async run(world, input) {
    const [first = null, second = null] = input.words;
    const isLevel = second === null && LOG_LEVELS.some((one) => one === first);
    const level = isLevel ? first : second;
    const app = isLevel ? null : first;
    if (level !== null && !LOG_LEVELS.some((one) => one === level)) {
      throw new Failure("usage", `"${level}" is no level`, `levels are: ${LOG_LEVELS.join(", ")}`);
    }
    const places = await wantedPlaces(world, input, app);
    const { askAdmin } = await import("../local/sidecars.ts");
    const levels = await Promise.all(
      places.map(async (place) => {
        const more = level === null ? {} : { method: "PUT", body: { level } };
        const said = await askAdmin<{ level: LogLevel }>(world, place, "/log-level", more);
        return { app: place.workload, level: said.level };
      }),
    );
    await printData(world, input.text("output") ?? "table", levels, () => ({
      columns: ["app", "level"],
      rows: levels.map((one) => [one.app, one.level]),
    }));
    return 0;
  },
};
