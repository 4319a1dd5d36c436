import { expect, test } from "bun:test";
import {
  background,
  machine,
  outrigger,
  SHOP,
  shopMachine,
  shopUp,
  until,
} from "./testdata/machine.ts";

test("up runs the apps with their environment, and stops them when it is told to", async () => {
  const { world, up } = await shopUp();
  const commands = [...world.processes.children.values()].map((child) => child.command);
  expect(commands).toEqual([
    ["server", "front"],
    ["server", "api"],
  ]);
  const out = world.stdio.text();
  expect(out).toContain("frontend  | front listens on 8080, calls http://127.0.0.1:9000\n");
  expect(out).toContain("api       | api listens on 9000, calls nobody\n");
  expect(out).toMatch(/outrigger \| console: http:\/\/127\.0\.0\.1:\d+\/\n/);
  world.signals.raise("SIGINT");
  expect(await until(world, () => up.code !== null)).toBe(true);
  expect(up.code).toBe(0);
  expect(world.files.stat("/state/shop/running.json")).toBeNull();
  await world.clock.advance(10_000);
  expect(world.leaks()).toEqual([]);
});

test("a changed file restarts only the app that it changes; a bad one none", async () => {
  const { world } = await shopUp();
  const pids = () =>
    new Map([...world.processes.children.values()].map((one) => [one.command[1], one.pid]));
  const before = pids();
  const text = world.files.readText("shop.yaml");
  world.files.write("shop.yaml", text.replace("timeout: 2s", "timeuot: 2s"));
  const meant = () => world.stdio.text().includes('did you mean "timeout"');
  expect(await until(world, meant)).toBe(true);
  expect(world.stdio.text()).toContain("not in force: everything goes on as before");
  expect(pids()).toEqual(before);
  world.files.write("shop.yaml", text.replace("[server, api]", "[nowhere, api]"));
  expect(await until(world, () => world.stdio.text().includes('no program "nowhere"'))).toBe(true);
  expect(pids()).toEqual(before);
  world.files.write("shop.yaml", text.replace("[server, api]", "[server, api, --new]"));
  const changed = () => (pids().get("api") ?? 0) > (before.get("front") ?? 0) + 1;
  expect(await until(world, changed)).toBe(true);
  expect(pids().get("front")).toBe(before.get("front"));
  world.signals.raise("SIGTERM");
  await until(world, () => world.processes.children.size === 0);
});

test("what cannot start says why with its own exit code, and leaves nothing running", async () => {
  const missing = shopMachine();
  missing.files.remove("/usr/bin/server");
  const command = await outrigger(missing, "up", "shop.yaml");
  expect([command.code, command.err.split("\n")[0]]).toEqual([
    5,
    'error: App shop/frontend: there is no program "server" in PATH',
  ]);
  const taken = shopMachine();
  taken.net.listen({ address: { host: "127.0.0.1", port: 9000 } }, () => null);
  const port = await outrigger(taken, "up", "shop.yaml");
  expect(port.code).toBe(4);
  expect(port.err).toMatch(/port 9000, which App shop\/api needs, is in use by process \d+/);
  const wrong = machine({ "/home/app/shop.yaml": SHOP.replace("kind: App", "kind: Ap") });
  expect((await outrigger(wrong, "up", "shop.yaml")).code).toBe(1);
  for (const world of [missing, taken, wrong]) expect(world.processes.children.size).toBe(0);
});

test("the same set runs once", async () => {
  const { world } = await shopUp();
  const again = await outrigger(world, "up", "--name", "shop", "shop.yaml");
  expect(again.code).toBe(10);
  expect(again.err).toContain("outrigger down --name shop");
  world.signals.raise("SIGTERM");
  await until(world, () => world.processes.children.size === 0);
});

test("fields that only Kubernetes uses are named", async () => {
  const world = shopMachine();
  const text = world.files.readText("shop.yaml");
  world.files.write("shop.yaml", text.replace("spec:\n", "spec:\n  replicas: 3\n  image: a/b:1\n"));
  const up = background(world, "up", "shop.yaml");
  const said = () => world.stdio.text().includes("App frontend: only Kubernetes uses");
  expect(await until(world, said)).toBe(true);
  expect(world.stdio.text()).toMatch(/only Kubernetes uses (image, replicas|replicas, image)/);
  world.signals.raise("SIGTERM");
  await until(world, () => up.code !== null);
});
