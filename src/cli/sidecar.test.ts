import { expect, test } from "bun:test";
import { HttpClient } from "../http/client.ts";
import { background, machine, outrigger, SHOP, until } from "./testdata/machine.ts";

test("sidecar runs what compile prints, and drains on SIGTERM", async () => {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  world.processes.self.env["OUTRIGGER_HOME"] = "/state";
  const { out } = await outrigger(world, "compile", "shop.yaml", "--app", "frontend");
  world.files.write("s.json", out);
  const { readOnly, socket } = JSON.parse(out).bindings.admin;
  world.files.makeFolder(socket.slice(0, socket.lastIndexOf("/")));
  const running = background(world, "sidecar", "--snapshot", "s.json");
  expect(await until(world, () => world.files.stat(socket) !== null)).toBe(true);
  let status = 0;
  const request = { method: "GET", address: readOnly, path: "/ready", timeoutMs: 1_000 };
  void new HttpClient(world).request(request).then((answer) => (status = answer.status));
  expect(await until(world, () => status === 200)).toBe(true);
  world.signals.raise("SIGTERM");
  await until(world, () => running.code !== null);
  expect(running.code).toBe(0);
  await world.clock.advance(60_000);
  expect(world.leaks()).toEqual([]);
});

test("what is no Snapshot is refused with status 12, a missing option with 2", async () => {
  const world = machine({ "/home/app/s.json": "{}" });
  expect((await outrigger(world, "sidecar", "--snapshot", "s.json")).code).toBe(12);
  expect((await outrigger(world, "sidecar")).err).toContain("--snapshot is missing");
});
