import type { HeaderPair, RequestRecord, TryRecord } from "../api/request_record.ts";
import type { Sighting } from "../api/sighting.ts";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { AdminPlace } from "../local/sidecars.ts";
import type { Command, Input } from "./command.ts";
import { durationOption, outputOption } from "./command.ts";
import { APP_ARGUMENT, SIDECAR_OPTIONS, wantedPlaces } from "./sidecar_options.ts";

/** Between two looks for malformed messages. */
const LOOK_MS = 500;
/** In a row. */
const MAX_SILENT_LOOKS = 10;

export const tap: Command = {
  name: "tap",
  summary: "show live requests of a running app: route, tries, outcome; never a body",
  arguments: [APP_ARGUMENT],
  options: [
    ...SIDECAR_OPTIONS,
    { long: "path", value: "PATTERN", about: "only these paths, for example /items/* or /u/{id}" },
    { long: "method", value: "METHOD", about: "only this method", many: true },
    { long: "status", value: "STATUS", about: "only 404, or a class such as 5xx", many: true },
    { long: "flag", value: "FLAG", about: "only with this flag, for example UO", many: true },
    { long: "header", value: "NAME=VALUE", about: "only with this header", many: true },
    { long: "route", value: "NAME", about: "only this route" },
    { long: "cluster", value: "NAME", about: "only what went to this cluster" },
    { long: "failed", about: "only what was refused or failed" },
    { long: "limit", value: "N", about: "end after so many requests" },
    { long: "duration", value: "TIME", about: "end after this time" },
    { long: "headers", about: "headers too: values of harmless ones, the others are redacted" },
    { long: "show-query", about: "queries too, which may hold secrets" },
    { long: "show-secrets", about: "with --headers: all values, tokens and cookies among them" },
    { long: "malformed", about: "malformed messages instead: which header, where, what was done" },
    outputOption("table"),
  ],
  examples: [
    { line: "outrigger tap frontend", about: "each request as it ends, until Ctrl-C" },
    { line: "outrigger tap --failed --limit 10", about: "the next ten that fail, of all apps" },
    { line: "outrigger tap api --path '/items/*' --status 5xx -o json", about: "as JSON lines" },
    { line: "outrigger tap --malformed", about: "what strict validation would refuse" },
  ],
  async run(world, input) {
    const places = await wantedPlaces(world, input, input.words[0] ?? null);
    const printer = new Printer(world, input.text("output") ?? "table", places.length > 1);
    const end = new AbortController();
    const stop = world.signals.on("SIGINT", () => end.abort());
    const durationMs = durationOption(input, "duration");
    const timer = durationMs === null ? null : world.clock.after(durationMs, () => end.abort());
    try {
      if (input.flag("malformed")) await followSightings(world, input, places, printer, end);
      else await followRequests(world, input, places, printer, end);
    } finally {
      stop();
      timer?.cancel();
    }
    return 0;
  },
};

async function followRequests(
  world: World,
  input: Input,
  places: readonly AdminPlace[],
  printer: Printer,
  end: AbortController,
): Promise<void> {
  const { followAdmin } = await import("../local/sidecars.ts");
  const limit = input.wholeNumber("limit", { min: 1, max: 1_000_000 });
  const path = `/tap?${queryOf(input)}`;
  const followed = places.map(async (place) => {
    await followAdmin(world, place, path, end.signal, (line) => {
      if (end.signal.aborted) return;
      if ("lost" in line) return printer.lost(place, line.lost);
      printer.request(place, line.value as RequestRecord);
      if (printer.printed === limit) end.abort();
    });
  });
  const ended = await Promise.allSettled(followed);
  const failed = ended.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  // Of several some may be gone; where none is left to be followed, that is the answer.
  if (failed.length === places.length && printer.printed === 0) throw failed[0];
  for (const one of failed) world.stdio.stderr.write(`${(one as Error).message}\n`);
}

/** @throws Failure "usage" */
function queryOf(input: Input): string {
  if (input.flag("show-secrets") && !input.flag("headers")) {
    throw new Failure("usage", "--show-secrets without --headers", "add --headers");
  }
  const show = input.flag("show-secrets") ? "all" : input.flag("headers") ? "safe" : "none";
  const wanted: readonly (readonly [string, string | null])[] = [
    ["path", input.text("path")],
    ["method", input.list("method").join(",")],
    ["status", input.list("status").join(",")],
    ["flag", input.list("flag").join(",")],
    ["header", input.list("header").join("\n")],
    ["route", input.text("route")],
    ["cluster", input.text("cluster")],
    ["failed", input.flag("failed") ? "true" : ""],
    ["show", show],
    ["query", input.flag("show-query") ? "true" : ""],
    ["limit", input.text("limit")],
  ];
  const given = wanted.filter((one): one is readonly [string, string] => (one[1] ?? "") !== "");
  return new URLSearchParams(given.map(([name, value]) => [name, value])).toString();
}

