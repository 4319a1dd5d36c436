/** Debian's logrotate, in each mode, while lines are written: none lost, none doubled. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import * as fs from "node:fs";
import { gunzipSync } from "node:zlib";
import { Place } from "./kit/outrigger.ts";
import type { Started } from "./kit/outrigger.ts";
import { withPart } from "./kit/parts.ts";
import { untilTrue } from "./kit/poll.ts";
import { killLeft, stillRunning } from "./kit/processes.ts";

setDefaultTimeout(120_000);

const ROTATIONS = 3;
const places: Place[] = [];

afterAll(async () => {
  for (const place of places.splice(0)) await place.end();
  killLeft();
});

/** An app that writes lines as fast as it is asked to, and opens its log anew when it is told. */
class App {
  written = 0;
  readonly log: string;
  readonly #place: Place;
  #descriptor: number;
  #timer: ReturnType<typeof setInterval>;

  constructor(place: Place) {
    this.#place = place;
    fs.mkdirSync(place.path("logs"));
    this.log = place.path("logs/app.log");
    this.#descriptor = fs.openSync(this.log, "a");
    this.#timer = setInterval(() => this.#write(), 1);
  }

  #write(): void {
    const reopen = this.#place.path("reopen");
    if (fs.existsSync(reopen)) {
      fs.rmSync(reopen);
      fs.closeSync(this.#descriptor);
      this.#descriptor = fs.openSync(this.log, "a");
    }
    for (let n = 0; n < 5; n++, this.written++) {
      fs.writeSync(this.#descriptor, `${this.written} a line of the app\n`);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    fs.closeSync(this.#descriptor);
  }
}

interface Mode {
  readonly name: string;
  readonly directives: readonly string[];
  readonly include?: string;
}

const MODES: readonly Mode[] = [
  { name: "create", directives: ["create"] },
  { name: "create, compress", directives: ["create", "compress"] },
  { name: "create, compress, delaycompress", directives: ["create", "compress", "delaycompress"] },
  { name: "create, dateext", directives: ["create", "dateext", "dateformat -%Y%m%d-%s"] },
  { name: "copytruncate", directives: ["copytruncate"] },
  {
    name: "copytruncate, and a pattern that meets the copies too",
    directives: ["copytruncate"],
    include: "logs/app.log*",
  },
  { name: "copytruncate, compress", directives: ["copytruncate", "compress"] },
  {
    name: "copytruncate, dateext, compress, delaycompress",
    directives: ["copytruncate", "dateext", "dateformat -%Y%m%d-%s", "compress", "delaycompress"],
  },
];

await withPart("logrotate", (logrotate) => {
  for (const mode of MODES) {
    test(`${mode.name}: every line that is kept comes once`, async () => {
      const place = new Place();
      places.push(place);
      const app = new App(place);
      const { include = "logs/app.log" } = mode;
      const source = `{ file: { include: [${JSON.stringify(include)}], pollInterval: 100ms } }`;
      const file = place.write(
        "pipeline.yaml",
        [
          "apiVersion: outrigger.dev/v1alpha1",
          "kind: Pipeline",
          "metadata: { name: rotated }",
          `spec: { sources: { app: ${source} }, sinks: { out: { stdout: {} } } }`,
        ].join("\n"),
      );
      const pipeline = place.start("pipeline", file);
      await untilTrue("the first line", () => pipeline.output().includes("a line of the app"));
      for (let n = 0; n < ROTATIONS; n++) {
        await Bun.sleep(mode.name.includes("dateext") ? 1100 : 300);
        await rotate(place, logrotate, mode.directives);
      }
      await Bun.sleep(50);
      app.stop();
      const last = `${app.written - 1} a line of the app`;
      await untilTrue("the last line", () => pipeline.output().includes(last));
      // Nobody tells that nothing more comes: the books and the checkpoint are at rest.
      await settled(place, pipeline);
      pipeline.kill("SIGTERM");
      const { stdout, stderr } = await pipeline.ended;
      const read = numbers(stdout.replaceAll('{"message":"', "").replaceAll('"}', ""));
      const found = new Set<number>();
      const doubled = read.filter((one) => found.size === found.add(one).size);
      expect({ doubled, stderr: stderr.includes("bug") }).toEqual({ doubled: [], stderr: false });
      // Between its copy and its truncation logrotate itself loses lines (logrotate(8)).
      const kept = mode.directives.includes("copytruncate")
        ? numbers(keptText(place))
        : Array.from({ length: app.written }, (_, i) => i);
      expect(kept.filter((one) => !found.has(one))).toEqual([]);
      expect(kept.length).toBeGreaterThan(500);
    });
  }

  test("nothing that these tests started is left", async () => {
    for (const place of places.splice(0)) await place.end();
    expect(await stillRunning()).toEqual([]);
  });
});

async function rotate(place: Place, logrotate: string, directives: readonly string[]) {
  const config = place.write(
    "logrotate.conf",
    [
      `"${place.path("logs/app.log")}" {`,
      "  rotate 20",
      ...directives.map((one) => `  ${one}`),
      "  postrotate",
      `    touch ${place.path("reopen")}`,
      "  endscript",
      "}",
      "",
    ].join("\n"),
  );
  fs.chmodSync(config, 0o600);
  fs.chmodSync(place.path("logs"), 0o755);
  const command = [logrotate, "--force", "--state", place.path("logrotate.state"), config];
  const { status, stderr } = await place.startProgram(command).ended;
  if (status !== 0) throw new Error(`logrotate ended with ${status}: ${stderr}`);
}

async function settled(place: Place, pipeline: Started): Promise<void> {
  let before = "";
  await untilTrue("rest", async () => {
    await Bun.sleep(600);
    const now = `${pipeline.output().length} ${fs.readdirSync(place.path("logs")).join(" ")}`;
    const same = now === before;
    before = now;
    return same;
  });
}

/** What is in the log and all that logrotate made of it. */
function keptText(place: Place): string {
  return fs
    .readdirSync(place.path("logs"))
    .map((name) => {
      const bytes = fs.readFileSync(place.path(`logs/${name}`));
      return (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
    })
    .join("");
}

/** Of whole lines only: a copy may end within one. */
function numbers(text: string): number[] {
  return [...text.matchAll(/^(\d+) a line of the app$/gm)].map((match) => Number(match[1]));
}
