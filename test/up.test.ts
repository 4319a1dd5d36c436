/** `outrigger up` on real processes: what it keeps running, what it loses, what it leaves. */
import { afterAll, afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { tinyApp } from "./kit/apps.ts";
import { BulkSink } from "./kit/bulk_sink.ts";
import { Place, type Started } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort, isFree } from "./kit/ports.ts";
import { carriers, isAlive, killLeft, stillRunning } from "./kit/processes.ts";
import { RawClient } from "./kit/raw_client.ts";

setDefaultTimeout(60_000);

let place: Place;

beforeEach(() => {
  place = new Place();
});

afterEach(() => place.end());

afterAll(killLeft);

/** What a set's processes carry in their environment. */
function setProcesses() {
  if (!existsSync(place.home)) return [];
  return readdirSync(place.home).flatMap((name) =>
    carriers("OUTRIGGER_SET", join(place.home, name)),
  );
}

async function text(url: string): Promise<string> {
  const answer = await fetch(url);
  return `${answer.status} ${(await answer.text()).trim()}`;
}

async function startUp(...files: string[]): Promise<Started> {
  const up = place.start("up", ...files);
  const ready = async () => {
    if (!isAlive(up.pid)) throw new Error(`up ended: ${up.output()}`);
    return up.output().includes("answers on http");
  };
  await untilTrue("up is ready", ready, 30_000);
  return up;
}

function count(output: string, words: string): number {
  return output.split(words).length - 1;
}

const RELOADS = 50;

/** The file of a front and its API, before reload `n` and after it: each differs from the last. */
function changing(n: number, ports: readonly [number, number, number, number]): string {
  const [front, frontOwn, api, apiOwn] = ports;
  const attempts = `      retry: { attempts: ${1 + (n % 4)}, on: [connect-failure] }`;
  const retry = n % 3 === 0 ? [] : [attempts];
  const breaker = n % 4 === 1 ? ["      breaker: { errorRate: 50%, window: 10s }"] : [];
  const timed = `routes: [{ path: "/call/*", timeout: ${5 + n}s }, { path: "/*" }]`;
  const routes = n % 5 === 2 ? [timed] : [];
  // An edit that changes nothing but where lines stand, and one that does not even do that.
  const above = n % 2 === 0 ? "" : `# edit ${n}\n\n`;
  const calls = ["calls:", "    api:", `      timeout: ${5 + (n % 7)}s`, ...retry, ...breaker];
  const apps = [
    tinyApp({
      ...{ name: "front", port: front, own: frontOwn, calls: "api" },
      more: [...calls, ...routes],
    }),
    tinyApp({ name: "api", port: api, own: apiOwn }),
  ];
  return `${above}${apps.join("---\n")}# edit ${n}\n`;
}

/** Sends requests one after the other over a connection of its own until it is told to stop. */
async function visit(port: number, path: string, until: { stop: boolean }) {
  const client = await RawClient.connect(port);
  const seen = { good: 0, bad: [] as string[] };
  try {
    while (!until.stop) {
      const { status, body } = await client.get(path);
      if (status === 200) seen.good += 1;
      else seen.bad.push(`${status} ${body}`);
    }
  } catch (error) {
    seen.bad.push((error as Error).message);
  } finally {
    client.close();
  }
  return seen;
}

test("50 reloads under load: no request fails, no connection or process ends", async () => {
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
  const file = place.write("pair.yaml", changing(0, ports));
  const up = await startUp(file);
  const before = (await place.status()).processes;
  const visits = { stop: false };
  const visitors = ["/call/items", "/call/items", "/", "/call/more"].map((path) =>
    visit(ports[0], path, visits),
  );
  for (let n = 1; n <= RELOADS; n += 1) {
    writeFileSync(file, changing(n, ports));
    await untilTrue(`reload ${n}`, () => count(up.output(), "the files changed") >= n);
  }
  // The last one says so once it is done.
  await untilTrue("a policy of the last change", async () => {
    const explained = await place.outrigger("compile", file, "--app", "front", "-o", "json");
    const { policyHash } = JSON.parse(explained.stdout) as { policyHash: string };
    return up.output().includes(`test/front: policy in force: ${policyHash}`);
  });
  visits.stop = true;
  const seen = await Promise.all(visitors);
  expect(seen.flatMap(({ bad }) => bad)).toEqual([]);
  for (const { good } of seen) expect(good).toBeGreaterThan(RELOADS);
  expect(up.output()).not.toContain("refused");
  expect(count(up.output(), "test/front: policy in force")).toBeGreaterThan(RELOADS / 2);
  const after = (await place.status()).processes;
  const identity = ({ id, pid, restarts }: (typeof after)[number]) => ({ id, pid, restarts });
  expect(after.map(identity)).toEqual(before.map(identity));
});

