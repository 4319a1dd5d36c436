import { expect, test } from "bun:test";
import { background, machine, outrigger, SHOP, until } from "./testdata/machine.ts";

/** frontend's sidecar alone, as part of a set that runs. */
async function running() {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  world.processes.self.env["OUTRIGGER_HOME"] = "/state";
  const { out } = await outrigger(world, "compile", "shop.yaml", "--app", "frontend");
  world.files.write("s.json", out);
  const { socket } = JSON.parse(out).bindings.admin;
  world.files.makeFolder(socket.slice(0, socket.lastIndexOf("/")));
  const sidecar = background(world, "sidecar", "--snapshot", "s.json");
  await until(world, () => world.files.stat(socket) !== null);
  const admin = { readOnly: "", socket };
  const processes = [{ workload: "shop/frontend", admin }, { workload: "shop/api", admin: null }];
  world.files.makeFolder("/state/shop");
  const record = { name: "shop", up: { pid: 1 }, processes };
  world.files.write("/state/shop/running.json", JSON.stringify(record));
  const stop = async (): Promise<void> => {
    world.signals.raise("SIGTERM");
    await until(world, () => sidecar.code !== null);
    await world.clock.advance(60_000);
    expect(world.leaks()).toEqual([]);
  };
  return { world, stop };
}

test("S1-26 (command) a fault is set, listed, replaced and cleared on what runs", async () => {
  const { world, stop } = await running();
  expect((await outrigger(world, "fault")).out).toEndWith("no fault is in force\n");
  const set = ["--delay", "10s", "--percent", "50", "--header", "X-Who: me"];
  const first = await outrigger(world, "fault", "frontend", ...set);
  expect([first.code, first.err]).toEqual([0, ""]);
  expect(first.out).toMatch(/^shop\/frontend +all +10000ms 50% +- +- +x-who: me +-$/m);
  const calls = ["fault", "frontend:api", "--abort", "503", "--for", "1m"];
  expect((await outrigger(world, ...calls)).out).toMatch(/shop\/frontend:api .* 503 100% .* 60s\n/);
  expect((await outrigger(world, "fault")).out.trim().split("\n").length).toBe(3);
  await outrigger(world, "fault", "api", "--delay", "1s", "--max-delay", "2s", "--route", "/*");
  const slow = await outrigger(world, "fault", "api", "--bandwidth", "64Ki", "--route", "/*");
  expect(slow.out).toMatch(/\/\* +- +- +65536 B\/s 100% /);
  await outrigger(world, "fault", "api", "--delay", "1s", "--route", "/*");
  const json = JSON.parse((await outrigger(world, "fault", "api", "-o", "json")).out);
  expect(json.map((one: { route: string | null }) => one.route)).toEqual([null, "/*"]);
  expect((await outrigger(world, "fault", "api", "--clear", "--route", "/*")).out).toContain("503");
  await world.clock.advance(61_000);
  expect((await outrigger(world, "fault", "api")).out).toEndWith("no fault is in force\n");
  expect((await outrigger(world, "fault", "--clear")).out).toEndWith("no fault is in force\n");
  await stop();
});

test("what makes no sense says so, and changes nothing", async () => {
  const { world, stop } = await running();
  const wrong = [
    [["nobody", "--abort", "503"], 2, "there are: shop/frontend, shop/frontend:api"],
    [["--abort", "503"], 2, "name an App or a call"],
    [["api", "--abort", "200"], 2, "from 400 to 599"],
    [["api", "--percent", "200", "--abort", "503"], 2, "from 0 to 100"],
    [["api", "--max-delay", "2s"], 2, "--max-delay without --delay"],
    [["api", "--delay", "2s", "--max-delay", "1s"], 12, "delay.maxMs"],
    [["api", "--for", "1m"], 2, "neither --delay nor --abort"],
    [["api", "--bandwidth", "fast"], 2, "a size was expected"],
    [["api", "--abort", "503", "--clear"], 2, "--clear with a new fault"],
    [["api", "--abort", "503", "--header", "x"], 2, "NAME: VALUE"],
    [["api", "--abort", "503", "--route", "/none"], 12, "has no route /none"],
  ] as const;
  for (const [args, status, words] of wrong) {
    const { code, err } = await outrigger(world, "fault", ...args);
    expect([args, code, err.includes(words) ? words : err]).toEqual([args, status, words]);
  }
  expect((await outrigger(world, "fault")).out).toEndWith("no fault is in force\n");
  await stop();
});

test("where nothing runs, it says so with status 9", async () => {
  expect((await outrigger(machine(), "fault", "api", "--abort", "503")).code).toBe(9);
});
