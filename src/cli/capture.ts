import { CAPTURED_HEADERS, MAX_CAPTURE_BYTES, MAX_CAPTURE_MS } from "../api/capture_order.ts";
import { Failure } from "../base/failure.ts";
import { FileError, type OpenFile, type World } from "../base/world.ts";
import type { JsonLine } from "../http/json_lines.ts";
import type { AdminPlace } from "../local/sidecars.ts";
import { parsePercent, parseSize } from "../schema/units.ts";
import type { Command, Input } from "./command.ts";
import { durationOption } from "./command.ts";
import { SIDECAR_OPTIONS, wantedPlaces } from "./sidecar_options.ts";

export const capture: Command = {
  name: "capture",
  summary: "store sampled requests of a running app, to replay them through changed files",
  arguments: [
    { name: "app", about: "an App of what up runs, NAME or NAMESPACE/NAME; the only one without it" },
  ],
  options: [
    ...SIDECAR_OPTIONS,
    { long: "to", value: "FILE", about: "a new file, which only you can read" },
    { long: "ratio", value: "PERCENT", about: "this part of the requests, by chance", default: "10%" },
    { long: "duration", value: "TIME", about: "end after this time, at most 1h", default: "1m" },
    { long: "max-size", value: "SIZE", about: "end when the file is so long", default: "16Mi" },
    { long: "path", value: "PATTERN", about: "only these paths, for example /items/* or /u/{id}" },
    { long: "method", value: "METHOD", about: "only this method", many: true },
    {
      long: "header",
      value: "NAME",
      about: "store this header too, beside those that are harmless and often decide",
      many: true,
    },
    { long: "query", value: "NAME", about: "store this parameter of queries; '*' is all", many: true },
  ],
  examples: [
    {
      line: "outrigger capture api --to api.jsonl --duration 10m",
      about: "a tenth of what the sidecar of api sees in ten minutes; no body, no query, no cookie",
    },
    {
      line: "outrigger capture api --to api.jsonl --ratio 100% --header x-tenant --query page",
      about: "every request, with a header and a parameter that routes look at",
    },
  ],
  async run(world, input) {
    const file = input.required("to");
    const order = orderOf(input);
    const place = onlyOne(await wantedPlaces(world, input, input.words[0] ?? null));
    if (world.files.stat(file) !== null) {
      throw new Failure("usage", `${file} is there already`, "name a new file, or remove it");
    }
    const { followAdmin } = await import("../local/sidecars.ts");
    const end = new AbortController();
    const stop = world.signals.on("SIGINT", () => end.abort());
    const store = new Store(world, file, order.maxBytes, () => end.abort());
    try {
      const asked = { method: "POST", body: order };
      await followAdmin(world, place, "/capture", end.signal, (line) => store.add(line), asked);
    } finally {
      stop();
      store.close();
    }
    if (store.problem !== null) throw store.problem;
    world.stdio.stdout.write(store.summary(place));
    return 0;
  },
};

/** @throws Failure "usage" */
function orderOf(input: Input) {
  const ratio = parsePercent(input.text("ratio") ?? "");
  if (ratio === null || ratio <= 0 || ratio > 1) {
    const text = `--ratio is "${input.text("ratio")}"; a percentage above 0% was expected`;
    throw new Failure("usage", text, "write it as 10%");
  }
  const maxBytes = parseSize(input.text("max-size") ?? "");
  if (maxBytes === null || maxBytes < 1 || maxBytes > MAX_CAPTURE_BYTES) {
    const text = `--max-size is "${input.text("max-size")}"; a size up to 1Gi was expected`;
    throw new Failure("usage", text, "write it as 16Mi");
  }
  const durationMs = durationOption(input, "duration") ?? 0;
  if (durationMs < 1 || durationMs > MAX_CAPTURE_MS) {
    throw new Failure("usage", `--duration is "${input.text("duration")}"; at most 1h was expected`);
  }
  const path = input.text("path");
  return {
    ...{ ratio, maxBytes, durationMs, methods: input.list("method"), query: input.list("query") },
    headers: [...CAPTURED_HEADERS, ...input.list("header")],
    ...(path === null ? {} : { path }),
  };
}

function onlyOne(places: readonly AdminPlace[]): AdminPlace {
  const [only] = places;
  if (only !== undefined && places.length === 1) return only;
  const known = places.map(({ workload }) => workload).join(", ");
  throw new Failure("usage", "several Apps run, and a capture is of one", `name one of: ${known}`);
}

/** The file: made with the first line, so that a capture that is refused leaves none. */
class Store {
  readonly #world: World;
  readonly #path: string;
  readonly #full: () => void;
  #file: OpenFile | null = null;
  #leftBytes: number;
  #requests = 0;
  #lost = 0;
  /** Why it could not be written. */
  problem: FileError | null = null;

  constructor(world: World, path: string, maxBytes: number, full: () => void) {
    this.#world = world;
    this.#path = path;
    this.#leftBytes = maxBytes;
    this.#full = full;
  }

  add(line: JsonLine): void {
    const value = "lost" in line ? { lost: line.lost } : line.value;
    const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
    this.#leftBytes -= bytes.length;
    if (this.#leftBytes < 0 || this.problem !== null) return this.#full();
    try {
      // Not one that is there by now, nor through a link that somebody put there.
      this.#file ??= this.#world.files.open(this.#path, "create", { mode: 0o600 });
      this.#file.write(bytes);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.problem = error;
      return this.#full();
    }
    if ("lost" in line) this.#lost += line.lost;
    else if (typeof value === "object" && value !== null && "request" in value) this.#requests++;
  }

  close(): void {
    this.#file?.close();
  }

  summary({ workload }: AdminPlace): string {
    const lost = this.#lost === 0 ? "" : `, ${this.#lost} more were too many or too long`;
    const next = `outrigger replay ${this.#path} --against FILE`;
    return `${this.#requests} requests of ${workload} in ${this.#path}${lost}\n${next}\n`;
  }
}