test("a file that is wrong is said, and everything goes on as before", async () => {
  const [port, own] = [await freePort(), await freePort()];
  const good = tinyApp({ name: "one", port, own });
  const file = place.write("one.yaml", good);
  const up = await startUp(file);
  writeFileSync(file, good.replace("spec:", "spec:\n  prot: 80"));
  await untilTrue("the error", () => up.output().includes("everything goes on as before"));
  expect(up.output()).toContain('one.yaml:5:3: "prot" is not a field');
  expect(up.output()).toContain('did you mean "port"?');
  expect(await text(`http://127.0.0.1:${port}/`)).toBe("200 one");
});

test("kill -9 of a sidecar: it is back at once, counted, and the app never stopped", async () => {
  const [port, own] = [await freePort(), await freePort()];
  const up = await startUp(place.write("one.yaml", tinyApp({ name: "one", port, own })));
  const app = await place.process("test/one");
  expect(await text(`http://127.0.0.1:${port}/`)).toBe("200 one");
  const back = await place.killAndAwaitReturn("test/one/sidecar");
  expect(await text(`http://127.0.0.1:${port}/`)).toBe("200 one");
  expect(back.restarts).toBe(1);
  expect(up.output()).toContain("one~: ended by SIGKILL; started again at once");
  expect(await place.process("test/one")).toMatchObject({ pid: app.pid, restarts: 0 });
  // Of the new process, which begins to count anew.
  const now = await place.process("test/one/sidecar");
  expect(now.stats?.listeners[0]?.routes[0]?.answersByClass[2]).toBe(1);
});

test("an app that crashes comes back too, and its sidecar keeps its port", async () => {
  const [port, own] = [await freePort(), await freePort()];
  await place.up(place.write("one.yaml", tinyApp({ name: "one", port, own })));
  const sidecar = await place.process("test/one/sidecar");
  expect((await place.killAndAwaitReturn("test/one")).restarts).toBe(1);
  expect(await text(`http://127.0.0.1:${port}/`)).toBe("200 one");
  expect(await place.process("test/one/sidecar")).toMatchObject({ pid: sidecar.pid, restarts: 0 });
});

const LINES_A_LIFE = 400;
const ADAPTER_KILLS = 3;

test("S2-17 kill -9 of the log adapter: no line missing, none twice but the last", async () => {
  const sink = new BulkSink();
  try {
    const [port, own] = [await freePort(), await freePort()];
    const parse = "'^(?<n>\\d+) (?<text>.*)$'";
    const logs = `logs: [{ file: app.log, parse: ${parse}, to: [elasticsearch] }]`;
    const mesh = [
      "---",
      "apiVersion: outrigger.dev/v1alpha1",
      "kind: Mesh",
      "metadata: { name: test }",
      `spec: { sinks: { elasticsearch: { url: "${sink.url}", index: lines } } }`,
    ];
    const app = tinyApp({ name: "one", port, own, more: [logs] });
    const log = place.write("app.log", "");
    await place.up(place.write("one.yaml", `${app}${mesh.join("\n")}\n`));
    let written = 0;
    /** For each life of the adapter: the last line that its checkpoint knew when it began. */
    const floors = [0];
    const lengths: number[] = [];
    for (let life = 0; life <= ADAPTER_KILLS; life += 1) {
      const seen = sink.documents.length;
      for (let piece = 0; piece < 10; piece += 1) {
        let lines = "";
        for (let n = 0; n < LINES_A_LIFE / 10; n += 1) lines += `${++written} a line of the app\n`;
        appendFileSync(log, lines);
        if (piece === 4) {
          // In the midst of its work, not before it.
          await untilTrue(`lines of life ${life}`, () => sink.documents.length > seen);
          const floor = floors.at(-1)!;
          await untilTrue("a newer checkpoint", () => linesBefore(log, checkpointOffset()) > floor);
        }
        if (piece !== 6 || life === ADAPTER_KILLS) continue;
        const adapter = await until("the adapter", () => adapters()[0] ?? null);
        floors.push(linesBefore(log, checkpointOffset()));
        process.kill(adapter.pid, "SIGKILL");
        await untilTrue("the adapter's end", () => !isAlive(adapter.pid));
        lengths.push(sink.documents.length);
      }
    }
    const numbers = () => sink.documents.map(({ n }) => Number(n));
    await untilTrue("every line at the sink", () => new Set(numbers()).size === written);
    expect(new Set(numbers())).toEqual(new Set(Array.from({ length: written }, (_, n) => n + 1)));
    const known = new Set<number>();
    const early: number[] = [];
    numbers().forEach((n, index) => {
      const life = lengths.filter((length) => length <= index).length;
      if (known.has(n) && n <= floors[life]!) early.push(n);
      known.add(n);
    });
    expect(early).toEqual([]);
    expect(floors.length).toBe(ADAPTER_KILLS + 1);
    const { restarts } = await place.process("test/one/sidecar");
    expect(restarts).toBe(0);
  } finally {
    await sink.stop();
  }
});

