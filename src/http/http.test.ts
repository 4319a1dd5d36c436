import { expect, test } from "bun:test";
import { createSimulatedWorld, type SimulatedWorld } from "../base/simulated/mod.ts";
import { type HttpAnswer, HttpClient, HttpError, type HttpRequest } from "./client.ts";
import {
  HttpServer,
  type HttpServerOptions,
  jsonAnswer,
  type StreamWriter,
  textAnswer,
} from "./server.ts";

const ADDRESS = { host: "127.0.0.1", port: 7000 };
const REQUEST = { method: "GET", address: ADDRESS, path: "/", timeoutMs: 5_000 };

function start(world: SimulatedWorld, options: Partial<HttpServerOptions>): HttpServer {
  const server = new HttpServer(world, {
    address: ADDRESS,
    handle: (request) => jsonAnswer(200, { path: request.path, body: request.body.length }),
    ...options,
  });
  server.start();
  return server;
}

async function settle<T>(world: SimulatedWorld, promise: Promise<T>, limitMs = 60_000): Promise<T> {
  let done = false;
  const end = () => (done = true);
  promise.then(end, end);
  await world.clock.until(() => done, limitMs);
  return promise;
}

function get(
  world: SimulatedWorld,
  some: Partial<HttpRequest> = {},
  client = new HttpClient(world),
): Promise<HttpAnswer> {
  return settle(world, client.request({ ...REQUEST, ...some }));
}

async function codeOf(promise: Promise<HttpAnswer>): Promise<string> {
  return promise.then(
    (answer) => `answered ${answer.status}`,
    (error: unknown) => (error instanceof HttpError ? error.code : String(error)),
  );
}

/** Sends bytes as they are, and collects what comes back until the connection ends. */
async function raw(world: SimulatedWorld, text: string): Promise<string> {
  let answer = "";
  let closed = false;
  let close = () => {};
  world.net.connect(ADDRESS, {
    onOpen: (socket) => {
      close = () => socket.close();
      socket.write(Buffer.from(text), 0, text.length);
    },
    onData: (bytes) => (answer += Buffer.from(bytes).toString()),
    onDrain: () => {},
    onEnd: () => close(),
    onClose: () => (closed = true),
    onConnectError: () => (closed = true),
  });
  await world.clock.until(() => closed, 60_000);
  return answer;
}

test("a large body is sent as it lies there, and not any more once it is answered", async () => {
  const world = createSimulatedWorld({ seed: 1, faults: { windowBytes: 1024 } });
  const received: Buffer[] = [];
  world.net.listen({ address: ADDRESS }, (socket) => ({
    onOpen: () => {},
    onData: (bytes) => {
      const answer = Buffer.from("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n");
      if (received.length === 0) socket.write(answer, 0, answer.length);
      received.push(Buffer.from(bytes));
    },
    onDrain: () => {},
    onEnd: () => socket.close(),
    onClose: () => {},
  }));
  const body = Buffer.alloc(200_000, "a");
  const client = new HttpClient(world, { maxIdle: 2, idleMs: 60_000 });
  const { status } = await get(world, { method: "POST", body }, client);
  expect(status).toBe(413);
  // It is the caller's again: the rest of it must not follow as something else.
  body.fill("Z");
  await world.clock.advance(10_000);
  const all = Buffer.concat(received).toString();
  expect(all).toContain("\r\n\r\naaa");
  expect(all).not.toContain("Z");
});

test("a request travels whole, however its bytes are cut", async () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const faults = { partialRead: 1, partialWrite: 0.7, windowBytes: 1024 };
    const world = createSimulatedWorld({ seed, faults });
    const server = start(world, {
      handle: (request) => ({
        status: 201,
        headers: { "x-query": request.query.get("a") ?? "" },
        body: request.body,
      }),
    });
    const body = Buffer.alloc(seed % 2 === 0 ? 20_000 : 80_000, 97 + seed);
    const answer = await get(world, { method: "POST", path: "/x?a=b%20c", body });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("x-query")).toBe("b c");
    expect(Buffer.from(answer.body).equals(body)).toBe(true);
    server.stop();
    await world.clock.advance(100);
    expect(world.leaks()).toEqual([]);
  }
});

test("connections are used again when asked for, and an idle one ends in time", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  let connections = 0;
  const listen = world.net.listen.bind(world.net);
  world.net.listen = (options, accept) =>
    listen(options, (socket) => {
      connections += 1;
      return accept(socket);
    });
  const server = start(world, {});
  const client = new HttpClient(world, { maxIdle: 2, idleMs: 1_000 });
  for (let round = 0; round < 3; round += 1) await get(world, {}, client);
  expect(connections).toBe(1);
  await world.clock.advance(2_000);
  await get(world, {}, client);
  expect(connections).toBe(2);
  client.close();
  server.stop();
  await world.clock.advance(100);
  expect(world.leaks()).toEqual([]);
});

