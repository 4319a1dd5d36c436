import type { Snapshot } from "../api/snapshot.ts";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { ReadCapture } from "../operate/read_capture.ts";
import type { ReplayReport } from "../operate/replay.ts";
import type { Command } from "./command.ts";
import { outputOption } from "./command.ts";
import { formatTable, printData } from "./output.ts";

/** Rows of the table; `-o json` has all. */
const MAX_ROWS = 200;

export const replay: Command = {
  name: "replay",
  summary: "show what changed files would change for captured requests",
  arguments: [{ name: "file", about: "what outrigger capture wrote", required: true }],
  options: [
    {
      long: "against",
      value: "FILE|DIR",
      about: "the changed files, all that make up the set",
      many: true,
    },
    { long: "app", value: "NAME", about: "the App, where it has another name in the changed files" },
    outputOption("table"),
  ],
  examples: [
    {
      line: "outrigger replay api.jsonl --against v3.yaml",
      about: "other routes, verdicts, paths and headers, request by request; status 1 if any",
    },
  ],
  async run(world, input) {
    const [file = ""] = input.words;
    const against = input.list("against");
    if (against.length === 0) {
      throw new Failure("usage", "--against is missing", "add --against and the changed files");
    }
    const { readCapture } = await import("../operate/read_capture.ts");
    const captured = readCapture(world.files.readText(file), file);
    const snapshot = await snapshotOf(world, against, captured, input.text("app"));
    const { replay: replayAll } = await import("../operate/replay.ts");
    const report = await replayAll(captured, snapshot);
    const format = input.text("output") ?? "table";
    if (format === "table") world.stdio.stdout.write(textOf(report));
    else await printData(world, format, report);
    return report.changed === 0 ? 0 : 1;
  },
};

/** @throws Failure "usage" where the files have no sidecar of that name. */
async function snapshotOf(
  world: World,
  files: readonly string[],
  { head }: ReadCapture,
  app: string | null,
): Promise<Snapshot> {
  const { loadFiles, placeDocuments } = await import("../local/load_set.ts");
  const { placeOf } = await import("../local/place.ts");
  const documents = await loadFiles(world, files);
  const { snapshots } = placeDocuments(world, documents, placeOf(world, files));
  const names = (one: Snapshot): string => `${one.workload.namespace}/${one.workload.name}`;
  const wanted = app ?? `${head.workload.namespace}/${head.workload.name}`;
  const found = snapshots.filter((one) => names(one) === wanted || one.workload.name === wanted);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const known = `there are: ${snapshots.map(names).join(", ")}; --app NAME chooses one`;
  throw new Failure("usage", `the files have no sidecar of ${wanted}`, known);
}

function textOf(report: ReplayReport): string {
  const { changes, changed, same, excluded, lost, notes, requests } = report;
  const rows = changes.flatMap((one) => {
    const { count, listener, method, host, path } = one;
    const request = `${method} ${host}${path}`;
    return one.changes.map(({ what, before, after }, index) =>
      (index === 0 ? [String(count), listener, request] : ["", "", ""])
        .concat([what, before, after])
        .map(printable),
    );
  });
  const columns = ["count", "listener", "request", "what", "before", "after"];
  const table = rows.length === 0 ? "" : formatTable({ columns, rows: rows.slice(0, MAX_ROWS) });
  const more = rows.length - MAX_ROWS;
  const left = Object.entries(excluded);
  const notCompared = left.reduce((sum, [, count]) => sum + count, 0);
  const lines = [
    ...(more > 0 ? [`and ${more} rows more; -o json has all`] : []),
    `${requests} requests: ${changed} change, ${same} do not, ${notCompared} are not compared`,
    ...left.map(([reason, count]) => `  ${count} not compared: ${reason}`),
    ...(lost === 0 ? [] : [`  ${lost} more were lost when they were captured`]),
    ...notes.map((note) => `  ${note}`),
  ];
  return `${table}${lines.map(printable).join("\n")}\n`;
}

/** What callers sent must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}