function adapters() {
  return setProcesses().filter(({ command }) => command.includes(" pipeline --snapshot "));
}

/** As far as all before it is acknowledged. */
function checkpointOffset(): number {
  const [set] = readdirSync(place.home);
  const files = new Bun.Glob("workloads/**/*.checkpoint.json");
  const [file] = [...files.scanSync({ cwd: join(place.home, set!) })];
  if (file === undefined) return 0;
  const checkpoint = JSON.parse(readFileSync(join(place.home, set!, file), "utf8")) as {
    readonly files: readonly { readonly inode: number; readonly offset: number }[];
  };
  const inode = statSync(place.path("app.log")).ino;
  return checkpoint.files.find((one) => one.inode === inode)?.offset ?? 0;
}

function linesBefore(file: string, offset: number): number {
  return count(readFileSync(file).subarray(0, offset).toString(), "\n");
}

/** An App whose command starts more: in its own group, and in a session of its own. */
function family(port: number): string {
  return [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    "metadata: { name: family, namespace: test }",
    "spec:",
    '  run: { command: [sh, -c, "sleep 1000 & setsid sleep 1001 & exec sleep 1002"] }',
    "---",
    tinyApp({ name: "one", port }),
  ].join("\n");
}

test("Ctrl-C stops everything, also what left its process group", async () => {
  const [port, own] = [await freePort(), await freePort()];
  const one = place.write("one.yaml", tinyApp({ name: "one", port, own }));
  const two = place.write("two.yaml", family(await freePort()).replace("name: one", "name: two"));
  const up = await startUp(one, two);
  await untilTrue("the family", () => {
    return ["sleep 1000", "sleep 1001", "sleep 1002"].every((command) =>
      setProcesses().some((process) => process.command === command),
    );
  });
  up.kill("SIGINT");
  const { status } = await up.ended;
  expect(status).toBe(0);
  expect(setProcesses()).toEqual([]);
  expect(await isFree(port)).toBe(true);
  expect(await isFree(own)).toBe(true);
  expect((await place.outrigger("status")).status).toBe(9);
});

test("kill -9 of up: the next down stops what it left, and the next up begins afresh", async () => {
  const [port, own] = [await freePort(), await freePort()];
  const one = place.write("one.yaml", tinyApp({ name: "one", port, own }));
  const two = place.write("two.yaml", family(await freePort()).replace("name: one", "name: two"));
  const killUp = async (): Promise<void> => {
    const up = await startUp(one, two);
    up.kill("SIGKILL");
    await up.ended;
    expect(setProcesses().length).toBeGreaterThan(4);
    expect((await place.status()).phase).toBe("killed");
  };
  await killUp();
  const down = await place.outrigger("down", one, two);
  expect(down.status).toBe(0);
  expect(setProcesses()).toEqual([]);
  expect(await isFree(port)).toBe(true);
  await killUp();
  const again = await startUp(one, two);
  expect(again.output()).toMatch(/stopped \d+ processes that an earlier up left behind/);
  expect(await text(`http://127.0.0.1:${port}/`)).toBe("200 one");
  again.kill("SIGTERM");
  expect((await again.ended).status).toBe(0);
});

test("nothing that these tests started is left", async () => {
  expect(await stillRunning()).toEqual([]);
});
