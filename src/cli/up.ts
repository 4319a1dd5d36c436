import type { Command } from "./command.ts";
import { durationOption, FILE_OPTION, FILES_ARGUMENT, outputOption } from "./command.ts";
import { failureOf } from "./errors.ts";
import { printData } from "./output.ts";

const DEFAULT_WAIT = "60s";

export const up: Command = {
  name: "up",
  summary: "run the apps of these files on this machine, each with its sidecar",
  arguments: [FILES_ARGUMENT],
  options: [
    FILE_OPTION,
    { long: "detach", short: "d", about: "run in the background; return when everything is ready" },
    { long: "name", value: "NAME", about: "what to call this set; without it after its files" },
    {
      long: "wait",
      value: "TIME",
      about: "how long everything may take to be ready",
      default: DEFAULT_WAIT,
    },
    { ...outputOption("table"), about: "how --detach prints what runs" },
    { long: "background", about: "what --detach starts", hidden: true },
  ],
  examples: [
    { line: "outrigger up shop.yaml", about: "runs until Ctrl-C; a changed file is read again" },
    {
      line: "outrigger up --detach shop.yaml",
      about: "runs in the background until outrigger down",
    },
  ],
  async run(world, input) {
    const { runUp } = await import("../local/up.ts");
    const waitMs = durationOption(input, "wait") ?? 60_000;
    const options = { files: input.files(), name: input.text("name"), waitMs };
    if (input.flag("detach")) {
      const { runDetached } = await import("../local/detach.ts");
      const { statusOf } = await import("../local/status.ts");
      const { statusTable } = await import("./status.ts");
      const status = await statusOf(world, await runDetached(world, options));
      await printData(world, input.text("output") ?? "table", status, () => statusTable([status]));
      return 0;
    }
    if (!input.flag("background")) return runUp(world, { ...options, strict: false });
    try {
      return await runUp(world, { ...options, strict: true });
    } catch (error) {
      const { writeFailure } = await import("../local/detach.ts");
      writeFailure(world, options, failureOf(error));
      throw error;
    }
  },
};
