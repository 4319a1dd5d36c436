import { expect, test } from "bun:test";
import { checksumOf, pattern, Recorder, Sender } from "../contract/recorder.ts";
import type { Socket } from "../world.ts";
import { ROUGH } from "./faults.ts";
import { createSimulatedWorld } from "./mod.ts";
import type { SimulatedWorld } from "./mod.ts";

const ADDRESS = { host: "10.0.0.2", port: 80 };

/** Sends `length` bytes from each of `clients`, which a server echoes; tells how it went. */
async function echoes(world: SimulatedWorld, clients: number, length: number): Promise<string[]> {
  const listener = world.net.listen({ address: ADDRESS }, () => echoServer());
  const recorders: Recorder[] = [];
  for (let index = 0; index < clients; index += 1) {
    const client = new Recorder();
    const sender = new Sender(pattern(length), (socket) => socket.shutdown());
    client.onOpenDo = client.onDrainDo = sender.pump;
    world.net.connect(ADDRESS, client);
    recorders.push(client);
  }
  await world.clock.advance(600_000);
  listener.stop();
  return recorders.map(({ story, received, checksum }) => `${story} ${received} ${checksum}`);
}

/** Sends back what comes, however slowly it is taken, and reads no faster than that. */
function echoServer(): Recorder {
  const server = new Recorder();
  const rest: Uint8Array[] = [];
  let hasEnded = false;
  const pump = (socket: Socket): void => {
    for (let chunk = rest[0]; chunk !== undefined; chunk = rest[0]) {
      const taken = socket.write(chunk, 0, chunk.length);
      if (taken < 0) return;
      if (taken < chunk.length) {
        rest[0] = chunk.subarray(taken);
        socket.pause();
        return;
      }
      rest.shift();
    }
    socket.resume();
    if (hasEnded) socket.close();
  };
  server.onDataDo = (socket, bytes) => {
    rest.push(bytes);
    if (rest.length === 1) pump(socket);
  };
  server.onDrainDo = pump;
  server.onEndDo = (socket) => {
    hasEnded = true;
    if (rest.length === 0) socket.close();
  };
  return server;
}

async function traceOf(seed: number): Promise<string> {
  const lines: string[] = [];
  const world = createSimulatedWorld({ seed, faults: ROUGH, trace: (line) => lines.push(line) });
  await echoes(world, 20, 20_000);
  expect(world.leaks()).toEqual([]);
  return lines.join("\n");
}

test("the same seed gives the same run, another seed another", async () => {
  const [first, again, other] = [await traceOf(1), await traceOf(1), await traceOf(2)];
  expect(first.split("\n").length).toBeGreaterThan(100);
  expect(again).toBe(first);
  expect(other).not.toBe(first);
});

test("whatever the faults, bytes go only with the connection, and nothing leaks", async () => {
  const whole = `open, data, end, close 50000 ${checksumOf(pattern(50_000))}`;
  let [good, bad] = [0, 0];
  for (let seed = 0; seed < 20; seed += 1) {
    const world = createSimulatedWorld({ seed, faults: ROUGH });
    for (const result of await echoes(world, 10, 50_000)) {
      if (result === whole) good += 1;
      else bad += 1;
      const fate = /^(open, (data, )?(end, )?close( reset)?|connect error (refused|timeout)) /;
      expect(result).toMatch(fate);
      if (!result.includes("reset") && !result.startsWith("connect")) expect(result).toBe(whole);
    }
    expect(world.leaks()).toEqual([]);
  }
  expect(good).toBeGreaterThan(20);
  expect(bad).toBeGreaterThan(20);
});

test("each fault can be switched on alone, at run time, and off again", async () => {
  const world = createSimulatedWorld({ seed: 3 });
  const one = async (): Promise<string> => (await echoes(world, 1, 1_000))[0]!;
  const whole = `open, data, end, close 1000 ${checksumOf(pattern(1_000))}`;
  expect(await one()).toBe(whole);
  world.net.setFaults({ connectRefused: 1 });
  expect(await one()).toBe("connect error refused 0 0");
  world.net.setFaults({ connectRefused: 0, connectLost: 1 });
  expect(await one()).toBe("connect error timeout 0 0");
  world.net.setFaults({ connectLost: 0, reset: 1 });
  expect(await one()).toBe("open, close reset 0 0");
  world.net.setFaults({ reset: 0, partialRead: 1, partialWrite: 1 });
  expect(await one()).toBe(whole);
  world.net.setFaults({ partialRead: 0, partialWrite: 0 });
  world.net.setLink("127.0.0.1", "10.0.0.2", { connectRefused: 1 });
  expect(await one()).toBe("connect error refused 0 0");
  world.net.setLink("10.0.0.2", "127.0.0.1", { connectRefused: 0 });
  expect(world.leaks()).toEqual([]);
});

test("latency is as long as it was set", async () => {
  const world = createSimulatedWorld({ seed: 4, faults: { latencyMs: [10, 10] } });
  const opened: number[] = [];
  const listener = world.net.listen({ address: ADDRESS }, () => echoServer());
  const client = new Recorder();
  client.onOpenDo = (socket) => {
    opened.push(world.clock.now());
    socket.write(pattern(1), 0, 1);
  };
  client.onDataDo = (socket) => {
    opened.push(world.clock.now());
    socket.close();
  };
  world.net.connect(ADDRESS, client);
  await world.clock.advance(100);
  // A round trip for the handshake, another for the echo.
  expect(opened).toEqual([20, 40]);
  listener.stop();
  expect(world.leaks()).toEqual([]);
});

