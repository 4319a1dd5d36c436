import type { FaultPolicy } from "../api/fault.ts";
import { Failure } from "../base/failure.ts";
import type { FaultOf } from "../local/faults.ts";
import type { Command, Input } from "./command.ts";
import { parseSize } from "../schema/units.ts";
import { durationOption, outputOption } from "./command.ts";
import { printData, type Table } from "./output.ts";

export const fault: Command = {
  name: "fault",
  summary: "delay or refuse a part of the requests of a running app or call, to see who bears it",
  arguments: [
    {
      name: "target",
      about: "an App (what reaches it), APP:CALL or a call's name (what it calls); all without it",
    },
  ],
  options: [
    { long: "delay", value: "TIME", about: "hold each for this long, for example 10s" },
    { long: "max-delay", value: "TIME", about: "a random time from --delay to this instead" },
    { long: "abort", value: "STATUS", about: "answer with this status, from 400 to 599" },
    { long: "bandwidth", value: "SIZE", about: "bytes a second of each answer, for example 64Ki" },
    { long: "percent", value: "NUMBER", about: "only this part of the requests", default: "100" },
    { long: "header", value: "NAME: VALUE", about: "only requests with this header", many: true },
    { long: "route", value: "NAME", about: "only one route, for example /api/*" },
    { long: "for", value: "TIME", about: "end by itself after this time" },
    { long: "clear", about: "end what is in force" },
    { long: "name", value: "NAME", about: "the set's name, where several run" },
    outputOption("table"),
  ],
  examples: [
    {
      line: "outrigger fault api --delay 10s --percent 50 --for 1m",
      about: "every second request to api waits ten seconds, for a minute",
    },
    { line: "outrigger fault frontend:api --abort 503", about: "frontend's calls to api fail" },
    { line: "outrigger fault", about: "lists what is in force" },
    { line: "outrigger fault api --clear", about: "ends it" },
  ],
  async run(world, input) {
    const { findSet } = await import("../local/running_record.ts");
    const local = await import("../local/faults.ts");
    const policy = policyOf(input);
    const { record } = findSet(world, input.text("name"), []);
    const [word] = input.words;
    const route = input.text("route");
    if (word === undefined) {
      if (policy !== null) throw new Failure("usage", "no target was given", "name an App or a call");
      if (input.flag("clear")) {
        for (const one of await local.listFaults(world, record, null)) {
          const target = await local.findTarget(world, record, local.targetName(one));
          await local.clearFaults(world, target, one.route);
        }
      }
    }
    const target = word === undefined ? null : await local.findTarget(world, record, word);
    if (target !== null && input.flag("clear")) await local.clearFaults(world, target, route);
    if (target !== null && policy !== null) {
      await local.putFault(world, target, policy, { route, forMs: durationOption(input, "for") });
    }
    const faults = await local.listFaults(world, record, target);
    const format = input.text("output") ?? "table";
    if (format === "table" && faults.length === 0) world.stdio.stdout.write("no fault is in force\n");
    else await printData(world, format, faults, () => faultTable(faults, local.targetName));
    return 0;
  },
};

/** Null where none is asked for. @throws Failure "usage" for options that do not fit together. */
function policyOf(input: Input): FaultPolicy | null {
  const minMs = durationOption(input, "delay");
  const maxMs = durationOption(input, "max-delay");
  const status = input.number("abort", { min: 400, max: 599 });
  const ratio = (input.number("percent", { min: 0, max: 100 }) ?? 100) / 100;
  if (minMs === null && maxMs !== null) {
    throw new Failure("usage", "--max-delay without --delay", "add --delay: the shortest time");
  }
  const bytesPerSecond = bandwidthOf(input);
  if (minMs === null && status === null && bytesPerSecond === null) {
    if (input.text("for") === null && input.list("header").length === 0) return null;
    const text = "neither --delay nor --abort nor --bandwidth was given";
    throw new Failure("usage", text, "add one of them");
  }
  if (input.flag("clear")) {
    throw new Failure("usage", "--clear with a new fault", "a new fault takes the old one's place");
  }
  return {
    delay: minMs === null ? null : { minMs, maxMs: maxMs ?? minMs, ratio },
    abort: status === null ? null : { status, ratio },
    ...(bytesPerSecond === null ? {} : { bandwidth: { bytesPerSecond, ratio } }),
    headers: Object.fromEntries(input.list("header").map(headerOf)),
    maxHeld: 1000,
  };
}

function bandwidthOf(input: Input): number | null {
  const written = input.text("bandwidth");
  if (written === null) return null;
  const bytes = parseSize(written);
  if (bytes !== null && bytes >= 1) return bytes;
  throw new Failure("usage", `--bandwidth is "${written}"; a size was expected`, "write it as 64Ki");
}

function headerOf(written: string): [name: string, value: string] {
  const colon = written.indexOf(":");
  if (colon > 0) return [written.slice(0, colon).trim(), written.slice(colon + 1).trim()];
  throw new Failure("usage", `--header is "${written}"; NAME: VALUE was expected`);
}

function faultTable(faults: readonly FaultOf[], name: (fault: FaultOf) => string): Table {
  const rows = faults.map((one) => {
    const { delay, abort, bandwidth, headers } = one.fault;
    const wanted = Object.entries(headers).map(([header, value]) => `${header}: ${value}`);
    return [
      name(one),
      one.route ?? "all",
      delay === null ? "-" : `${delayText(delay.minMs, delay.maxMs)} ${percentText(delay.ratio)}`,
      abort === null ? "-" : `${abort.status} ${percentText(abort.ratio)}`,
      bandwidth === undefined
        ? "-"
        : `${bandwidth.bytesPerSecond} B/s ${percentText(bandwidth.ratio)}`,
      wanted.length === 0 ? "-" : wanted.join(", "),
      one.remainingMs === null ? "-" : `${Math.ceil(one.remainingMs / 1000)}s`,
    ];
  });
  return { columns: ["target", "route", "delay", "abort", "bandwidth", "only with", "ends in"], rows };
}

function delayText(minMs: number, maxMs: number): string {
  return minMs === maxMs ? `${minMs}ms` : `${minMs}-${maxMs}ms`;
}

function percentText(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(6))}%`;
}
