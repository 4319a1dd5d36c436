import { expect, test } from "bun:test";
import type { ExitStatus } from "../world.ts";
import { createSimulatedWorld } from "./mod.ts";
import { SimulatedExit } from "./processes.ts";

test("time stands still until it is advanced, and promises go on between events", async () => {
  const { clock } = createSimulatedWorld({ seed: 1, startMs: 1_000_000 });
  const log: string[] = [];
  const work = async (name: string, ms: number): Promise<void> => {
    for (let step = 0; step < 2; step += 1) {
      await clock.sleep(ms);
      // Many turns of the promise queue, all within the same instant.
      for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
      log.push(`${name}${clock.now()}`);
    }
  };
  void work("a", 10);
  void work("b", 15);
  await Promise.resolve();
  expect(log).toEqual([]);
  await clock.advance(20);
  expect(log).toEqual(["a10", "b15", "a20"]);
  expect(clock.wallMs()).toBe(1_000_020);
  await clock.run(1_000);
  expect([log.at(-1), clock.now()]).toEqual(["b30", 1_000]);
  clock.jumpWall(-500);
  expect([clock.wallMs(), clock.now()]).toEqual([1_000_500, 1_000]);
});

test("until stops where its condition holds, and says where it does not", async () => {
  const { clock } = createSimulatedWorld({ seed: 1 });
  let count = 0;
  const timer = clock.every(10, () => (count += 1));
  expect(await clock.until(() => count === 3, 1_000)).toBe(true);
  expect(clock.now()).toBe(30);
  timer.cancel();
  expect(await clock.until(() => count === 4, 1_000)).toBe(false);
  expect(clock.now()).toBe(1_030);
});

test("advancing in two places at once is a mistake, and it says so", async () => {
  const { clock } = createSimulatedWorld({ seed: 1 });
  const first = clock.advance(10);
  await expect(clock.advance(10)).rejects.toThrow("advanced by two at once");
  await first;
});

test("an error in a timer reaches onUncaught, or else whoever advances time", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const fail = (): never => {
    throw new Error("thrown in a timer");
  };
  world.clock.after(1, fail);
  await expect(world.clock.advance(5)).rejects.toThrow("thrown in a timer");
  const other = createSimulatedWorld({ seed: 1 });
  const reports: unknown[] = [];
  other.processes.self.onUncaught((error) => reports.push(error));
  other.clock.after(1, fail);
  await other.clock.advance(5);
  expect(reports.map(String)).toEqual(["Error: thrown in a timer"]);
});

test("leaks names everything that is still open", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  world.programs.set("app", () => {});
  const timer = world.clock.after(1_000_000, () => {});
  const listener = world.net.listen({ address: { host: "10.0.0.1", port: 80 } }, () => null);
  world.files.write("a", "x");
  const file = world.files.open("a", "read");
  const watcher = world.files.watch(".", () => {});
  const off = world.signals.on("SIGTERM", () => {});
  const child = world.processes.spawn({ command: ["app"] });
  expect(world.leaks()).toEqual([
    "1 listeners",
    "1 pending timers",
    "1 open files",
    "1 file watchers",
    "1 running processes",
    "1 signal listeners",
  ]);
  timer.cancel();
  listener.stop();
  file.close();
  watcher.close();
  off();
  child.kill("SIGKILL");
  await world.clock.advance(1);
  expect(world.leaks()).toEqual([]);
});

test("a full disk takes what fits, tells so, and has room again after a removal", () => {
  const { files } = createSimulatedWorld({ seed: 1 });
  files.freeBytes = 10;
  const log = files.open("log", "append");
  log.write(Buffer.from("123456"));
  expect(() => log.write(Buffer.from("789012"))).toThrow(
    "cannot write log: the disk is full (ENOSPC)",
  );
  expect([files.readText("log"), files.freeBytes]).toEqual(["1234567890", 0]);
  files.remove("log");
  // Its bytes are free only when the last handle is closed.
  expect(() => files.write("other", "x")).toThrow("the disk is full");
  log.close();
  files.write("other", "12345");
  expect(files.freeBytes).toBe(5);
  expect(() => files.replace("other", "123456")).toThrow("cannot write other: the disk is full");
  expect([files.readText("other"), files.list(".")]).toEqual(["12345", ["other"]]);
  files.replace("other", "1234");
  expect(files.freeBytes).toBe(6);
});

test("a fault fails the operations that a test chooses", () => {
  const { files } = createSimulatedWorld({ seed: 1 });
  files.write("a", "x");
  files.fault = (doing, path) => (doing === "read" && path === "a" ? "EACCES" : null);
  expect(() => files.readText("a")).toThrow("cannot read a: this user may not (EACCES)");
  files.fault = null;
  expect(files.readText("a")).toBe("x");
});

