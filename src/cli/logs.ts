import { coloursFor } from "../base/colour.ts";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { LogLine } from "../local/read_logs.ts";
import type { RunningRecord } from "../local/running_record.ts";
import type { Command } from "./command.ts";

export const logs: Command = {
  name: "logs",
  summary: "print what the apps and sidecars of up wrote",
  arguments: [{ name: "app", about: "only of this app and its sidecar: NAME or NAMESPACE/NAME" }],
  options: [
    { long: "follow", short: "F", about: "go on with what comes, until Ctrl-C" },
    { long: "lines", short: "n", value: "N", about: "how many of the last lines", default: "200" },
    { long: "name", value: "NAME", about: "the set's name; the only one without it" },
    {
      long: "output",
      short: "o",
      value: "FORMAT",
      about: "how to print: text, or a JSON object a line",
      choices: ["text", "json"],
      default: "text",
    },
  ],
  examples: [
    { line: "outrigger logs api", about: "the last lines of the app api and of its sidecar" },
    { line: "outrigger logs -F", about: "everything, as it comes" },
  ],
  async run(world, input) {
    const { findSet } = await import("../local/running_record.ts");
    const { followLogs, lastLines } = await import("../local/read_logs.ts");
    const { state, record } = findSet(world, input.text("name"), []);
    const files = chosen(record, input.words[0] ?? null).map(({ label, id }) => ({
      label,
      path: state.log(id),
    }));
    const print = printer(world, files.map(({ label }) => label), input.text("output") === "json");
    const most = input.number("lines", { min: 0, max: 1_000_000 }) ?? 200;
    if (most > 0) for (const line of lastLines(world, files, most)) print(line);
    if (!input.flag("follow")) return 0;
    return new Promise((resolve) => {
      const stop = followLogs(world, files, print);
      const end = () => {
        stop();
        resolve(0);
      };
      world.signals.on("SIGINT", end);
      world.signals.on("SIGTERM", end);
    });
  },
};

function chosen(record: RunningRecord, app: string | null) {
  const all = [{ id: "outrigger", label: "outrigger", workload: "" }, ...record.processes];
  if (app === null) return all;
  const own = all.filter(({ id, label, workload }) => {
    return workload === app || workload.endsWith(`/${app}`) || label === app || id === app;
  });
  if (own.length > 0) return own;
  const known = [...new Set(record.processes.map(({ workload }) => workload))].join(", ");
  throw new Failure("usage", `no app ${app} runs in ${record.name}`, `what runs: ${known}`);
}

function printer(
  world: World,
  labels: readonly string[],
  json: boolean,
): (line: LogLine) => void {
  const colours = coloursFor(world, world.stdio.stdout);
  const width = Math.max(...labels.map((label) => label.length));
  return (line) => {
    const index = labels.indexOf(line.label);
    const text = json
      ? JSON.stringify(line)
      : `${colours.nth(index, `${line.label.padEnd(width)} |`)} ${line.text}`;
    world.stdio.stdout.write(`${text}\n`);
  };
}
