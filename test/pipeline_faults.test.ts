/** Real processes, killed at random moments and on disks that are full: nothing lost, all explained. */
import { afterAll, afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { Xoshiro128 } from "../src/base/xoshiro.ts";
import { imbalance, sinkImbalance } from "../src/pipeline/ledger.ts";
import type { Ledger } from "../src/pipeline/ledger.ts";
import { Place } from "./kit/outrigger.ts";
import type { Started } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { killLeft } from "./kit/processes.ts";

setDefaultTimeout(120_000);

const RUNS = 20;
/** Another one each time; SEED=n replays the moments, as far as a real machine repeats itself. */
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

let place: Place;

beforeEach(() => {
  place = new Place();
  mkdirSync(place.path("logs"));
});

afterEach(() => place.end());

afterAll(killLeft);

/** A receiver that can be out of order; it keeps the numbers of the events that it took. */
class Hook {
  readonly numbers = new Set<number>();
  isDown = false;
  readonly #server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const events = (await request.json()) as { n: number }[];
      if (this.isDown) return new Response("not now", { status: 503 });
      for (const { n } of events) this.numbers.add(n);
      return new Response("");
    },
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}/in`;
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }
}

function lines(from: number, to: number): string {
  let text = "";
  for (let n = from; n < to; n += 1) text += `{"n":${n},"text":"${"x".repeat(60)}"}\n`;
  return text;
}

/** Every number but each tenth, which a step drops. */
function expected(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n).filter((n) => n % 10 !== 0);
}

function pipeline(hook: Hook, buffer = ", buffer: { disk: 100MiB }"): string {
  const backoff = "backoff: { base: 20ms, max: 100ms }, batch: { maxAge: 20ms }";
  return place.write(
    "pipeline.yaml",
    [
      "apiVersion: outrigger.dev/v1alpha1",
      "kind: Pipeline",
      "metadata: { name: faults }",
      "spec:",
      '  sources: { app: { file: { include: ["logs/app.log*"], pollInterval: 100ms } } }',
      "  steps:",
      "    - { parse: { json: {} }, onError: deadLetter }",
      "    - { filter: 'event.n % 10 != 0' }",
      "  sinks:",
      `    disk: { http: { url: "${hook.url}", ${backoff} }${buffer} }`,
      '    kept: { file: { path: "logs/kept.jsonl", rotate: { maxBytes: 64KiB, keep: 1000 } } }',
      "",
    ].join("\n"),
  );
}

const socket = (): string => place.path("admin.sock");

async function ledger(): Promise<Ledger> {
  const answer = await fetch("http://pipeline/stats", { unix: socket() });
  const [own] = Object.values((await answer.json()) as Record<string, Ledger>);
  return own!;
}

/** Every event is in exactly one place, whenever somebody asks. */
function expectExplained({ sources, sinks }: Ledger): void {
  for (const line of Object.values(sources)) {
    expect(imbalance(line)).toBe(0);
    expect(Object.keys(line.dropped).filter((reason) => reason !== "filtered")).toEqual([]);
  }
  for (const line of Object.values(sinks)) expect([sinkImbalance(line), line.dropped]).toEqual([0, 0]);
}

/** What the file sink has, in all its files. */
function keptNumbers(): Set<number> {
  return new Set(keptInOrder());
}

function keptInOrder(): number[] {
  const files = [...new Bun.Glob("logs/kept.jsonl*").scanSync({ cwd: place.folder })];
  const written = files.flatMap((file) => readFileSync(place.path(file), "utf8").split("\n"));
  return written.filter((line) => line !== "").map((line) => (JSON.parse(line) as { n: number }).n);
}

async function settled(hook: Hook, count: number): Promise<void> {
  const all = expected(count);
  const isThere = (): boolean => hook.numbers.size >= all.length && keptNumbers().size >= all.length;
  await untilTrue(`all events of seed ${SEED}`, isThere).catch(() => {});
  const missing = (found: Set<number>): number[] => all.filter((n) => !found.has(n)).slice(0, 10);
  expect({ seed: SEED, hook: missing(hook.numbers), file: missing(keptNumbers()) }).toEqual({
    seed: SEED,
    hook: [],
    file: [],
  });
  expect([hook.numbers.size, keptNumbers().size]).toEqual([all.length, all.length]);
  const books = await until("books at rest", async () => {
    const now = await ledger();
    return Object.values(now.sinks).every(({ buffered }) => buffered === 0) ? now : null;
  });
  expectExplained(books);
}

test("20 runs with kill -9 at a random moment: zero events lost, zero unexplained", async () => {
  console.log(`seed ${SEED}`);
  const random = Xoshiro128.fromSeed(SEED);
  const hook = new Hook();
  const file = pipeline(hook);
  let written = 0;
  const write = (): void => {
    const to = written + 50 + Math.floor(random.next() * 400);
    appendFileSync(place.path("logs/app.log"), lines(written, to));
    written = to;
  };
  const start = async (): Promise<Started> => {
    const started = place.start("pipeline", file, "--admin-socket", socket());
    await until("the pipeline answers", async () => {
      const now = await ledger();
      expectExplained(now);
      return now;
    });
    return started;
  };
  try {
    for (let run = 0; run < RUNS; run += 1) {
      write();
      hook.isDown = random.next() < 0.3;
      const running = await start();
      const moments = 1 + Math.floor(random.next() * 4);
      for (let moment = 0; moment < moments; moment += 1) {
        write();
        if (random.next() < 0.15) {
          const old = place.path(`logs/app.log.${run}${moment}`);
          renameSync(place.path("logs/app.log"), old);
        }
        await Bun.sleep(random.next() * 100);
      }
      running.kill("SIGKILL");
      await running.ended;
    }
    hook.isDown = false;
    write();
    await start();
    await settled(hook, written);
  } finally {
    await hook.stop();
  }
});

test("one slow sink never stops another, by default; killed, it has all when it is back", async () => {
  const hook = new Hook();
  hook.isDown = true;
  const file = pipeline(hook, "");
  const count = 30_000;
  const wanted = expected(count).length;
  const text = lines(0, count);
  writeFileSync(place.path("logs/app.log"), text);
  const checkpoint = place.path(".outrigger/pipelines/default.faults/app.checkpoint.json");
  try {
    const running = place.start("pipeline", file, "--admin-socket", socket());
    // More than memory holds for a sink: it would have stopped at 20,000 events.
    await untilTrue("the other sink has all", () => keptNumbers().size === wanted, 30_000);
    const metrics = async (): Promise<string> => {
      return (await fetch("http://pipeline/metrics", { unix: socket() })).text();
    };
    await untilTrue("all is on disk", async () => {
      return (await metrics()).includes(`counter="overflowed_events"} ${wanted}`);
    });
    expectExplained(await ledger());
    expect((await ledger()).sinks["disk"]!.buffered).toBe(wanted);
    // What is acknowledged does not come again, at neither sink.
    await untilTrue("all is acknowledged", () => {
      const { files } = JSON.parse(readFileSync(checkpoint, "utf8")) as { files: { offset: number }[] };
      return files[0]?.offset === text.length;
    });
    running.kill("SIGKILL");
    await running.ended;
    hook.isDown = false;
    place.start("pipeline", file, "--admin-socket", socket());
    await settled(hook, count);
    expect(keptInOrder().length).toBe(wanted);
  } finally {
    await hook.stop();
  }
});

const canMount =
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).exitCode === 0;
if (!canMount) console.log("skipped: no tmpfs of its own here, so no full disk");

/** So much is written while the disk has less than that. */
const LINES_A_DISK = 6000;

test.skipIf(!canMount)(
  "20 runs on a full disk: zero events lost, zero unexplained",
  async () => {
    console.log(`seed ${SEED}`);
    const random = Xoshiro128.fromSeed(SEED);
    let full = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const hook = new Hook();
      const state = place.path("state-on-tmpfs");
      mkdirSync(state, { recursive: true });
      writeFileSync(place.path("logs/app.log"), lines(0, LINES_A_DISK));
      for (const name of new Bun.Glob("logs/kept.jsonl*").scanSync({ cwd: place.folder })) {
        Bun.spawnSync(["rm", place.path(name)]);
      }
      const freeKib = 16 + Math.floor(random.next() * 240);
      const room = place.path(`room-${run}`);
      const script = [
        'mount -t tmpfs -o size=1024k none "$0"',
        // What fills it goes when there is to be room again.
        `head -c ${(1024 - freeKib) * 1024} /dev/zero > "$0/filler" || true`,
        `(while [ ! -e ${room} ]; do sleep 0.02; done; rm "$0/filler") &`,
        'exec "$@"',
      ].join("\n");
      const words = [...place.program, "pipeline", pipeline(hook), "--state", state];
      hook.isDown = true;
      const running = place.startProgram([
        ...["unshare", "-rm", "sh", "-c", script, state, ...words],
        ...["--admin-socket", socket()],
      ]);
      try {
        await untilTrue("the pipeline reads", async () => {
          const now = await ledger();
          expectExplained(now);
          return now.sources["app"]!.received > 0;
        });
        const isFull = (): boolean => running.output().includes("the disk is full");
        await untilTrue("a full disk", isFull, 3000).catch(() => {});
        if (isFull()) full += 1;
        expectExplained(await ledger());
        // The sink first, the room first, or both at once.
        const first = random.next();
        if (first < 0.6) hook.isDown = false;
        await Bun.sleep(random.next() * 100);
        expectExplained(await ledger());
        writeFileSync(room, "");
        if (first >= 0.6) await Bun.sleep(random.next() * 100);
        hook.isDown = false;
        await settled(hook, LINES_A_DISK);
      } catch (error) {
        throw new Error(`seed ${SEED}, run ${run}: ${running.output().slice(-2000)}`, { cause: error });
      } finally {
        running.kill("SIGKILL");
        await running.ended;
        await hook.stop();
      }
    }
    // Where no disk was full nothing was shown.
    expect(full).toBeGreaterThan(RUNS / 2);
  },
);
