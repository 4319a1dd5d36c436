/** A sidecar's program is exchanged while it serves: real processes on this machine. */
import { afterAll, afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Snapshot } from "../src/api/snapshot.ts";
import { snapshotOf, type SnapshotShape } from "../src/sim/snapshots.ts";
import { Place, ROOT, type Started } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort, isFree } from "./kit/ports.ts";
import { isAlive, killLeft, stillRunning } from "./kit/processes.ts";
import { RawClient } from "./kit/raw_client.ts";

setDefaultTimeout(120_000);

let place: Place;
let upstream: ReturnType<typeof startUpstream>;
/** Of the listener, and of the read-only address. */
let port: number;
let adminPort: number;

function startUpstream() {
  const held: (() => void)[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/held") await new Promise<void>((resolve) => held.push(resolve));
      return new Response("hello\n");
    },
  });
  return { server, held };
}

beforeEach(async () => {
  place = new Place();
  upstream = startUpstream();
  [port, adminPort] = [await freePort(), await freePort()];
});

afterEach(async () => {
  await place.end();
  await upstream.server.stop(true);
});

afterAll(killLeft);

function snapshot(shape: SnapshotShape = {}): Snapshot {
  const endpoints = [{ host: "127.0.0.1", port: upstream.server.port! }];
  const listener = { at: { host: "127.0.0.1", port } };
  const plain = snapshotOf({ drainMs: 20_000, ...shape, listener, cluster: { endpoints } });
  const admin = { readOnly: { host: "127.0.0.1", port: adminPort }, socket: place.path("a.sock") };
  return { ...plain, bindings: { ...plain.bindings, admin, stateFolder: place.path("state") } };
}

async function sidecar(
  more: readonly string[] = [],
  command: readonly string[] = place.program,
  shape: SnapshotShape = {},
  text = JSON.stringify(snapshot(shape)),
): Promise<Started> {
  const file = place.write("s.json", text);
  const started = place.startProgram([...command, "sidecar", "--snapshot", file, ...more]);
  await untilTrue("the sidecar is ready", async () => {
    return (await fetch(`http://127.0.0.1:${adminPort}/ready`)).status === 200;
  });
  return started;
}

interface Upgraded {
  readonly pid?: number;
  readonly problem?: string;
}

async function upgrade(): Promise<Upgraded> {
  const asked = { method: "POST", unix: place.path("a.sock") };
  return (await (await fetch("http://admin/upgrade", asked)).json()) as Upgraded;
}

const servingPid = (): number => Number(readFileSync(place.path("state/sidecar.pid"), "utf8"));

/** Callers that ask without a pause, each over one connection, or over a new one each time. */
class Load {
  answers = 0;
  connections = 0;
  readonly failures: string[] = [];
  #isOver = false;
  readonly #callers: Promise<void>[];

  constructor(callers: number) {
    this.#callers = Array.from({ length: callers }, (_, at) => this.#call(at % 2 === 0));
  }

  async #call(keepsAlive: boolean): Promise<void> {
    let client: RawClient | null = null;
    while (!this.#isOver) {
      try {
        if (client === null) this.connections++;
        client ??= await RawClient.connect(port);
        const { status, head } = await client.get("/");
        if (status === 200) this.answers++;
        else this.failures.push(`status ${status}`);
        if (keepsAlive && !/^connection: close/im.test(head)) continue;
      } catch (error) {
        this.failures.push((error as Error).message);
      }
      client?.close();
      client = null;
    }
    client?.close();
  }

  async grows(): Promise<void> {
    const wanted = this.answers + 500;
    await untilTrue("the load goes on", () => this.answers >= wanted || this.failures.length > 0);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#callers);
  }
}

for (const workers of [1, 2]) {
  test(`S3-35 new binaries take over under load, ${workers} workers: no request fails`, async () => {
    const first = await sidecar(["--workers", String(workers)]);
    const slow = await RawClient.connect(port);
    slow.send("GET /held HTTP/1.1\r\nhost: a\r\n\r\n");
    await untilTrue("a request is held", () => upstream.held.length === 1);
    const load = new Load(8);
    const pids = [first.pid];
    for (let round = 0; round < 4; round++) {
      await load.grows();
      pids.push((await upgrade()).pid!);
    }
    await load.grows();
    await load.end();
    expect(load.failures).toEqual([]);
    expect([new Set(pids).size, servingPid()]).toEqual([5, pids[4]!]);
    // The one that took the request in answers it, four generations later.
    upstream.held[0]!();
    const { status, head } = await slow.answer();
    expect([status, /^connection: close/im.test(head)]).toEqual([200, true]);
    // Those in between end with their requests; the first stays, for a supervisor knows it.
    for (const pid of pids.slice(1, 4)) await untilTrue(`${pid} ends`, () => !isAlive(pid));
    expect([isAlive(pids[0]!), isAlive(pids[4]!)]).toEqual([true, true]);
    first.kill("SIGTERM");
    expect((await first.ended).status).toBe(0);
    expect(isAlive(pids[4]!)).toBe(false);
    expect(await stillRunning()).toEqual([]);
  });
}