test("each way to fail has its code", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  expect(await codeOf(get(world))).toBe("connect");
  const server = start(world, {
    handle: (request) =>
      request.path === "/never" ? new Promise(() => {}) : textAnswer(200, "x".repeat(2_000)),
  });
  expect(await codeOf(get(world, { path: "/never" }))).toBe("timeout");
  expect(await codeOf(get(world, { maxBodyBytes: 100 }))).toBe("too-large");
  const controller = new AbortController();
  world.clock.after(50, () => controller.abort());
  expect(await codeOf(get(world, { path: "/never", abort: controller.signal }))).toBe("aborted");
  server.stop();
  await world.clock.advance(1_000);
  const replies = [
    ["not http at all\r\n\r\n", "malformed"],
    ["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", "closed"],
  ] as const;
  for (const [reply, code] of replies) {
    const listener = world.net.listen({ address: ADDRESS }, (socket) => ({
      onOpen: () => {},
      onData: () => {
        socket.write(Buffer.from(reply), 0, reply.length);
        socket.close();
      },
      onDrain: () => {},
      onEnd: () => {},
      onClose: () => {},
    }));
    expect(await codeOf(get(world))).toBe(code);
    listener.stop();
    await world.clock.advance(100);
  }
});

test("a server refuses what is malformed or too large, and lives on", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const server = start(world, { maxBodyBytes: 100, maxHeaderBytes: 1_024 });
  expect(await raw(world, "no http\r\n\r\n")).toStartWith("HTTP/1.1 400");
  const largeHead = `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(2_000)}\r\n\r\n`;
  expect(await raw(world, largeHead)).toStartWith("HTTP/1.1 431");
  const largeBody = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 101\r\n\r\n";
  expect(await raw(world, largeBody)).toStartWith("HTTP/1.1 413");
  expect(await raw(world, "GET / HTTP/1.1\r\nhos")).toBe("");
  expect((await get(world)).status).toBe(200);
  server.stop();
  await world.clock.advance(1_000);
  expect(world.leaks()).toEqual([]);
});

test("pipelined requests are answered in order, a thrown error with 500", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const server = start(world, {
    handle: async (request) => {
      await world.clock.sleep(request.path === "/slow" ? 50 : 0);
      if (request.path === "/bad") throw new Error("it broke");
      return textAnswer(200, request.path);
    },
  });
  const head = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nhost: a\r\n${more}\r\n`;
  const last = head("/last", "connection: close\r\n");
  const answer = await raw(world, head("/slow") + head("/bad") + last);
  const bodies = answer.split("\r\n\r\n").slice(1).map((part) => part.split("HTTP/1.1")[0]);
  expect(bodies).toEqual(["/slow\n", "it broke\n", "/last\n"]);
  server.stop();
});

test("a stream comes in pieces, ends with its reader, drops one that does not read", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  let writer: StreamWriter = { write: () => false, queuedBytes: 0, end: () => {} };
  let stopped = 0;
  const server = start(world, {
    handle: () => ({
      status: 200,
      headers: { "content-type": "text/event-stream" },
      stream: (given) => {
        writer = given;
        return () => (stopped += 1);
      },
    }),
  });
  let got = "";
  const onBody = (bytes: Uint8Array) => (got += Buffer.from(bytes).toString());
  const client = new HttpClient(world);
  const request = { method: "GET", address: ADDRESS, path: "/", timeoutMs: 0, onBody };
  const whole = client.request(request);
  await world.clock.advance(10);
  expect(writer.write("data: 1\n\n")).toBe(true);
  await world.clock.advance(10);
  expect(got).toBe("data: 1\n\n");
  writer.end();
  expect((await settle(world, whole)).status).toBe(200);
  expect(stopped).toBe(1);

  const controller = new AbortController();
  const aborted = codeOf(client.request({ ...request, abort: controller.signal }));
  await world.clock.advance(10);
  controller.abort();
  await world.clock.advance(10);
  expect(await aborted).toBe("aborted");
  expect(stopped).toBe(2);
  expect(writer.write("late")).toBe(false);

  let ended = false;
  world.net.connect(ADDRESS, {
    onOpen: (socket) => {
      socket.write(Buffer.from("GET / HTTP/1.1\r\nhost: a\r\n\r\n"), 0, 27);
      socket.pause();
    },
    onData: () => {},
    onDrain: () => {},
    onEnd: () => {},
    onClose: () => (ended = true),
    onConnectError: () => {},
  });
  await world.clock.advance(10);
  for (let piece = 0; piece < 40 && writer.write(Buffer.alloc(65_536)); piece += 1) {
    await world.clock.advance(10);
  }
  await world.clock.advance(10);
  expect(ended).toBe(true);
  expect(stopped).toBe(3);
  server.stop();
});

test("a unix socket carries the same", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  world.files.makeFolder("/run");
  const address = { path: "/run/admin.sock" };
  const server = start(world, { address, mode: 0o600 });
  expect((await get(world, { address })).status).toBe(200);
  expect((world.files.stat("/run/admin.sock")?.mode ?? 0) & 0o777).toBe(0o600);
  server.stop();
});

test("requests that never become whole are dropped, too many connections refused", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const server = start(world, { maxConnections: 1, readTimeoutMs: 1_000 });
  let refused = "";
  world.clock.after(100, () => {
    void codeOf(new HttpClient(world).request({ ...REQUEST, timeoutMs: 500 })).then(
      (code) => (refused = code),
    );
  });
  expect(await raw(world, "GET / HTTP/1.1\r\n")).toBe("");
  expect(world.clock.now()).toBeGreaterThanOrEqual(1_000);
  expect(refused).toBe("closed");
  expect((await get(world)).status).toBe(200);
  server.stop();
  await world.clock.advance(100);
  expect(world.leaks()).toEqual([]);
});
