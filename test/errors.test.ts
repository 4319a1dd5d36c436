/** What goes wrong on real machines: each has clear words and a status of its own. */
import { afterAll, afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { unlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { parsePrometheusText, sumOfSamples } from "../src/codec/prometheus_text.ts";
import { tinyApp } from "./kit/apps.ts";
import { listenerPort, scrape } from "./kit/admin.ts";
import { Place, PROGRAM, ROOT } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { isAlive, killLeft, leftProcesses, stillRunning } from "./kit/processes.ts";
import { RawClient } from "./kit/raw_client.ts";

setDefaultTimeout(60_000);

let place: Place;

beforeEach(() => {
  place = new Place();
});

afterEach(() => place.end());

afterAll(killLeft);

test("a file that is no YAML names its line, with status 1", async () => {
  const file = place.write("shop.yaml", "kind: App\nmetadata: { name: a }\nspec:\n  run: [node\n");
  const checked = await place.outrigger("check", file);
  expect(checked.status).toBe(1);
  expect(checked.stdout).toMatch(/shop\.yaml:[45]:\d+: not valid YAML: /);
  const up = await place.outrigger("up", "--detach", file);
  expect(up.status).toBe(1);
  expect(up.stderr).toMatch(/shop\.yaml:[45]:\d+: not valid YAML: /);
  expect(up.stdout).toBe("");
});

test("every problem of a file at once, each with its line and what was meant", async () => {
  const file = place.write(
    "shop.yaml",
    tinyApp({ name: "one", port: await freePort(), own: await freePort() })
      .replace("  port:", "  prot:")
      .concat("  calls:\n    api: { timeuot: 2s, retry: { attempts: many } }\n"),
  );
  const { status, stdout } = await place.outrigger("check", file);
  expect(status).toBe(1);
  expect(stdout).toContain('shop.yaml:7:3: "prot" is not a field');
  expect(stdout).toContain('shop.yaml:9:12: "timeuot" is not a field of');
  expect(stdout).toContain('did you mean "timeout"?');
  expect(stdout).toMatch(/shop\.yaml:9:\d+: .*many/);
});

test("a missing file: status 3 and its name", async () => {
  for (const command of ["check", "up", "compile", "render"]) {
    const more = command === "render" ? ["--format", "prometheus-rules"] : [];
    const { status, stderr } = await place.outrigger(command, "nowhere.yaml", ...more);
    expect([command, status]).toEqual([command, 3]);
    expect(stderr).toContain("nowhere.yaml");
  }
});

test("an unknown command or option: status 2, and what was meant", async () => {
  const command = await place.outrigger("statsu");
  expect(command.status).toBe(2);
  expect(command.stderr).toContain("Did you mean status?");
  const option = await place.outrigger("up", "--detahc", "a.yaml");
  expect(option.status).toBe(2);
  expect(option.stderr).toContain("Did you mean --detach?");
});

test("a missing command: status 5, and nothing was started", async () => {
  const good = tinyApp({ name: "good", port: await freePort(), own: await freePort() });
  const bad = tinyApp({ name: "bad", port: await freePort(), own: await freePort() });
  const wrong = bad.replace("command: [node", "command: [no-such-program");
  const file = place.write("two.yaml", `${good}---\n${wrong}`);
  for (const flags of [[], ["--detach"]]) {
    const { status, stderr } = await place.outrigger("up", ...flags, file);
    expect(status).toBe(5);
    expect(stderr).toContain('App test/bad: there is no program "no-such-program" in PATH');
  }
  expect(leftProcesses()).toEqual([]);
});

async function hold(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}

test("a port in use names who holds it: status 4, for app and sidecar alike", async () => {
  const [port, own] = [await freePort(), await freePort()];
  const file = place.write("one.yaml", tinyApp({ name: "one", port, own }));
  for (const taken of [port, own]) {
    const server = await hold(taken);
    try {
      for (const flags of [[], ["--detach"]]) {
        const { status, stderr } = await place.outrigger("up", ...flags, file);
        expect(status).toBe(4);
        expect(stderr).toContain(`port ${taken}, which `);
        expect(stderr).toContain(`is in use by process ${process.pid} (`);
      }
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  }
  await place.up(file);
});

test("an unreachable upstream: 503 that says so, its reason in log and metrics", async () => {
  const [port, own, nowhere] = [await freePort(), await freePort(), await freePort()];
  const more = [
    `calls: { dead: { host: 127.0.0.1, port: ${nowhere}, connectTimeout: 500ms } }`,
    "sidecar: { accessLog: json }",
  ];
  await place.up(place.write("one.yaml", tinyApp({ name: "one", port, own, calls: "dead", more })));
  const dead = await listenerPort(place, "test/one", "call:dead");
  const direct = await fetch(`http://127.0.0.1:${dead}/`);
  expect(direct.status).toBe(503);
  expect(await direct.text()).toBe("cannot connect upstream\n");
  const through = await fetch(`http://127.0.0.1:${port}/call/items`);
  expect(through.status).toBe(503);
  await through.text();
  const line = await until("the access log", async () => {
    const { stdout } = await place.outrigger("logs", "one", "-o", "json");
    const lines = stdout.trim().split("\n");
    const texts = lines.map((one) => (JSON.parse(one) as { text: string }).text);
    const found = texts.find((one) => one.includes('"listener":"call:dead"'));
    return found === undefined ? null : (JSON.parse(found) as Record<string, unknown>);
  });
  expect(line).toMatchObject({
    response_code: 503,
    response_flags: "UF",
    response_code_details: "connect-failure",
    upstream_host: `127.0.0.1:${nowhere}`,
  });
  const metrics = await scrape(place, "test/one");
  const counted = parsePrometheusText(metrics);
  const labels = { cluster: "dead", reason: "connect-failure" };
  expect(sumOfSamples(counted, "outrigger_upstream_failures_total", labels)).toBe(2);
});

test("the app itself is gone: 503 as well, and 200 again once it is back", async () => {
  const [port, own] = [await freePort(), await freePort()];
  const app = tinyApp({ name: "one", port, own });
  const stoppable = "command: [sh, -c, 'test ! -e stop && exec node $1']";
  const file = place.write("one.yaml", app.replace(/command: \[node, (.*)\]/, stoppable));
  await place.up(file);
  place.write("stop", "");
  process.kill(await place.pidOf("test/one"), "SIGKILL");
  await untilTrue("503", async () => (await fetch(`http://127.0.0.1:${port}/`)).status === 503);
  unlinkSync(place.path("stop"));
  await untilTrue("200", async () => (await fetch(`http://127.0.0.1:${port}/`)).status === 200);
});

test("load on nothing: a report of failures and status 1", async () => {
  const url = `http://127.0.0.1:${await freePort()}/`;
  const flags = ["--duration", "100ms", "-o", "json"];
  const { status, stdout } = await place.outrigger("load", url, ...flags);
  expect(status).toBe(1);
  const report = JSON.parse(stdout) as { requests: number; successRate: number; failures: object };
  expect(report.requests).toBeGreaterThan(0);
  expect(report).toMatchObject({ successRate: 0, failures: { connect: report.requests } });
});

const POST = "POST / HTTP/1.1\r\nhost: a\r\n";
const CHUNKED = "transfer-encoding: chunked\r\n\r\n";

const MALFORMED: readonly (readonly [string, string])[] = [
  ["no HTTP", "hello\r\n\r\n"],
  ["a version that is none", "GET / HTTP/x.y\r\nhost: a\r\n\r\n"],
  ["no host", "GET / HTTP/1.1\r\n\r\n"],
  ["two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"],
  ["a space before the colon", "GET / HTTP/1.1\r\nhost : a\r\n\r\n"],
  ["two lengths", `${POST}content-length: 3\r\ncontent-length: 4\r\n\r\nabc`],
  ["a length and chunks", `${POST}content-length: 3\r\n${CHUNKED}0\r\n\r\n`],
  ["a chunk size that is none", `${POST}${CHUNKED}x\r\n`],
  ["a NUL in a header", "GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n"],
];

const TRUNCATED: readonly (readonly [string, string])[] = [
  ["half a request line", "GET / HT"],
  ["half a head", "GET / HTTP/1.1\r\nho"],
  ["half a body", `${POST}content-length: 10\r\n\r\nhalf`],
  ["half a chunk", `${POST}${CHUNKED}5\r\nab`],
];

test("malformed and truncated requests get 400 and are counted; others go on", async () => {
  const [port, own] = [await freePort(), await freePort()];
  await place.up(place.write("one.yaml", tinyApp({ name: "one", port, own })));
  const good = await RawClient.connect(port);
  expect((await good.get("/")).status).toBe(200);
  const send = async (text: string, finish: boolean): Promise<number> => {
    const client = await RawClient.connect(port);
    try {
      client.send(text);
      if (finish) client.finish();
      const { status } = await client.answer();
      await untilTrue("the end of the connection", () => client.closed);
      return status;
    } finally {
      client.close();
    }
  };
  const answers: string[] = [];
  for (const [what, text] of MALFORMED) answers.push(`${what}: ${await send(text, false)}`);
  for (const [what, text] of TRUNCATED) answers.push(`${what}: ${await send(text, true)}`);
  expect(answers).toEqual([...MALFORMED, ...TRUNCATED].map(([what]) => `${what}: 400`));
  expect((await good.get("/")).status).toBe(200);
  good.close();
  const metrics = parsePrometheusText(await scrape(place, "test/one"));
  const labels = { listener: "inbound" };
  const counted = sumOfSamples(metrics, "outrigger_malformed_requests_total", labels);
  expect(counted).toBe(MALFORMED.length + TRUNCATED.length);
});

/** Runs a command with a small tmpfs of its own over the state folder; gone with the command. */
function onSmallDisk(size: string, ...command: string[]): string[] {
  const script = `mkdir -p "$0" && mount -t tmpfs -o size=${size} none "$0" && exec "$@"`;
  return ["unshare", "-rm", "sh", "-c", script, place.home, ...command];
}

/** A user may not mount everywhere; src/base and src/sidecar have a full disk in simulation. */
const canMount =
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).exitCode === 0;

test.skipIf(!canMount)("a full disk at the start: status 7 and clear words", async () => {
  const [port, own] = [await freePort(), await freePort()];
  const file = place.write("one.yaml", tinyApp({ name: "one", port, own }));
  for (const flags of [[], ["--detach"]]) {
    const fill = 'head -c 1000000 /dev/zero > "$0/fill" 2>/dev/null; exec "$@"';
    const up = [PROGRAM, "up", ...flags, file];
    const command = onSmallDisk("64k", "sh", "-c", fill, place.home, ...up);
    const { status, stderr } = await place.startProgram(command).ended;
    expect([flags, status]).toEqual([flags, 7]);
    expect(stderr).toContain(flags.length === 0 ? "the disk is full" : "status 7 (disk-full)");
  }
  expect(leftProcesses()).toEqual([]);
});

test.skipIf(!canMount)("a disk that fills up is said once and stops no traffic", async () => {
  const [port, own] = [await freePort(), await freePort()];
  const more = ["sidecar: { accessLog: json }"];
  const file = place.write("one.yaml", tinyApp({ name: "one", port, own, more }));
  const up = place.startProgram(onSmallDisk("512k", PROGRAM, "up", file));
  await untilTrue("up is ready", () => {
    if (!isAlive(up.pid)) throw new Error(up.output());
    return up.output().includes("answers on http");
  });
  const inside = `/proc/${up.pid}/root${place.home}/fill`;
  expect(() => writeFileSync(inside, new Uint8Array(1 << 20))).toThrow("ENOSPC");
  const statuses = new Set<number>();
  for (let n = 0; n < 100; n += 1) {
    const answer = await fetch(`http://127.0.0.1:${port}/${"x".repeat(100)}`);
    await answer.text();
    statuses.add(answer.status);
  }
  expect([...statuses]).toEqual([200]);
  await untilTrue("a word about the disk", () => up.output().includes("the disk is full (ENOSPC)"));
  up.kill("SIGTERM");
  expect((await up.ended).status).toBe(0);
  const lines = up.output().split("\n");
  const told = lines.filter((line) => line.includes("sidecar.log: the disk is full"));
  expect(told.length).toBe(1);
});

test("the program says where Bun is missing", async () => {
  const script = place.write("outrigger", await Bun.file(`${ROOT}/bin/outrigger`).text());
  const { status, stderr } = await place.startProgram(["sh", script, "version"]).ended;
  expect(status).toBe(11);
  expect(stderr).toContain("Bun is not installed");
});

test("nothing that these tests started is left", async () => {
  expect(await stillRunning()).toEqual([]);
});
