import { expect, test } from "bun:test";
import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import type { Socket } from "../base/world.ts";
import { HttpClient } from "./client.ts";
import { type JsonLine, jsonLinesAnswer, type JsonLineWriter, readJsonLines } from "./json_lines.ts";
import { HttpServer, textAnswer } from "./server.ts";

const ADDRESS = { host: "127.0.0.1", port: 7000 };
const REQUEST = { method: "GET", address: ADDRESS, path: "/lines", timeoutMs: 0 };

function serve(world: SimulatedWorld) {
  const seen = { lines: null as JsonLineWriter | null, stopped: 0 };
  const server = new HttpServer(world, {
    address: ADDRESS,
    handle: ({ path }) => {
      if (path !== "/lines") return textAnswer(404, "known here: /lines");
      return jsonLinesAnswer((lines) => {
        seen.lines = lines;
        return () => (seen.stopped += 1);
      });
    },
  });
  server.start();
  return { server, seen };
}

/** A reader that takes nothing until it is told to. */
function rawReader(world: SimulatedWorld) {
  const reader = { socket: null as Socket | null, text: "", closed: false };
  world.net.connect(ADDRESS, {
    onOpen: (socket) => {
      reader.socket = socket;
      const head = Buffer.from("GET /lines HTTP/1.0\r\n\r\n");
      socket.write(head, 0, head.length);
      socket.pause();
    },
    onData: (bytes) => (reader.text += Buffer.from(bytes).toString()),
    onDrain: () => {},
    onEnd: () => reader.socket?.close(),
    onClose: () => (reader.closed = true),
    onConnectError: () => {},
  });
  return reader;
}

test("lines come one by one, however they are cut, until either side ends it", async () => {
  for (let seed = 0; seed < 10; seed += 1) {
    const faults = { partialRead: 1, partialWrite: 0.5 };
    const world = createSimulatedWorld({ seed, faults });
    const { server, seen } = serve(world);
    const got: JsonLine[] = [];
    const client = new HttpClient(world);
    let done = false;
    const whole = readJsonLines(client, REQUEST, (line) => got.push(line));
    void whole.then(() => (done = true));
    await world.clock.until(() => seen.lines !== null, 1_000);
    expect(seen.lines!.write({ n: 1, text: "a\nb" })).toBe(true);
    await world.clock.until(() => got.length === 1, 1_000);
    seen.lines!.write({ lost: 1, n: 2 });
    seen.lines!.lose(3);
    seen.lines!.end();
    await world.clock.until(() => done, 10_000);
    expect(got).toEqual([
      { value: { n: 1, text: "a\nb" } },
      { value: { lost: 1, n: 2 } },
      { lost: 3 },
    ]);
    expect([(await whole).status, seen.stopped]).toEqual([200, 1]);

    const leave = new AbortController();
    const left = readJsonLines(client, { ...REQUEST, abort: leave.signal }, () => {});
    const how = left.then(
      () => "whole",
      (error: unknown) => (error as { code: string }).code,
    );
    await world.clock.advance(1_000);
    leave.abort();
    await world.clock.advance(1_000);
    expect([await how, seen.stopped]).toEqual(["aborted", 2]);
    server.stop();
    await world.clock.advance(60_000);
    expect(world.leaks()).toEqual([]);
  }
});

test("a reader that is behind loses lines, which are counted and said; memory is bounded", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const { server, seen } = serve(world);
  const reader = rawReader(world);
  await world.clock.until(() => seen.lines !== null, 1_000);
  const text = "x".repeat(1_000);
  let taken = 0;
  for (let n = 0; n < 5_000; n += 1) if (seen.lines!.write({ n, text })) taken += 1;
  expect(taken).toBeGreaterThan(200);
  expect(taken).toBeLessThan(1_000);
  reader.socket!.resume();
  await world.clock.advance(1_000);
  expect(seen.lines!.write({ last: true })).toBe(true);
  seen.lines!.end();
  await world.clock.until(() => reader.closed, 10_000);
  const lines = reader.text.slice(reader.text.indexOf("\r\n\r\n") + 4).trim().split("\n");
  expect(lines.length).toBe(taken + 2);
  expect(lines.slice(-2)).toEqual([`{"lost":${5_000 - taken}}`, '{"last":true}']);
  server.stop();
});

test("a reader that takes nothing for half a minute is dropped, a stream at rest is not", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const { server, seen } = serve(world);
  const idle = rawReader(world);
  await world.clock.advance(600_000);
  expect([idle.closed, seen.stopped]).toEqual([false, 0]);
  for (let n = 0; n < 2_000; n += 1) seen.lines!.write({ n, text: "x".repeat(1_000) });
  await world.clock.advance(29_000);
  expect(seen.stopped).toBe(0);
  await world.clock.advance(2_000);
  expect([idle.closed, seen.stopped]).toEqual([true, 1]);
  server.stop();
});

test("another status than 200 comes with its text, a line that is no JSON counts as lost", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const { server } = serve(world);
  const got: JsonLine[] = [];
  const answers = [
    { path: "/none", text: "known here: /lines\n", status: 404 },
    { path: "/bad", text: "", status: 200 },
  ];
  const bad = new HttpServer(world, {
    address: { host: "127.0.0.1", port: 7001 },
    handle: () => ({ status: 200, body: '{"n":1}\n{"n":\n\n{"n":2}\n' }),
  });
  bad.start();
  for (const { path, text, status } of answers) {
    const address = path === "/bad" ? { host: "127.0.0.1", port: 7001 } : ADDRESS;
    let done = false;
    const asked = readJsonLines(new HttpClient(world), { ...REQUEST, address, path }, (line) =>
      got.push(line),
    );
    void asked.then(() => (done = true));
    await world.clock.until(() => done, 5_000);
    const answer = await asked;
    expect([answer.status, Buffer.from(answer.body).toString()]).toEqual([status, text]);
  }
  expect(got).toEqual([{ value: { n: 1 } }, { lost: 1 }, { lost: 1 }, { value: { n: 2 } }]);
  server.stop();
  bad.stop();
});