test("a connect that nobody answers can be given up, and otherwise ends by itself", async () => {
  const world = createSimulatedWorld({ seed: 5, faults: { connectLost: 1 } });
  const listener = world.net.listen({ address: ADDRESS }, () => null);
  const [given, patient] = [new Recorder(), new Recorder()];
  const dial = world.net.connect(ADDRESS, given);
  world.net.connect(ADDRESS, patient);
  await world.clock.advance(60_000);
  expect(world.net.pendingDials).toBe(2);
  dial.abort();
  expect(world.net.pendingDials).toBe(1);
  await world.clock.advance(120_000);
  expect([given.events, patient.events]).toEqual([[], ["connect error timeout"]]);
  listener.stop();
  expect(world.leaks()).toEqual([]);
});

test("a partition holds back data and connects, and healing lets the data through", async () => {
  const world = createSimulatedWorld({ seed: 6 });
  const [a, b] = [world.at("10.0.0.1"), world.at("10.0.0.2")];
  const server = new Recorder();
  const listener = b.net.listen({ address: { host: "0.0.0.0", port: 80 } }, () => server);
  const client = new Recorder();
  a.net.connect(ADDRESS, client);
  await world.clock.advance(10);
  expect([server.socket.remoteAddress, client.socket.localAddress]).toEqual([
    "10.0.0.1",
    "10.0.0.1",
  ]);
  world.net.partition("10.0.0.1", "10.0.0.2");
  client.socket.write(pattern(3), 0, 3);
  const late = new Recorder();
  a.net.connect(ADDRESS, late).abort();
  await world.clock.advance(5_000);
  expect([server.received, client.isOver]).toEqual([0, false]);
  world.net.heal("10.0.0.1", "10.0.0.2");
  await world.clock.advance(1_000);
  expect(server.received).toBe(3);
  client.socket.terminate();
  await world.clock.advance(10);
  listener.stop();
  expect(world.leaks()).toEqual([]);
});

test("however often the hosts are parted and joined, bytes keep their order", async () => {
  const whole = `open, data, end, close 50000 ${checksumOf(pattern(50_000))}`;
  for (let seed = 0; seed < 10; seed += 1) {
    const faults = { latencyMs: [0.1, 30], windowBytes: 4_096, partialRead: 0.5 } as const;
    const world = createSimulatedWorld({ seed, faults });
    let isCut = false;
    const timer = world.clock.every(37, () => {
      isCut = !isCut;
      if (isCut) world.net.partition("127.0.0.1", "10.0.0.2");
      else world.net.heal("127.0.0.1", "10.0.0.2");
    });
    const results = await echoes(world, 3, 50_000);
    timer.cancel();
    expect(results).toEqual([whole, whole, whole]);
    expect(world.leaks()).toEqual([]);
  }
});

test("each host has a loopback of its own", async () => {
  const world = createSimulatedWorld({ seed: 7 });
  const [a, b] = [world.at("10.0.0.1"), world.at("10.0.0.2")];
  const listener = a.net.listen({ address: { host: "127.0.0.1", port: 80 } }, () => null);
  const [here, there] = [new Recorder(), new Recorder()];
  a.net.connect({ host: "127.0.0.1", port: 80 }, here);
  b.net.connect({ host: "127.0.0.1", port: 80 }, there);
  await world.clock.advance(10);
  expect([here.events[0], there.events[0]]).toEqual(["open", "connect error refused"]);
  listener.stop();
});

test("writing to a peer that has closed is answered by a reset", async () => {
  const world = createSimulatedWorld({ seed: 8 });
  const server = new Recorder();
  server.onOpenDo = (socket) => socket.close();
  const listener = world.net.listen({ address: ADDRESS }, () => server);
  const client = new Recorder();
  client.onEndDo = (socket) => expect(socket.write(pattern(5), 0, 5)).toBe(5);
  world.net.connect(ADDRESS, client);
  await world.clock.advance(10);
  expect(client.story).toBe("open, end, close reset");
  listener.stop();
  expect(world.leaks()).toEqual([]);
});

test("names resolve by the table, with a time to live, or fail as it says", async () => {
  const world = createSimulatedWorld({ seed: 9 });
  world.net.setName("api.test", { addresses: ["10.0.0.2", "10.0.0.3"], ttlMs: 7_000 });
  world.net.setName("slow.test", "timeout");
  const ask = async (name: string): Promise<unknown> => {
    const answer = world.net.resolve(name).catch((error: { code: string }) => error.code);
    await world.clock.advance(10_000);
    return answer;
  };
  expect(await ask("API.test.")).toEqual([
    { address: "10.0.0.2", ttlMs: 7_000 },
    { address: "10.0.0.3", ttlMs: 7_000 },
  ]);
  expect(await ask("no.test")).toBe("name-not-found");
  expect(await ask("slow.test")).toBe("name-timeout");
  world.net.setName("api.test", "not-found");
  expect(await ask("api.test")).toBe("name-not-found");
  world.net.setName("api.test", { addresses: ["10.0.0.2"] });
  world.net.partition("127.0.0.1", "dns");
  expect(await ask("api.test")).toBe("name-timeout");
});
