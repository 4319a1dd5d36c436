import { describe, expect, test } from "bun:test";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { Socket, SocketAddress } from "../../base/world.ts";
import {
  STDOUT,
  expectBalanced,
  messages,
  policyOf,
  startPipeline,
  stopPipeline,
} from "../testdata/harness.ts";

const ADDRESS = { host: "127.0.0.1", port: 5514 };

const policy = (config = {}) =>
  policyOf({
    sources: { net: { component: "syslog", config: { listen: "tcp://127.0.0.1:5514", ...config } } },
  });

interface Sender {
  socket: Socket | null;
  sent: number;
  isClosed: boolean;
}

/** Writes all of it as fast as it is taken, then closes where told to. */
function send(world: SimulatedWorld, data: string | Buffer, close = true, to?: SocketAddress): Sender {
  const bytes = Buffer.from(data);
  const sender: Sender = { socket: null, sent: 0, isClosed: false };
  const write = (): void => {
    while (sender.sent < bytes.length) {
      const taken = sender.socket!.write(bytes, sender.sent, bytes.length - sender.sent);
      if (taken <= 0) return;
      sender.sent += taken;
    }
    if (close) sender.socket!.close();
  };
  world.net.connect(to ?? ADDRESS, {
    onOpen: (socket) => {
      sender.socket = socket;
      write();
    },
    onData: () => {},
    onDrain: write,
    onEnd: () => sender.socket?.close(),
    onClose: () => (sender.isClosed = true),
    onConnectError: () => (sender.isClosed = true),
  });
  return sender;
}

const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `<13>1 - h app - - - line ${from + i}`);