async function followSightings(
  world: World,
  input: Input,
  places: readonly AdminPlace[],
  printer: Printer,
  end: AbortController,
): Promise<void> {
  const { askAdmin } = await import("../local/sidecars.ts");
  const limit = input.wholeNumber("limit", { min: 1, max: 1_000_000 });
  const since = new Map<AdminPlace, number>();
  let silentLooks = MAX_SILENT_LOOKS;
  for (;;) {
    const asked = places.map((place) => {
      const path = `/sightings?since=${since.get(place) ?? 0}`;
      return askAdmin<{ sightings: Sighting[] }>(world, place, path);
    });
    const answers = await Promise.allSettled(asked);
    const silent = answers.find((one) => one.status === "rejected");
    silentLooks = silent === undefined ? 0 : silentLooks + 1;
    // One that answered before may just start anew.
    if (silent !== undefined && silentLooks > MAX_SILENT_LOOKS) throw silent.reason;
    for (const [index, answer] of answers.entries()) {
      const place = places[index]!;
      if (answer.status === "rejected") continue;
      for (const one of answer.value.sightings) {
        since.set(place, one.sequence);
        printer.sighting(place, one);
        if (printer.printed === limit) return;
      }
    }
    if (end.signal.aborted) return;
    await world.clock.sleep(LOOK_MS);
    if (end.signal.aborted) return;
  }
}

class Printer {
  printed = 0;
  readonly #world: World;
  readonly #format: string;
  readonly #many: boolean;

  constructor(world: World, format: string, many: boolean) {
    this.#world = world;
    this.#format = format;
    this.#many = many;
  }

  request(place: AdminPlace, record: RequestRecord): void {
    this.#print(place, { app: place.workload, ...record }, () => requestText(record));
  }

  sighting(place: AdminPlace, sighting: Sighting): void {
    this.#print(place, { app: place.workload, ...sighting }, () => sightingText(sighting));
  }

  lost({ workload }: AdminPlace, count: number): void {
    this.#world.stdio.stderr.write(`${workload}: ${count} more were not shown: too many at once\n`);
  }

  #print({ workload }: AdminPlace, value: Shown, text: () => string): void {
    this.printed += 1;
    const { stdout } = this.#world.stdio;
    if (this.#format === "json") stdout.write(`${JSON.stringify(value)}\n`);
    // A document each; JSON is YAML.
    else if (this.#format === "yaml") stdout.write(`---\n${yamlOf(value)}`);
    else stdout.write(`${this.#many ? `${workload}  ` : ""}${text()}\n`);
  }
}

type Shown = Readonly<Record<string, unknown>>;

function yamlOf(value: Shown): string {
  const lines = Object.entries(value).map(([name, one]) => `${name}: ${JSON.stringify(one)}`);
  return `${lines.join("\n")}\n`;
}

/** Two lines and more: what was asked and its outcome, how it went there, headers where shown. */
export function requestText(record: RequestRecord): string {
  const { method, path, query, status, host, route, cluster, requestId, traceId, reason } = record;
  const time = new Date(record.timeMs).toISOString().slice(11, 23);
  const outcome = status === 0 ? "no answer" : String(status);
  const flags = record.flags.length === 0 ? "" : ` ${record.flags.join(",")} (${reason})`;
  const detail = record.detail === "via_upstream" ? "" : ` ${record.detail}`;
  const asked = `${time} ${method} ${path}${query}`;
  const first = `${asked} ${outcome}${flags}${detail} ${ms(record.durationMs)}`;
  const way = [
    `host ${host === "" ? "-" : host}`,
    `route ${route ?? "-"} of ${record.listener}`,
    `cluster ${cluster ?? "-"}`,
    `upstream ${record.upstream ?? "-"}`,
    ...(requestId === null ? [] : [`id ${requestId}`]),
    ...(traceId === null ? [] : [`trace ${traceId}`]),
  ];
  const lines = [first, `    ${way.join(", ")}`];
  const { tries } = record;
  if (tries.length > 1) lines.push(...tries.map((one, at) => `    ${tryText(one, at)}`));
  if (record.headers !== undefined) {
    lines.push(...record.headers.request.map((pair) => `    > ${headerText(pair)}`));
    lines.push(...record.headers.response.map((pair) => `    < ${headerText(pair)}`));
  }
  return lines.map(printable).join("\n");
}

export function tryText(one: TryRecord, index: number): string {
  const { upstream, status, failure, durationMs } = one;
  const outcome = failure ?? (status === 0 ? "did not end" : String(status));
  return `try ${index + 1}: ${upstream ?? "no endpoint"} ${outcome} after ${ms(durationMs)}`;
}

function headerText([name, value]: HeaderPair): string {
  return `${name}: ${value}`;
}

function sightingText(sighting: Sighting): string {
  const { direction, where, header, reason, detail, action, count } = sighting;
  const { requestId, method, path } = sighting;
  const time = new Date(sighting.timeMs).toISOString().slice(11, 23);
  const what = header === "" ? direction : `${direction} header ${header}`;
  const times = count > 1 ? `, ${count} times` : "";
  const request = method === "" ? "" : `; of ${method} ${path}`;
  const id = requestId === null ? "" : `, id ${requestId}`;
  const done = `${reason}, ${action}${times}: ${detail}`;
  return printable(`${time} ${what} at ${where}: ${done}${request}${id}`);
}

export function ms(durationMs: number): string {
  return `${durationMs < 10 ? durationMs.toFixed(1) : Math.round(durationMs)} ms`;
}

/** What callers sent must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}
