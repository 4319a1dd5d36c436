import { expect, test } from "bun:test";
import { background, machine, outrigger, until } from "./testdata/machine.ts";

const TARGET = ["wait", "127.0.0.1:3306", "--timeout", "10s"];

test("wait ends when somebody takes a connection, and not before", async () => {
  const world = machine();
  const waiting = background(world, ...TARGET);
  await world.clock.advance(4_000);
  expect(waiting.code).toBeNull();
  const listener = world.net.listen({ address: { host: "127.0.0.1", port: 3306 } }, () => null);
  expect(await until(world, () => waiting.code !== null)).toBe(true);
  expect(waiting.code).toBe(0);
  listener.stop();
});

test("wait is bounded: status 1, or 0 for who goes on all the same; it asks until then", async () => {
  const world = machine();
  const began = world.clock.now();
  expect(await outrigger(world, ...TARGET)).toEqual({
    ...{ code: 1, out: "" },
    err: "nobody answered at 127.0.0.1:3306 in 10s\n",
  });
  const waited = world.clock.now() - began;
  expect([waited >= 9_500, waited < 11_500]).toEqual([true, true]);
  const softly = await outrigger(world, ...TARGET, "--go-on");
  expect([softly.code, softly.err]).toEqual([0, "nobody answered at 127.0.0.1:3306 in 10s; going on\n"]);
});

test("wait refuses what names nobody", async () => {
  const world = machine();
  for (const where of ["db", "db:0", "db:70000", "https://db:443/", "db:1/path"]) {
    const { code, err } = await outrigger(world, "wait", where);
    expect([where, code, err]).toEqual([where, 2, expect.stringContaining("whom to wait for")]);
  }
});
