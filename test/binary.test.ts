/** The one-file program of `make build`, away from its source. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, readlinkSync, renameSync } from "node:fs";
import { join } from "node:path";
import { tinyApp } from "./kit/apps.ts";
import { BulkSink } from "./kit/bulk_sink.ts";
import { Place, ROOT } from "./kit/outrigger.ts";
import { untilTrue } from "./kit/poll.ts";
import { freePort, isFree } from "./kit/ports.ts";
import { carriers, killLeft, leftProcesses, stillRunning } from "./kit/processes.ts";

setDefaultTimeout(60_000);

const build = new Place();
const binary = build.path("outrigger");
const place = new Place([binary]);

beforeAll(async () => {
  const { status, stderr } = await build.startProgram(["make", "build"], ROOT).ended;
  if (status !== 0) throw new Error(`make build: ${stderr}`);
  copyFileSync(join(ROOT, "dist", "outrigger"), binary);
  chmodSync(binary, 0o755);
});

afterAll(async () => {
  await place.end();
  await build.end();
  killLeft();
});

test("the binary says its version and lists its commands", async () => {
  const version = await place.outrigger("version");
  expect([version.status, version.stderr]).toEqual([0, ""]);
  const { version: expected } = (await Bun.file(`${ROOT}/package.json`).json()) as {
    version: string;
  };
  expect(version.stdout).toContain(expected);
  const help = await place.outrigger("help");
  expect(help.stdout).toBe((await build.outrigger("help")).stdout);
});

test("the binary runs apps with sidecars and log adapters that are itself", async () => {
  const sink = new BulkSink();
  try {
    const [port, own] = [await freePort(), await freePort()];
    const more = ["logs: [{ file: app.log, parse: json, to: [elasticsearch] }]"];
    const mesh = [
      "---",
      "apiVersion: outrigger.dev/v1alpha1",
      "kind: Mesh",
      "metadata: { name: test }",
      `spec: { sinks: { elasticsearch: { url: "${sink.url}", index: lines } } }`,
    ].join("\n");
    place.write("app.log", '{"level":"info","message":"hello"}\n');
    const file = place.write("one.yaml", `${tinyApp({ name: "one", port, own, more })}${mesh}\n`);
    await place.up(file);
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    expect([answer.status, await answer.text()]).toEqual([200, "one\n"]);
    await untilTrue("a document", () => sink.documents.length > 0);
    expect(sink.documents[0]).toMatchObject({ level: "info", message: "hello" });
    const status = await place.status();
    expect(status.phase).toBe("ready");
    const page = await fetch(status.console!);
    expect(await page.text()).toContain("<title>Outrigger</title>");
    const set = carriers("OUTRIGGER_SET", join(place.home, status.name));
    const programs = set.map(({ pid }) => readlinkSync(`/proc/${pid}/exe`));
    // The sidecar and its log adapter; the third is the app's.
    expect(programs.filter((program) => program === binary).length).toBe(2);
    expect(programs.length).toBe(3);
    expect(readlinkSync(`/proc/${status.up}/exe`)).toBe(binary);
    // The file of the program is replaced, as an installation does it; the app runs on.
    const app = await place.pidOf("test/one");
    copyFileSync(binary, `${binary}.next`);
    renameSync(`${binary}.next`, binary);
    const { admin } = await place.process("test/one/sidecar");
    const upgraded = await fetch("http://admin/upgrade", { method: "POST", unix: admin!.socket });
    const { pid } = (await upgraded.json()) as { readonly pid: number };
    expect(readlinkSync(`/proc/${pid}/exe`)).toBe(binary);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    expect(await place.pidOf("test/one")).toBe(app);
    expect((await place.outrigger("down")).status).toBe(0);
    expect(leftProcesses()).toEqual([]);
    expect(await isFree(port)).toBe(true);
    expect((await place.outrigger("status")).status).toBe(9);
  } finally {
    await sink.stop();
  }
});

test("nothing that these tests started is left", async () => {
  expect(await stillRunning()).toEqual([]);
});
