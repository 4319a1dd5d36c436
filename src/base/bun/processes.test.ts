import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExitStatus, ProcessError, SpawnOptions } from "../world.ts";
import { createBunWorld } from "./mod.ts";

const { processes } = createBunWorld();
const folder = mkdtempSync(join(tmpdir(), "outrigger-processes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended extends ExitStatus {
  readonly out: string;
  readonly err: string;
}

function run(options: SpawnOptions): { pid: number; ended: Promise<Ended> } {
  let [out, err] = ["", ""];
  const { promise: ended, resolve } = Promise.withResolvers<Ended>();
  const child = processes.spawn({
    stdout: (bytes) => (out += Buffer.from(bytes).toString()),
    stderr: (bytes) => (err += Buffer.from(bytes).toString()),
    ...options,
    onExit: (status) => resolve({ ...status, out, err }),
  });
  return { pid: child.pid, ended };
}

function refusalOf(options: SpawnOptions): ProcessError {
  try {
    processes.spawn(options);
  } catch (error) {
    return error as ProcessError;
  }
  throw new Error("it was started");
}

test("a child's output is complete before its exit is told", async () => {
  // More than a pipe holds, so that it cannot all be there at the first read.
  const script = "head -c 300000 /dev/zero | tr '\\0' x; echo problem >&2; exit 3";
  const { out, err, code, signal } = await run({ command: ["sh", "-c", script] }).ended;
  expect(out).toBe("x".repeat(300_000));
  expect([err, code, signal]).toEqual(["problem\n", 3, null]);
});

test("a child has the environment and the folder that it was given, and no more", async () => {
  const env = { GREETING: "hello", PATH: "/usr/bin:/bin" };
  const { out } = await run({ command: ["sh", "-c", "env; pwd -P"], env, folder }).ended;
  expect(out).toContain("GREETING=hello\n");
  expect(out).toEndWith(`${folder}\n`);
  expect(out).not.toContain("HOME=");
});

test("what steers Bun is not inherited, unless it was given", async () => {
  const before = process.env["BUN_OPTIONS"];
  process.env["BUN_OPTIONS"] = "--smol";
  try {
    const { out } = await run({ command: ["sh", "-c", "echo [$BUN_OPTIONS]$HOME"] }).ended;
    expect(out).toBe(`[]${process.env["HOME"] ?? ""}\n`);
    const env = { BUN_OPTIONS: "--smol", PATH: "/usr/bin:/bin" };
    const given = await run({ command: ["sh", "-c", "echo [$BUN_OPTIONS]"], env }).ended;
    expect(given.out).toBe("[--smol]\n");
  } finally {
    if (before === undefined) delete process.env["BUN_OPTIONS"];
    else process.env["BUN_OPTIONS"] = before;
  }
});

test("input reaches the child, and its end too", async () => {
  const { promise: exited, resolve } = Promise.withResolvers<void>();
  let out = "";
  const child = processes.spawn({
    command: ["cat"],
    stdin: "pipe",
    stdout: (bytes) => (out += Buffer.from(bytes).toString()),
    onExit: () => resolve(),
  });
  child.write(Buffer.from("one\n"));
  child.write(Buffer.from("two\n"));
  child.closeInput();
  await exited;
  // Too late, and harmless.
  child.write(Buffer.from("three\n"));
  child.closeInput();
  child.kill("SIGTERM");
  expect(out).toBe("one\ntwo\n");
});

test("a group dies as a whole, and its exit names the signal", async () => {
  let grandchild = 0;
  const { promise: known, resolve } = Promise.withResolvers<void>();
  const child = run({
    command: ["sh", "-c", "sleep 100 & echo $!; wait"],
    ownGroup: true,
    stdout: (bytes) => {
      grandchild = Number(Buffer.from(bytes).toString());
      resolve();
    },
  });
  await known;
  expect([processes.isAlive(child.pid), processes.isAlive(grandchild)]).toEqual([true, true]);
  processes.signal(child.pid, "SIGKILL", "group");
  const { code, signal } = await child.ended;
  expect([code, signal]).toEqual([137, "SIGKILL"]);
  while (processes.isAlive(grandchild)) await Bun.sleep(1);
  expect(processes.isAlive(child.pid)).toBe(false);
  // Gone: no error.
  processes.signal(child.pid, "SIGTERM", "group");
  processes.signal(child.pid, "SIGTERM", "process");
});

test("what a child leaves behind does not keep its exit from being told", async () => {
  const script = "sleep 100 & echo left; exit 5";
  const child = run({ command: ["sh", "-c", script], ownGroup: true });
  const { out, code } = await child.ended;
  processes.signal(child.pid, "SIGKILL", "group");
  expect([out, code]).toEqual(["left\n", 5]);
});

test("what cannot be started says why", () => {
  const path = process.env["PATH"];
  expect(refusalOf({ command: ["no-such-program"] })).toMatchObject({
    name: "ProcessError",
    code: "not-found",
    message: `cannot start "no-such-program": no program of that name in PATH (${path})`,
  });
  expect(refusalOf({ command: ["/no/such/program"] })).toMatchObject({
    code: "not-found",
    message: 'cannot start "/no/such/program": there is no file /no/such/program',
  });
  expect(refusalOf({ command: ["ls"], folder: `${folder}/no` })).toMatchObject({
    code: "not-found",
    message: `cannot start ls: there is no folder ${folder}/no`,
  });
  expect(refusalOf({ command: ["/etc/passwd"] }).code).toBe("permission");
  expect(refusalOf({ command: [] })).toMatchObject({
    code: "not-found",
    message: "the command is empty: expected a program and arguments",
  });
});

test("signals that would reach everybody are refused", () => {
  for (const pid of [0, 1, -1, Number.NaN]) {
    expect(() => processes.signal(pid, "SIGTERM", "group")).toThrow("bug: refusing to signal");
  }
});

test("a program knows how to start itself, and what it uses", async () => {
  const { self } = processes;
  expect(self.command).toEqual([process.execPath, Bun.main]);
  expect(self.usage().residentBytes).toBeGreaterThan(1_000_000);
  expect(self.usage().userMs).toBeGreaterThan(0);
  expect(self.pid).toBe(process.pid);
});

test("errors that nobody caught are reported, and the program goes on", async () => {
  const script =
    `import { createBunWorld } from ${JSON.stringify(join(import.meta.dir, "mod.ts"))};` +
    "const { processes: { self }, clock } = createBunWorld();" +
    "self.onUncaught((error) => console.log(String(error)));" +
    "void Promise.reject(new Error('in a promise'));" +
    "clock.after(1, () => { clock.after(1, () => self.exit(7)); throw new Error('in a timer'); });";
  const { out, err, code } = await run({ command: [process.execPath, "-e", script] }).ended;
  expect([out, err, code]).toEqual(["Error: in a promise\nError: in a timer\n", "", 7]);
});
