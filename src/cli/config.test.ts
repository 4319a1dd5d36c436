import { expect, test } from "bun:test";
import { machine, outrigger } from "./testdata/machine.ts";
import { runningSidecars } from "./testdata/running_sidecars.ts";

test("S4-56 config shows what is in force in any proxy, and explains each value: its line, or why it is so", async () => {
  const running = await runningSidecars();
  const { world } = running;
  const { code, out } = await outrigger(world, "config", "frontend");
  expect(code).toBe(0);
  expect(out).toMatch(/^shop\/frontend: version [0-9a-f]{16}, policy [0-9a-f]{16}, in force now; \d+ values: \d+ written/);
  const line = (pointer: string) => out.split("\n").find((one) => one.startsWith(`${pointer} = `));
  expect(line("/policy/listeners/call:api/routes/0/timeoutMs")).toMatch(
    / = 2000 +shop\.yaml:10:7 spec\.calls\.api\.timeout$/,
  );
  expect(line("/policy/clusters/api/breaker/errorRate")).toMatch(/ = 0\.5 +shop\.yaml:11:18 spec/);
  expect(line("/policy/listeners/inbound/maxHeaders")).toMatch(/ = 100 +default: /);
  expect(line("/bindings/clusters/app/endpoints/0/port")).toContain("site: where it runs");
  const all = JSON.parse((await outrigger(world, "config", "-o", "json")).out);
  expect(all.map(({ app }: { app: string }) => app)).toEqual(["shop/frontend", "shop/api"]);

  const part = async (name: string) => (await outrigger(world, "config", "frontend", "--part", name)).out;
  expect((await part("routes")).split("\n").slice(1, -1).every((one) => one.includes("/routes/"))).toBe(true);
  expect(await part("clusters")).toContain("/policy/clusters/api/breaker/openMs = 30000");
  expect(await part("listeners")).not.toContain("/routes/0/");
  expect(await part("sidecar")).toContain("/policy/drainMs");
  const written = await outrigger(world, "config", "frontend", "--part", "clusters", "--written");
  expect(written.out.trim().split("\n").slice(1).every((one) => one.includes("shop.yaml:"))).toBe(true);

  await outrigger(world, "fault", "frontend", "--abort", "503");
  await outrigger(world, "log-level", "frontend", "error");
  const changed = (await outrigger(world, "config", "frontend", "--part", "sidecar")).out;
  expect(changed).toContain("at run time: the log level is error\n");
  expect(changed).toContain("at run time: a fault on inbound: answers 100% with 503\n");
  await running.stop();
});

test("by its socket any one sidecar is asked; errors say what there is", async () => {
  const running = await runningSidecars();
  const { world } = running;
  const record = JSON.parse(world.files.readText("/state/shop/running.json"));
  const { socket } = record.processes[0].admin;
  const { out } = await outrigger(world, "config", "--socket", socket);
  expect(out).toStartWith("shop/frontend: version ");
  const wrong = [
    [["clusters", "nobody"], 2, "there are: shop/frontend, shop/api"],
    [["routes", "db"], 9, "no sidecar stands beside db"],
    [["top", "api", "--socket", socket], 2, "leave one out"],
    [["tap", "--socket", "/none.sock"], 9, "/none.sock does not answer"],
    [["why", "--name", "other"], 9, "what runs: shop"],
  ] as const;
  for (const [args, status, words] of wrong) {
    const { code, err } = await outrigger(world, ...args);
    expect([args, code, err.includes(words) ? words : err]).toEqual([args, status, words]);
  }
  world.files.makeFolder("/state/other");
  world.files.write("/state/other/running.json", JSON.stringify({ ...record, name: "other" }));
  const several = await outrigger(world, "top");
  expect([several.code, several.err.includes("several sets run: other, shop")]).toEqual([2, true]);
  await running.stop();
});

test("where nothing runs, each says so with status 9", async () => {
  for (const command of ["tap", "top", "why", "clusters", "routes", "config", "log-level"]) {
    const { code, err } = await outrigger(machine(), command);
    expect([command, code, err.includes("nothing runs")]).toEqual([command, 9, true]);
  }
});