describe("streams", () => {
  test("every message of many senders arrives once, however the bytes are cut", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const faults = { partialRead: 1, partialWrite: 0.7, windowBytes: 1024 };
      const world = createSimulatedWorld({ seed, faults });
      const runner = startPipeline(world, policy());
      send(world, lines(0, 200).join("\n"));
      send(world, `${lines(200, 400).join("\n")}\n`);
      send(world, lines(400, 600).map((line) => `${line.length} ${line}`).join(""));
      await world.clock.advance(60_000);
      const found = new Set(messages(world));
      expect([seed, messages(world).length, found.size]).toEqual([seed, 600, 600]);
      expectBalanced(runner);
      await stopPipeline(world, runner);
      expect(world.leaks()).toEqual([]);
    }
  });

  test("senders wait while a sink pushes back, and nothing is lost", async () => {
    const world = createSimulatedWorld({ seed: 1, faults: { windowBytes: 4096 } });
    world.stdio.stdout.isBlocked = true;
    const buffer = { maxEvents: 50, maxBytes: 100_000 };
    const runner = startPipeline(world, { ...policy(), sinks: { out: { ...STDOUT, buffer } } });
    const senders = [0, 1, 2].map((n) => send(world, `${lines(n * 1000, n * 1000 + 1000).join("\n")}\n`));
    await world.clock.advance(10_000);
    expect(runner.ledger().sources["net"]!.received).toBeLessThan(700);
    expect(senders.every(({ isClosed }) => isClosed)).toBe(false);
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(10_000);
    expect(new Set(messages(world)).size).toBe(3000);
    expect(messages(world).length).toBe(3000);
    expectBalanced(runner);
  });

  test("fields of both formats, and what is neither is kept with its reason", async () => {
    const world = createSimulatedWorld({ seed: 1, startMs: Date.UTC(2024, 2, 1) });
    const runner = startPipeline(world, policy());
    send(
      world,
      '<165>1 2003-10-11T22:14:15.003Z web-1 app 12 ID47 [x@1 a="b"] started\n' +
        "<34>Oct 11 22:14:15 web-1 su: failed\nnonsense\n\n",
    );
    await world.clock.advance(100);
    const found = world.stdio.text().trim().split("\n");
    expect(found.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        time: "2003-10-11T22:14:15.003Z",
        level: "notice",
        facility: "local4",
        host: "web-1",
        app: "app",
        process_id: "12",
        message_id: "ID47",
        data: { "x@1": { a: "b" } },
        message: "started",
        peer: "127.0.0.1",
      },
      {
        time: "2023-10-11T22:14:15.000Z",
        level: "crit",
        facility: "auth",
        host: "web-1",
        app: "su",
        message: "failed",
        peer: "127.0.0.1",
      },
      { message: "nonsense", parse_error: "no-header", peer: "127.0.0.1" },
    ]);
    expect(runner.metrics()).toContain('counter="unparsed_no-header"');
  });

  test("daylight saving: times of RFC 3164 are read in the zone that they were written in", async () => {
    // Clocks go from 02:00 to 03:00 in Berlin on 29 March, and back on 25 October 2026.
    const startMs = Date.UTC(2026, 9, 26);
    const world = createSimulatedWorld({ seed: 1, startMs });
    startPipeline(world, policy({ timeZone: "Europe/Berlin" }));
    const stamps = ["Mar 29 01:59:59", "Mar 29 03:00:00", "Oct 25 01:59:59", "Oct 25 03:00:00"];
    send(world, stamps.map((stamp) => `<13>${stamp} h app: m\n`).join(""));
    await world.clock.advance(1000);
    const events = world.stdio.text().trim().split("\n");
    expect(events.map((line) => (JSON.parse(line) as { time: string }).time)).toEqual([
      "2026-03-29T00:59:59.000Z",
      "2026-03-29T01:00:00.000Z",
      "2026-10-24T23:59:59.000Z",
      "2026-10-25T02:00:00.000Z",
    ]);
    expect(() => startPipeline(world, policy({ timeZone: "Mars/Base" }))).toThrow("no such zone");
  });

  test("a long message is cut, and the next one is whole", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    const runner = startPipeline(world, policy({ maxMessageBytes: "480B", format: "none" }));
    send(world, `<13>${"x".repeat(2000)}\n600 <13>${"y".repeat(596)}<13>next\n`);
    await world.clock.advance(100);
    expect(messages(world).map((message) => message.length)).toEqual([480, 480, 8]);
    expect(runner.metrics()).toMatch(/counter="long_messages"} 2/);
  });

  test("connections and their silence are bounded", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    const runner = startPipeline(world, policy({ maxConnections: 2, idleTimeout: "10s" }));
    const senders = [1, 2, 3].map((n) => send(world, `<13>1 - - - - - - ${n}\n`, false));
    await world.clock.advance(5000);
    expect(messages(world).length).toBe(2);
    expect(senders.filter(({ isClosed }) => isClosed).length).toBe(1);
    senders.find(({ isClosed }) => !isClosed)!.socket!.write(Buffer.from("<13>more\n"), 0, 9);
    await world.clock.advance(7000);
    expect(senders.filter(({ isClosed }) => isClosed).length).toBe(2);
    await world.clock.advance(7000);
    expect(senders.every(({ isClosed }) => isClosed)).toBe(true);
    expect(runner.metrics()).toMatch(/counter="idle_closed"} 2/);
    await stopPipeline(world, runner);
    expect(world.leaks()).toEqual([]);
  });

  test("what is not counted ends a counted stream", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    const runner = startPipeline(world, policy({ framing: "octet-counting" }));
    const sender = send(world, "7 <13>one<13>two\n", false);
    await world.clock.advance(1000);
    expect(messages(world)).toEqual(["one"]);
    expect(sender.isClosed).toBe(true);
    expect(runner.metrics()).toContain('counter="framing_errors"');
  });

  test("a unix socket has the mode that was asked for; a stale file is replaced", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    world.files.makeFolder("/run");
    world.files.placeSocket("/run/log.sock", 0o600);
    const config = { listen: "unix:///run/log.sock", mode: "0660" };
    const runner = startPipeline(world, policy(config));
    expect(world.files.stat("/run/log.sock")!.mode & 0o777).toBe(0o660);
    send(world, "<13>Oct 11 22:14:15 app[7]: one\0<13>Oct 11 22:14:15 app[7]: two\0", true, {
      path: "/run/log.sock",
    });
    await world.clock.advance(100);
    expect(messages(world)).toEqual(["one", "two"]);
    await stopPipeline(world, runner);
  });

  test("a source with the port of one that is being stopped waits for it", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    const first = startPipeline(world, policy());
    const said: string[] = [];
    const second = startPipeline(world, policy(), { report: (line) => said.push(line) });
    await world.clock.advance(1000);
    await stopPipeline(world, first);
    await world.clock.advance(1000);
    send(world, "<13>1 - - - - - - one\n");
    await world.clock.advance(100);
    expect(second.ledger().sources["net"]!.received).toBe(1);
    expect(said.length).toBe(2);
    expect(said[0]).toContain("tried again");
    expect(said[1]).toContain("listens on tcp://127.0.0.1:5514 now");
    await stopPipeline(world, second);
    expect(world.leaks()).toEqual([]);
  });
});

