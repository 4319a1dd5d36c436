import { expect, test } from "bun:test";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { Socket } from "../../base/world.ts";
import type { PipelinePolicy } from "../../api/snapshot.ts";
import { PipelineRunner } from "../runner.ts";
import { append, expectBalanced, policyOf, startPipeline, worldWithLogs } from "../testdata/harness.ts";

const LOG = "/logs/app.log";
const AT = { host: "127.0.0.1", port: 514 };
const nothing = (): void => {};

interface Receiver {
  /** By connection. */
  readonly got: string[];
  readonly sockets: Socket[];
  stop(): void;
}

function receiver(world: SimulatedWorld, opened: (socket: Socket) => void = nothing): Receiver {
  const got: string[] = [];
  const sockets: Socket[] = [];
  const listener = world.net.listen({ address: AT }, (socket) => {
    const nth = got.push("") - 1;
    sockets.push(socket);
    return {
      onOpen: opened,
      onData: (bytes) => void (got[nth] += Buffer.from(bytes).toString()),
      onDrain: nothing,
      onEnd: nothing,
      onClose: nothing,
    };
  });
  return { got, sockets, stop: () => listener.stop() };
}

function start(
  world: SimulatedWorld,
  config: Readonly<Record<string, unknown>> = {},
  parts: Partial<PipelinePolicy> = {},
): { runner: PipelineRunner; said: string[] } {
  const said: string[] = [];
  const own = { address: "tcp://127.0.0.1:514", framing: "newline", ...config };
  const sinks = { out: { component: "syslog", config: own as never } };
  const report = (line: string): number => said.push(line);
  const runner = startPipeline(world, policyOf({ sinks, ...parts }), { report });
  return { runner, said };
}

const messagesOf = (text: string): string[] =>
  text.split("\n").slice(0, -1).map((line) => line.slice(line.indexOf("- - - - - ") + 10));

test("a receiver that is down: nothing is lost or given up, and the order stays", async () => {
  const world = worldWithLogs(1);
  const { runner, said } = start(world);
  append(world, LOG, "one\ntwo\n");
  await world.clock.advance(10_000);
  expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 0, buffered: 2 });
  const { got } = receiver(world);
  await world.clock.advance(60_000);
  expect(got.map(messagesOf)).toEqual([["one", "two"]]);
  expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 2, buffered: 0 });
  expect(said.filter((line) => line.includes("tried again until it works")).length).toBe(1);
  expectBalanced(runner);
});

test("a connection that breaks before its messages settled: they are sent again", async () => {
  const world = worldWithLogs(1);
  const { runner } = start(world, { settleAfter: "500ms" });
  const { got, sockets } = receiver(world);
  append(world, LOG, "one\n");
  expect(await world.clock.until(() => got[0]?.includes("one") ?? false, 10_000)).toBe(true);
  expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 0 });
  sockets[0]!.terminate();
  await world.clock.advance(10_000);
  expect(got.slice(1).map(messagesOf)).toEqual([["one"]]);
  expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 1, buffered: 0 });
  // Later it is closed with nothing open: that is no failure of an event.
  sockets[1]!.close();
  append(world, LOG, "two\n");
  await world.clock.advance(10_000);
  expect(got.slice(2).map(messagesOf)).toEqual([["two"]]);
  expectBalanced(runner);
});

test("a receiver that takes nothing is given up, and the messages go to the next one", async () => {
  const world = worldWithLogs(1);
  const { runner, said } = start(world, { timeout: "2s", maxMessageBytes: "1MiB" });
  let isStuck = true;
  const { got } = receiver(world, (socket) => isStuck && socket.pause());
  append(world, LOG, `${"x".repeat(60_000)}\n`.repeat(200));
  await world.clock.advance(20_000);
  expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 0 });
  isStuck = false;
  await world.clock.advance(120_000);
  expect(runner.ledger().sinks["out"]).toMatchObject({ delivered: 200, buffered: 0 });
  expect(new Set(messagesOf(got.at(-1)!)).size).toBe(1);
  expect(said.join()).toContain("2000 ms");
  expectBalanced(runner);
});

test("what our syslog source has read is written as it came, in both formats", async () => {
  for (const format of ["rfc5424", "rfc3164"]) {
    const world = worldWithLogs(1);
    const { got } = receiver(world);
    const config = { listen: "udp://127.0.0.1:5514" };
    start(world, { format }, { sources: { net: { component: "syslog", config } } });
    await world.clock.advance(100);
    const udp = await world.net.udp(
      { address: { host: "127.0.0.1", port: 0 } },
      { onMessage: nothing },
    );
    const line =
      format === "rfc5424"
        ? '<131>1 2026-01-01T00:00:00.123Z web-1 shop 17 ID47 [o@1 id="7"] it is full'
        : "<131>Dec 31 23:59:59 web-1 shop[17]: it is full";
    udp.send(Buffer.from(line), { host: "127.0.0.1", port: 5514 });
    await world.clock.advance(5000);
    expect(got).toEqual([`${line}\n`]);
  }
});

test("a long message is cut between characters, and counted", async () => {
  const world = worldWithLogs(1);
  const { got } = receiver(world);
  const { runner } = start(world, { maxMessageBytes: "480B" });
  append(world, LOG, `${"é".repeat(1000)}\n`);
  await world.clock.advance(5000);
  expect(Buffer.byteLength(got[0]!)).toBeLessThanOrEqual(481);
  expect(got[0]).toEndWith("é\n");
  expect(runner.metrics()).toContain('counter="cut_messages"} 1');
});

test("an event cannot pass for another's: newlines and spaces stay within their part", async () => {
  const world = worldWithLogs(1);
  const { got } = receiver(world);
  start(world, {}, { steps: [{ component: "parse", config: { json: {} } }] });
  const evil = { message: "a\n<0>1 - - - - - - b", app: "x - - -", host: "h\nroot" };
  append(world, LOG, `${JSON.stringify(evil)}\n`);
  await world.clock.advance(5000);
  expect(got[0]).toBe(
    "<14>1 2026-01-01T00:00:00.000Z h_root x_-_-_- - - - a#012<0>1 - - - - - - b\n".replace(
      "2026-01-01T00:00:00.000Z",
      got[0]!.split(" ")[1]!,
    ),
  );
});

test("a datagram socket of unix is refused with what to do instead", () => {
  for (const address of ["unixgram:/run/log", "unix:/dev/log", "unix:///dev/log"]) {
    expect(() => start(worldWithLogs(1), { address })).toThrow("use udp://127.0.0.1:514");
  }
  for (const address of ["tcp://h", "tcp://h:0", "http://h:1", "tls://h:70000"]) {
    expect(() => start(worldWithLogs(1), { address })).toThrow("address");
  }
});