/** The program in a file of its own, so that another version can take its place. */
function program(): { readonly command: readonly string[]; become(text: string): void } {
  const main = JSON.stringify(join(ROOT, "src", "main.ts"));
  const good = `import ${main};\n`;
  const file = place.write("main.ts", good);
  return {
    command: [process.execPath, file],
    become: (text) => void place.write("main.ts", `${text}\n${good}`),
  };
}

test("a new binary that cannot start, or not with this Snapshot, changes nothing and says why", async () => {
  const { command, become } = program();
  const first = await sidecar([], command);
  const load = new Load(4);
  become("process.exit(3);");
  expect((await upgrade()).problem).toEndWith(
    "the upgrade failed, the old process goes on: the new process ended with status 3",
  );
  // It comes as far as the admin socket, and no further.
  become(
    'import { HttpServer } from "' + join(ROOT, "src", "http", "server.ts") + '";\n' +
      'HttpServer.prototype.start = () => { throw new Error("no way"); };',
  );
  expect((await upgrade()).problem).toEndWith("the old process goes on: no way");
  place.write("main.ts", "this is no program");
  process.kill(first.pid, "SIGUSR2");
  await untilTrue("the log has it", () => /upgrade failed.*status 1$/m.test(first.output()));
  await load.grows();
  await load.end();
  expect([load.failures, servingPid()]).toEqual([[], first.pid]);
  become("");
  const { pid } = await upgrade();
  expect([pid === first.pid, servingPid()]).toEqual([false, pid!]);
  first.kill("SIGTERM");
  expect((await first.ended).status).toBe(0);
});

test("an upgrade may lower the number of workers; one alone does not share its port", async () => {
  const workers = (count: number): string => {
    const plain = snapshot({ version: `of-${count}` });
    return JSON.stringify({ ...plain, bindings: { ...plain.bindings, workers: count } });
  };
  const change = async (body: string): Promise<Upgraded> => {
    await fetch("http://admin/snapshot", { method: "PUT", body, unix: place.path("a.sock") });
    return upgrade();
  };
  for (const [counts, isPossible] of [
    [[2, 1], true],
    [[1, 2], false],
  ] as const) {
    const first = await sidecar([], place.program, {}, workers(counts[0]));
    const load = new Load(8);
    await load.grows();
    const { pid, problem = "" } = await change(workers(counts[1]));
    expect([pid !== undefined, /the old process goes on: .* is in use/.test(problem)]).toEqual([
      isPossible,
      !isPossible,
    ]);
    await load.grows();
    await load.end();
    expect(load.failures).toEqual([]);
    first.kill("SIGTERM");
    expect((await first.ended).status).toBe(0);
  }
});

test("the first process ends as the one that serves, and none outlives the first", async () => {
  const first = await sidecar();
  const second = (await upgrade()).pid!;
  // By the signal of the one that a supervisor knows, through to the one that serves.
  process.kill(first.pid, "SIGUSR2");
  const third = await until("another serves", () => (servingPid() === second ? null : servingPid()));
  await untilTrue("the second ends", () => !isAlive(second));
  process.kill(third, "SIGKILL");
  expect((await first.ended).status).toBe(137);
  const again = await sidecar();
  const next = (await upgrade()).pid!;
  again.kill("SIGKILL");
  await untilTrue("its successor ends too", () => !isAlive(next));
  expect(await isFree(port)).toBe(true);
});

for (const workers of [1, 2]) {
  test(`SIGTERM, ${workers} workers: answers in flight come with connection: close`, async () => {
    const running = await sidecar(["--workers", String(workers)]);
    const [held, idle] = [await RawClient.connect(port), await RawClient.connect(port)];
    held.send("GET /held HTTP/1.1\r\nhost: a\r\n\r\n");
    expect((await idle.get("/")).status).toBe(200);
    await untilTrue("a request is held", () => upstream.held.length === 1);
    running.kill("SIGTERM");
    await untilTrue("nobody else is let in", () => isFree(port));
    const ready = await fetch(`http://127.0.0.1:${adminPort}/ready`);
    await untilTrue("an idle connection is closed", () => idle.closed);
    upstream.held[0]!();
    const { status, head } = await held.answer();
    expect([ready.status, status, /^connection: close/im.test(head)]).toEqual([503, 200, true]);
    expect((await running.ended).status).toBe(0);
  });
}

test("SIGTERM waits for answers no longer than the drain may take", async () => {
  const running = await sidecar([], place.program, { drainMs: 300 });
  const held = await RawClient.connect(port);
  held.send("GET /held HTTP/1.1\r\nhost: a\r\n\r\n");
  await untilTrue("a request is held", () => upstream.held.length === 1);
  running.kill("SIGTERM");
  expect((await running.ended).status).toBe(0);
  await untilTrue("its caller is told", () => held.closed);
});
