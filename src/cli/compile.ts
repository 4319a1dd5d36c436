import type { Snapshot } from "../api/snapshot.ts";
import { Failure } from "../base/failure.ts";
import type { Command } from "./command.ts";
import { FILE_OPTION, FILES_ARGUMENT, outputOption } from "./command.ts";
import { printData } from "./output.ts";

export const compileCommand: Command = {
  name: "compile",
  summary: "print the Snapshot of each sidecar, as this machine would run it",
  arguments: [FILES_ARGUMENT],
  options: [
    FILE_OPTION,
    { long: "app", value: "NAME", about: "only this app's: NAME or NAMESPACE/NAME" },
    outputOption("json", ["json", "yaml"]),
  ],
  examples: [
    {
      line: "outrigger compile shop.yaml --app frontend -o json > frontend.json",
      about: "what outrigger sidecar --snapshot and outrigger proxy --snapshot run",
    },
  ],
  async run(world, input) {
    const { loadInPlace } = await import("../local/place.ts");
    const { snapshots } = await loadInPlace(world, input.files());
    const app = input.text("app");
    const value = app === null ? snapshots : snapshotOf(snapshots, app);
    await printData(world, input.text("output") ?? "json", value);
    return 0;
  },
};

/** @throws Failure "usage" where it is none or several. */
export function snapshotOf(snapshots: readonly Snapshot[], app: string): Snapshot {
  const names = snapshots.map(({ workload }) => `${workload.namespace}/${workload.name}`);
  const own = snapshots.filter(
    ({ workload }, at) => names[at] === app || workload.name === app,
  );
  const [only] = own;
  if (only !== undefined && own.length === 1) return only;
  const none = own.length === 0;
  const what = none ? `no sidecar has the name ${app}` : `several apps are called ${app}`;
  throw new Failure("usage", what, `what there is: ${names.join(", ") || "no sidecar at all"}`);
}
