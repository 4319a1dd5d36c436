import { expect, test } from "bun:test";
import "../api/capture_order.ts";
import "../local/sidecars.ts";
import "../operate/read_capture.ts";
import "../operate/replay.ts";
import { background, outrigger, until } from "./testdata/machine.ts";
import { runningSidecars } from "./testdata/running_sidecars.ts";

test("replay shows what changed files would change, and ends with 1; with 0 where nothing does", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  const options = ["--ratio", "100%", "--to", "c.jsonl", "--duration", "5s"];
  const capture = background(world, "capture", "frontend", ...options);
  await running.pass(100);
  for (const path of ["/a", "/a", "/old/x", "/api/b"]) await ask(path);
  await until(world, () => capture.code !== null);
  const before = world.files.readText("shop.yaml");
  const same = await outrigger(world, "replay", "c.jsonl", "--against", "shop.yaml");
  expect([same.code, same.out, same.err]).toEqual([
    0,
    "5 requests: 0 change, 5 do not, 0 are not compared\n",
    "",
  ]);
  const routes = [
    "  routes:",
    "    - { path: /old/*, redirect: { prefix: /new } }",
    "    - { path: /*, headers: { request: { set: { x-forwarded-proto: https } } } }",
    "",
  ].join("\n");
  world.files.write("next.yaml", before.replace("  calls:\n", `${routes}  calls:\n`));
  const { code, out, err } = await outrigger(world, "replay", "c.jsonl", "--against", "next.yaml");
  expect(err).toBe("");
  expect(code).toBe(1);
  const lines = out.split("\n").map((line) => line.split(/ {2,}/).filter((cell) => cell !== ""));
  expect(lines[0]).toEqual(["COUNT", "LISTENER", "REQUEST", "WHAT", "BEFORE", "AFTER"]);
  expect(lines[1]).toEqual(
    ["2", "inbound", "GET shop/a", "sent header x-forwarded-proto", "-", "https"],
  );
  expect(lines).toContainEqual(["1", "inbound", "GET shop/old/x", "route", "/*", "/old/*"]);
  expect(lines).toContainEqual(["answer header location", "-", "/new/x"]);
  expect(out).toContain("5 requests: 4 change, 1 do not, 0 are not compared\n");
  const json = await outrigger(world, "replay", "c.jsonl", "--against", "next.yaml", "-o", "json");
  expect(JSON.parse(json.out)).toMatchObject({ requests: 5, same: 1, changed: 4, excluded: {} });

  const strange = await outrigger(world, "replay", "c.jsonl", "--against", "next.yaml", "--app", "x");
  expect([strange.code, strange.err]).toEqual([2, expect.stringContaining("no sidecar of x")]);
  const nothing = await outrigger(world, "replay", "c.jsonl");
  expect([nothing.code, nothing.err]).toEqual([2, expect.stringContaining("--against")]);
  const other = await outrigger(world, "replay", "shop.yaml", "--against", "next.yaml");
  expect([other.code, other.err]).toEqual([2, expect.stringContaining("shop.yaml:1 is no line of")]);
  await running.stop();
});