test("links are followed, as in a mounted ConfigMap, and circles end", () => {
  const { files } = createSimulatedWorld({ seed: 1 });
  files.makeFolder("/etc/app/v1");
  files.makeFolder("/etc/app/v2");
  files.write("/etc/app/v1/key", "one");
  files.write("/etc/app/v2/key", "two");
  files.link("/etc/app/..data", "v1");
  files.link("/etc/app/key", "..data/key");
  expect(files.readText("/etc/app/key")).toBe("one");
  expect(files.realPath("/etc/app/key")).toBe("/etc/app/v1/key");
  files.link("/etc/app/..new", "v2");
  files.rename("/etc/app/..new", "/etc/app/..data");
  expect(files.readText("/etc/app/key")).toBe("two");
  files.link("/etc/app/round", "round");
  expect(() => files.readText("/etc/app/round")).toThrow("its links go round in a circle");
});

test("fake programs start, talk, obey signals and end", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  world.programs.set("node", (child) => {
    const args = child.command.slice(1).join(" ");
    child.stdout(`${args} in ${child.folder} as ${child.env["NAME"]}\n`);
    child.onSignal("SIGTERM", () => {
      child.stderr("bye\n");
      child.exit(0);
    });
  });
  const seen: unknown[] = [];
  const child = world.processes.spawn({
    command: ["/usr/bin/node", "app.js"],
    folder: "/srv",
    env: { NAME: "shop" },
    stdin: "pipe",
    stdout: (bytes) => seen.push(Buffer.from(bytes).toString()),
    stderr: (bytes) => seen.push(Buffer.from(bytes).toString()),
    onExit: (status) => seen.push(status),
  });
  expect([world.processes.isAlive(child.pid), seen]).toEqual([true, []]);
  await world.clock.advance(1);
  child.write(Buffer.from("hello"));
  child.closeInput();
  expect(world.processes.children.get(child.pid)).toMatchObject({
    input: "hello",
    inputEnded: true,
  });
  child.kill("SIGWINCH");
  child.kill("SIGTERM");
  await world.clock.advance(1);
  expect(seen).toEqual(["app.js in /srv as shop\n", "bye\n", { code: 0, signal: null }]);
  expect(world.processes.isAlive(child.pid)).toBe(false);
});

test("a fake program that does not catch a signal dies of it", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  world.programs.set("app", () => {});
  const ends: ExitStatus[] = [];
  const spawn = () =>
    world.processes.spawn({ command: ["app"], onExit: (status) => ends.push(status) });
  const [one, two] = [spawn(), spawn()];
  world.processes.signal(one.pid, "SIGINT", "group");
  two.kill("SIGKILL");
  await world.clock.advance(1);
  expect(ends).toEqual([
    { code: 130, signal: "SIGINT" },
    { code: 137, signal: "SIGKILL" },
  ]);
  expect(() => world.processes.spawn({ command: ["nodee"] })).toThrow(
    'cannot start "nodee": no program of that name in this simulation',
  );
});

test("signals, output and input are in the test's hands", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const heard: string[] = [];
  const off = world.signals.on("SIGHUP", () => heard.push("one"));
  world.signals.on("SIGHUP", () => heard.push("two"));
  expect([world.signals.raise("SIGHUP"), world.signals.raise("SIGTERM")]).toEqual([true, false]);
  off();
  world.signals.raise("SIGHUP");
  expect(heard).toEqual(["one", "two", "two"]);

  world.stdio.stdout.write("a");
  world.stdio.stderr.write("problem");
  world.stdio.stdout.isBlocked = true;
  let isDone = false;
  const all = world.stdio.stdout.writeAll("b").then(() => (isDone = true));
  await world.clock.advance(1_000);
  expect([isDone, world.stdio.text()]).toEqual([false, "a"]);
  world.stdio.stdout.isBlocked = false;
  await all;
  expect([world.stdio.text(), world.stdio.stderr.text()]).toEqual(["ab", "problem"]);
  world.stdio.stdout.isClosed = true;
  expect(() => world.stdio.stdout.write("c")).toThrow("its reader is gone");

  const text = world.stdio.stdin.readAll();
  world.stdio.stdin.feed("in ");
  world.stdio.stdin.feed("parts");
  world.stdio.stdin.end();
  expect(await text).toBe("in parts");

  expect(() => world.processes.self.exit(3)).toThrow(SimulatedExit);
  expect(world.processes.self.exitCode).toBe(3);
});
