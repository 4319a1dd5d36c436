import { expect, test } from "bun:test";
import { Failure } from "../base/failure.ts";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { allotPorts, LOCAL_HOST, type PortWish } from "./allot_ports.ts";

const NONE: ReadonlySet<number> = new Set();

function wish(key: string, wanted: number | null = null, mayMove = false): PortWish {
  return { key, wanted, what: key, mayMove };
}

test("ports are the same each time, and apart from each other", () => {
  const world = createSimulatedWorld({ seed: 1 });
  const wishes = Array.from({ length: 200 }, (_, at) => wish(`app/${at}`));
  const first = allotPorts(world, wishes, {}, NONE).ports;
  const again = allotPorts(createSimulatedWorld({ seed: 2 }), [...wishes], {}, NONE).ports;
  expect(again).toEqual(first);
  expect(new Set(Object.values(first)).size).toBe(200);
  for (const port of Object.values(first)) expect(port >= 20_000 && port < 30_000).toBe(true);
});

test("a port that was allotted stays, whatever comes and goes around it", () => {
  const world = createSimulatedWorld({ seed: 1 });
  const before = allotPorts(world, [wish("a"), wish("b")], {}, NONE).ports;
  const held = new Set(Object.values(before));
  const listeners = [...held].map((port) =>
    world.net.listen({ address: { host: LOCAL_HOST, port } }, () => null),
  );
  const after = allotPorts(world, [wish("c"), wish("b"), wish("a")], before, held).ports;
  expect([after["a"], after["b"]]).toEqual([before["a"], before["b"]]);
  for (const listener of listeners) listener.stop();
});

test("an allotted port that somebody else has taken is passed over", () => {
  const world = createSimulatedWorld({ seed: 1 });
  const port = allotPorts(world, [wish("a")], {}, NONE).ports["a"] ?? 0;
  world.net.listen({ address: { host: LOCAL_HOST, port } }, () => null);
  expect(allotPorts(world, [wish("a")], { a: port }, NONE).ports["a"]).toBe(port + 1);
});

test("a file's port that is in use names who holds it, with exit code 4", () => {
  const world = createSimulatedWorld({ seed: 1 });
  world.net.listen({ address: { host: LOCAL_HOST, port: 8080 } }, () => null);
  let failure: unknown;
  try {
    allotPorts(world, [wish("App shop/a", 8080)], {}, NONE);
  } catch (error) {
    failure = error;
  }
  expect(failure).toBeInstanceOf(Failure);
  const { exitCode, message } = failure as Failure;
  expect(exitCode).toBe(4);
  expect(message).toContain("port 8080, which App shop/a needs, is in use by process");
  expect(message).toContain("(outrigger)");
});

test("two sidecars with the same port: the second moves and says so; two apps cannot", () => {
  const world = createSimulatedWorld({ seed: 1 });
  const { ports, notices } = allotPorts(
    world,
    [wish("a", 8080, true), wish("b", 8080, true)],
    {},
    NONE,
  );
  expect(ports["a"]).toBe(8080);
  expect(ports["b"]).not.toBe(8080);
  expect(notices).toEqual([`port 8080 is taken in this set: b listens on ${ports["b"]}`]);
  const both = [wish("a", 9000), wish("b", 9000)];
  expect(() => allotPorts(world, both, {}, NONE)).toThrow("port 9000 is wanted twice");
});

test("files that are only looked at ask the system for nothing", () => {
  const world = createSimulatedWorld({ seed: 1 });
  world.net.listen({ address: { host: LOCAL_HOST, port: 8080 } }, () => null);
  expect(allotPorts(world, [wish("a", 8080)], {}, null).ports["a"]).toBe(8080);
});