describe("datagrams", () => {
  test("each is a message; what finds no room is counted", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    const buffer = { maxEvents: 5, maxBytes: 100_000 };
    const udp = policy({ listen: "udp://127.0.0.1:5514" });
    const runner = startPipeline(world, { ...udp, sinks: { out: { ...STDOUT, buffer } } });
    await world.clock.advance(1);
    let port = 0;
    void world.net
      .udp({ address: { host: "127.0.0.1", port: 0 } }, { onMessage: () => {} })
      .then((socket) => {
        port = socket.port;
        for (let n = 0; n < 3; n++) socket.send(Buffer.from(`<13>app[1]: ${n}\n`), ADDRESS);
        world.clock.after(1000, () => {
          world.stdio.stdout.isBlocked = true;
          for (let n = 3; n < 8; n++) socket.send(Buffer.from(`<13>app[1]: ${n}`), ADDRESS);
        });
        world.clock.after(2000, () => {
          for (let n = 8; n < 10; n++) socket.send(Buffer.from(`<13>app[1]: ${n}`), ADDRESS);
        });
        world.clock.after(3000, () => socket.close());
      });
    await world.clock.advance(4000);
    expect(port).toBeGreaterThan(0);
    world.stdio.stdout.isBlocked = false;
    await world.clock.advance(1000);
    expect(messages(world).map(Number).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(runner.ledger().sources["net"]!.dropped).toEqual({ "no-room": 2 });
    expectBalanced(runner);
    await stopPipeline(world, runner);
    expect(world.leaks()).toEqual([]);
  });

  test("what the system threw away is counted", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    world.files.makeFolder("/proc/net");
    const table = (drops: number): string =>
      "  sl  local_address rem_address st tx rx tr tm uid timeout inode ref pointer drops\n" +
      `  1: 0100007F:158A 00000000:0000 07 0:0 00:0 0 0 0 1 2 0 ${drops}\n` +
      "  2: 0100007F:158B 00000000:0000 07 0:0 00:0 0 0 0 1 2 0 99\n";
    world.files.write("/proc/net/udp", table(3));
    const runner = startPipeline(world, policy({ listen: "udp://:5514" }));
    await world.clock.advance(1000);
    world.files.write("/proc/net/udp", table(10));
    await world.clock.advance(20_000);
    expect(runner.ledger().sources["net"]!.dropped).toEqual({ "receive-buffer-full": 7 });
    await stopPipeline(world, runner);
  });
});

describe("the address", () => {
  test("has to be one, and TLS needs its files", () => {
    const world = createSimulatedWorld({ seed: 1 });
    const refused = (config: object): string => {
      try {
        startPipeline(world, policy(config));
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
    expect(refused({ listen: "http://127.0.0.1:1" })).toContain("udp:, tcp:, tls:, unix:");
    expect(refused({ listen: "tcp://web:514" })).toContain('"web" is no IP address');
    expect(refused({ listen: "tcp://127.0.0.1:99999" })).toContain("99999 is no port");
    expect(refused({ listen: "tls://127.0.0.1:6514" })).toContain("needs tls");
  });
});
