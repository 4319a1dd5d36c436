import { afterEach, describe, expect, test } from "bun:test";
import { Rig } from "../sim/rig.ts";
import { chunked, reply } from "../sim/upstream.ts";

/** The whole proxy, HTTP/1.1 on both sides. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

describe("messages", () => {
  test("a connection serves one request after the other", async () => {
    rig = new Rig();
    const upstream = rig.upstream(1, ({ peer, target }) => peer.send(reply(200, target)));
    const client = rig.client();
    for (const path of ["/a", "/b?x=1", "/c"]) {
      const call = client.get(path);
      await rig.advance(5);
      expect(call.answer?.body).toBe(path);
    }
    expect(rig.metric("outrigger_connections_total")).toBe(1);
    expect(upstream.peers.length).toBe(1);
  });

  test("chunked bodies pass both ways, with trailers", async () => {
    rig = new Rig();
    const upstream = rig.upstream(1, ({ peer }) =>
      peer.send(chunked(["Hello, ", "world"], "X-Sum: 7\r\n")),
    );
    const client = rig.client();
    const head = "POST /in HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n";
    const call = client.send(`${head}3\r\nabc\r\n`);
    await rig.advance(5);
    expect(call.answer).toBeNull();
    client.peer.send("4\r\ndefg\r\n0\r\nX-Mine: 1\r\n\r\n");
    await rig.advance(5);
    expect(upstream.requests[0]!.body).toBe("abcdefg");
    expect(upstream.requests[0]!.trailers.get("x-mine")).toBe("1");
    expect(call.answer!.body).toBe("Hello, world");
    expect(call.answer!.framing).toBe("chunked");
    expect(call.answer!.trailers.get("x-sum")).toBe("7");
  });

  test("pipelined requests are answered in order, however slow the first is", async () => {
    rig = new Rig();
    rig.upstream(1, ({ peer, target }) => {
      const delayMs = target === "/1" ? 50 : 1;
      rig.world.clock.after(delayMs, () => peer.send(reply(200, target)));
    });
    const client = rig.client();
    const texts = ["/1", "/2", "/3", "/4"].map((p) => `GET ${p} HTTP/1.1\r\nHost: shop\r\n\r\n`);
    for (const text of texts) client.send(text);
    await rig.advance(200);
    expect(client.calls.map(({ answer }) => answer?.body)).toEqual(["/1", "/2", "/3", "/4"]);
  });

  test("100-continue comes from the upstream, before the body goes", async () => {
    rig = new Rig();
    const upstream = rig.upstream();
    let greeted = false;
    upstream.onBytes = (peer) => {
      if (!greeted && peer.text.includes("\r\n\r\n")) {
        greeted = true;
        peer.send("HTTP/1.1 100 Continue\r\n\r\n");
      }
      return false;
    };
    const client = rig.client();
    const call = client.send(
      "PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    );
    await rig.advance(5);
    expect(call.interim).toEqual([100]);
    expect(call.answer).toBeNull();
    client.peer.send("body");
    await rig.advance(5);
    expect(call.status).toBe(200);
    expect(upstream.requests[0]!.body).toBe("body");
  });

  test("interim answers without end are the upstream's mistake", async () => {
    rig = new Rig();
    rig.upstream(1, ({ peer }) => peer.send("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(40)));
    const { status } = await rig.ask();
    expect(status).toBe(502);
  });

  test.each([
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 200, "1000"],
    ["GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, undefined],
    ["GET", 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 9\r\n\r\n', 304, "9"],
  ])("no body follows: %s %p", async (method, answer, status, length) => {
    rig = new Rig();
    rig.upstream(1, ({ peer, method }) => peer.send(method === "PUT" ? reply(200, "x") : answer));
    const client = rig.client();
    const first = client.send(`${method} / HTTP/1.1\r\nHost: shop\r\n\r\n`);
    await rig.advance(5);
    expect([first.status, first.answer?.headers.get("content-length")]).toEqual([status, length]);
    const second = client.send("PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n");
    await rig.advance(5);
    expect(second.answer?.body).toBe("x");
  });

  test("a caller of HTTP/1.0 gets no chunks and, unless it asks, no second request", async () => {
    rig = new Rig();
    rig.upstream(1, ({ peer }) => peer.send(chunked(["one", "two"])));
    const client = rig.client();
    const call = client.send("GET / HTTP/1.0\r\n\r\n");
    await rig.advance(5);
    expect(call.answer?.framing).toBe("until-close");
    expect(call.answer?.body).toBe("onetwo");
    expect(client.peer.closed).toBe(true);
  });

  test("an answer without a length goes on in chunks, and a reset is told", async () => {
    rig = new Rig();
    rig.upstream(1, ({ peer, target }) => {
      peer.send("HTTP/1.1 200 OK\r\n\r\nall of it");
      if (target === "/whole") peer.close();
      else rig.world.clock.after(2, () => peer.terminate());
    });
    const client = rig.client();
    const whole = client.get("/whole");
    await rig.advance(5);
    expect(whole.answer?.body).toBe("all of it");
    const cut = client.get("/cut");
    await rig.advance(5);
    expect(cut.broken).toBe(true);
  });

  test("a large body to a slow reader: the proxy keeps little of it", async () => {
    rig = new Rig();
    const body = "x".repeat(4 * 1024 * 1024);
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(200, body)));
    const client = rig.client();
    const call = client.get("/");
    await rig.advance(1);
    client.peer.socket!.pause();
    await rig.advance(50);
    const atUpstream = upstream.peers[0]!.unsentBytes;
    const inWindows = 2 * 256 * 1024;
    const inProxy = body.length - atUpstream - client.peer.receivedBytes - inWindows;
    expect(inProxy).toBeLessThan(600 * 1024);
    client.peer.socket!.resume();
    await rig.advance(500);
    expect(call.answer?.body.length).toBe(body.length);
  });

  test("a large upload to a slow upstream: the caller is held back", async () => {
    rig = new Rig();
    const upstream = rig.upstream();
    upstream.onBytes = (peer) => {
      if (peer.receivedBytes > 0 && peer.receivedBytes < 100_000) peer.socket!.pause();
      return false;
    };
    const client = rig.client();
    const body = "y".repeat(2 * 1024 * 1024);
    const head = `PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: ${body.length}\r\n\r\n`;
    const call = client.send(head + body);
    await rig.advance(50);
    expect(client.peer.unsentBytes).toBeGreaterThan(600 * 1024);
    upstream.onBytes = () => false;
    upstream.peers[0]!.socket!.resume();
    await rig.advance(500);
    expect(call.status).toBe(200);
    expect(upstream.requests[0]!.body.length).toBe(body.length);
  });

  test("pipelined requests of a caller that does not read wait their turn", async () => {
    rig = new Rig();
    const body = "z".repeat(60_000);
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(200, body)));
    const client = rig.client();
    await rig.advance(1);
    client.peer.socket!.pause();
    const text = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";
    for (let count = 0; count < 100; count++) client.send(text);
    await rig.advance(100);
    // As many as the caller's window holds, and one more that waits for it.
    expect(upstream.requests.length).toBeLessThan(8);
    client.peer.socket!.resume();
    await rig.advance(1_000);
    expect(client.calls.every(({ status }) => status === 200)).toBe(true);
  });

  test("pipelined requests behind a slow one are left to the caller's window", async () => {
    rig = new Rig();
    const upstream = rig.upstream(1, () => {});
    const client = rig.client();
    const pad = `X-Pad: ${"p".repeat(4_000)}\r\n`;
    const text = `GET / HTTP/1.1\r\nHost: shop\r\n${pad}\r\n`;
    for (let count = 0; count < 500; count++) client.peer.send(text);
    await rig.advance(100);
    expect(upstream.requests.length).toBe(1);
    expect(client.peer.unsentBytes).toBeGreaterThan(1024 * 1024);
  });

  test("an answer before the request's end goes through, and the connection ends", async () => {
    rig = new Rig();
    const upstream = rig.upstream();
    upstream.onBytes = (peer) => {
      if (peer.text.includes("\r\n\r\n")) {
        peer.input = Buffer.alloc(0);
        peer.send(reply(413, "too large"));
      }
      return true;
    };
    const client = rig.client();
    const call = client.send("POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 100000\r\n\r\nabc");
    await rig.advance(5);
    expect(call.answer?.body).toBe("too large");
    await rig.advance(2_000);
    expect(client.peer.closed).toBe(true);
    expect(upstream.open.length).toBe(0);
  });

  test("bytes behind an answer are never taken for the next one", async () => {
    const limits = { maxConnections: 1, maxPendingRequests: 9, maxRequests: 9 };
    rig = new Rig({ cluster: { limits } });
    rig.upstream(1, ({ peer, target, ordinal }) => {
      const extra = ordinal === 1 ? reply(200, "poison") : "";
      peer.send(reply(200, target) + extra);
    });
    const [a, b] = [rig.client(), rig.client()];
    const calls = [a.get("/a"), b.get("/b")];
    await rig.advance(20);
    expect(calls.map(({ answer }) => answer?.body)).toEqual(["/a", "/b"]);
    const third = a.get("/c");
    await rig.advance(20);
    expect(third.answer?.body).toBe("/c");
  });

  test("a caller that said close is left at once, one that did not has a moment to close", async () => {
    rig = new Rig();
    rig.upstream(1, ({ peer }) => peer.send(reply(200, "ok", "Connection: close\r\n")));
    const client = rig.client();
    const last = client.send("GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
    await rig.advance(0.6);
    client.peer.socket!.pause();
    await rig.advance(5);
    expect(rig.metric("outrigger_connections_active")).toBe(0);
    client.peer.socket!.resume();
    await rig.advance(5);
    expect(last.answer!.body).toBe("ok");

    // What is unread would make a reset of the close, which may overtake the answer.
    const other = rig.client();
    other.send("GET / HTTP/1.0\r\nHost: shop\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    await rig.advance(0.6);
    other.peer.socket!.pause();
    await rig.advance(5);
    expect(rig.metric("outrigger_connections_active")).toBe(1);
    await rig.advance(1001);
    expect(rig.metric("outrigger_connections_active")).toBe(0);
  });

  test("a caller that closes its side early still gets its whole answer", async () => {
    rig = new Rig();
    const body = "w".repeat(1024 * 1024);
    rig.upstream(1, ({ peer }) => rig.world.clock.after(5, () => peer.send(reply(200, body))));
    const client = rig.client();
    const call = client.get("/");
    client.peer.shutdown();
    await rig.advance(1);
    client.peer.socket!.pause();
    await rig.advance(20);
    client.peer.socket!.resume();
    await rig.advance(100);
    expect(call.answer?.body.length).toBe(body.length);
  });
});

describe("tunnels", () => {
  const ASK = "GET /chat HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n";
  const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n";

  async function tunnel(early = ""): Promise<ReturnType<typeof peers>> {
    rig = new Rig();
    const upstream = rig.upstream(1, ({ peer }) => peer.send(`${SWITCH}hello`));
    upstream.onBytes = () => upstream.requests.length > 0;
    const client = rig.client();
    const call = client.send(ASK + early);
    await rig.advance(5);
    expect(call.status).toBe(101);
    expect(call.answer!.headers.get("upgrade")).toBe("chat");
    return peers(client, upstream);
  }
  const peers = (client: ReturnType<Rig["client"]>, upstream: ReturnType<Rig["upstream"]>) => ({
    near: client.peer,
    far: upstream.peers[0]!,
  });

  test("bytes pass both ways after 101, those sent early too", async () => {
    const { near, far } = await tunnel("first");
    expect([near.text, far.text]).toEqual(["hello", "first"]);
    near.send("x".repeat(700_000));
    far.send("y".repeat(700_000));
    await rig.advance(100);
    expect([near.receivedBytes > 700_000, far.text.length]).toEqual([true, 700_005]);
  });

  test("the caller's end passes through; the upstream can still send", async () => {
    const { near, far } = await tunnel();
    near.shutdown();
    await rig.advance(5);
    expect([far.ended, near.ended]).toEqual([true, false]);
    far.send(" again");
    far.close();
    await rig.advance(5);
    expect([near.text, near.ended]).toEqual(["hello again", true]);
    expect(rig.metric("outrigger_requests_active")).toBe(0);
  });

  test("the upstream's end passes through; the caller can still send", async () => {
    const { near, far } = await tunnel();
    far.shutdown();
    await rig.advance(5);
    expect([near.ended, far.ended]).toEqual([true, false]);
    near.send("last words");
    near.shutdown();
    await rig.advance(5);
    expect([far.text, far.ended]).toEqual(["last words", true]);
    expect(rig.metric("outrigger_requests_total", { code: "101" })).toBe(1);
    expect(rig.proxy.stats().clusters[0]!.connectionsActive).toBe(0);
  });

  test("a reset on one side resets the other", async () => {
    const { near, far } = await tunnel();
    far.terminate();
    await rig.advance(5);
    expect([near.closed, near.error?.code]).toEqual([true, "reset"]);
  });

  test("101 that nobody asked for is malformed", async () => {
    rig = new Rig();
    rig.upstream(1, ({ peer }) => peer.send(SWITCH));
    expect((await rig.ask()).status).toBe(502);
  });
});
