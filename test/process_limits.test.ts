/** What the system gives a sidecar: few descriptors, and the place of a container's process 1. */
import { afterAll, afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { parsePrometheusText, sumOfSamples } from "../src/codec/prometheus_text.ts";
import { snapshotOf } from "../src/sim/snapshots.ts";
import { Place, type Started } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft } from "./kit/processes.ts";
import { RawClient } from "./kit/raw_client.ts";

setDefaultTimeout(60_000);

let place: Place;
let upstream: ReturnType<typeof Bun.serve>;
let port: number;
let adminPort: number;

beforeEach(async () => {
  place = new Place();
  upstream = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello\n") });
  [port, adminPort] = [await freePort(), await freePort()];
});

afterEach(async () => {
  await place.end();
  await upstream.stop(true);
});

afterAll(killLeft);

/** `wrap` comes before the program's own words. */
async function sidecar(wrap: readonly string[], ...more: string[]): Promise<Started> {
  const endpoints = [{ host: "127.0.0.1", port: upstream.port! }];
  const plain = snapshotOf({ listener: { at: { host: "127.0.0.1", port } }, cluster: { endpoints } });
  const admin = { readOnly: { host: "127.0.0.1", port: adminPort }, socket: place.path("a.sock") };
  const bindings = { ...plain.bindings, admin, stateFolder: place.path("state") };
  const file = place.write("s.json", JSON.stringify({ ...plain, bindings }));
  const command = [...wrap, ...place.program, "sidecar", "--snapshot", file, ...more];
  const started = place.startProgram(command);
  await untilTrue("the sidecar is ready", async () => {
    return (await fetch(`http://127.0.0.1:${adminPort}/ready`)).status === 200;
  });
  return started;
}

async function metric(name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
  return sumOfSamples(parsePrometheusText(await answer.text()), name, {});
}

for (const workers of [1, 2]) {
  test(`more callers than descriptors, ${workers} workers: some are turned away, all else goes on`, async () => {
    const limited = ["sh", "-c", 'ulimit -n 300; exec "$@"', "sh"];
    const running = await sidecar(limited, "--workers", String(workers));
    expect(await metric("process_max_fds")).toBe(300);
    expect(running.output()).toContain('"limits-short"');
    const connects = Array.from({ length: 400 }, () => RawClient.connect(port));
    const settled = await Promise.allSettled(connects);
    const clients = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const open = await until("the rest is turned away", async () => {
      const refused = await metric("outrigger_connections_refused_total");
      const left = clients.filter(({ closed }) => !closed);
      return refused > 0 && refused + left.length === 400 ? left : null;
    });
    expect([open.length > 50, open.length < 200]).toEqual([true, true]);
    // Each needs a connection to the callee too; the admin API has room still.
    const statuses = await Promise.all(open.slice(0, 40).map((client) => client.get("/")));
    expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set([200]));
    expect(running.output()).toContain('"limits-reached"');
    expect(await metric("process_open_fds")).toBeLessThan(300);
    for (const client of clients) client.close();
    await untilTrue("there is room again", async () => {
      const client = await RawClient.connect(port);
      const isServed = await client.get("/").then(
        ({ status }) => status === 200,
        () => false,
      );
      client.close();
      return isServed;
    });
    running.kill("SIGTERM");
    expect((await running.ended).status).toBe(0);
  });
}

/** Of all processes below `pid`, those that nobody has waited for. */
function zombiesBelow(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return (children === "" ? [] : children.split(" ").map(Number)).filter((child) =>
    /\) Z /.test(readFileSync(`/proc/${child}/stat`, "utf8")),
  );
}

const NEW_NAMESPACE = ["unshare", "-r", "--pid", "--fork", "--mount-proc"];
const canUnshare = Bun.spawnSync([...NEW_NAMESPACE, "true"], { stderr: "ignore" }).success;
if (!canUnshare) console.log("skipped: process 1 of a container; unshare is not permitted here");

describe.skipIf(!canUnshare)("as process 1", () => {
  /** The process 1, seen from here. */
  const innerPid = (outer: number): Promise<number> =>
    until("the inner process", () => {
      const child = readFileSync(`/proc/${outer}/task/${outer}/children`, "utf8").trim();
      return child === "" ? null : Number(child);
    });

  test("orphans are reaped, an upgrade leaves it where it is, and SIGTERM ends it all", async () => {
    const running = await sidecar(NEW_NAMESPACE);
    const first = await innerPid(running.pid);
    expect(readFileSync(`/proc/${first}/status`, "utf8")).toMatch(/^NSpid:\s+\d+\s+1$/m);
    // Left behind in the namespace: its parent ends before it does.
    const orphan = ["nsenter", "-t", String(first), "-p", "-U", "--preserve-credentials"];
    const left = Bun.spawnSync([...orphan, "sh", "-c", "(sleep 0.2; exit 3) & exit 0"]);
    expect([left.success, left.stderr.toString()]).toEqual([true, ""]);
    const asked = { method: "POST", unix: place.path("a.sock") };
    const { pid } = (await (await fetch("http://admin/upgrade", asked)).json()) as { pid: number };
    expect(pid).toBeGreaterThan(1);
    await untilTrue("no zombie is left", () => zombiesBelow(first).length === 0);
    const client = await RawClient.connect(port);
    expect((await client.get("/")).status).toBe(200);
    client.close();
    process.kill(first, "SIGTERM");
    expect((await running.ended).status).toBe(0);
    expect(readdirSync("/proc").includes(String(first))).toBe(false);
  });

  test("SIGTERM ends a command that does not listen for it", async () => {
    const command = [...NEW_NAMESPACE, ...place.program, "check", "-f", "-"];
    // It waits for its input.
    const outer = Bun.spawn(command, { stdio: ["pipe", "ignore", "ignore"] });
    const inner = await innerPid(outer.pid);
    await untilTrue("it catches SIGTERM", () => {
      const status = readFileSync(`/proc/${inner}/status`, "utf8");
      const caught = BigInt(`0x${/^SigCgt:\s+(\w+)$/m.exec(status)![1]!}`);
      return (caught & (1n << 14n)) !== 0n;
    });
    process.kill(inner, "SIGTERM");
    expect(await outer.exited).toBe(143);
  });
});
