import { afterEach, describe, expect, test } from "bun:test";
import { Rig } from "../sim/rig.ts";
import { RETRY, upstreamAt } from "../sim/snapshots.ts";
import { reply } from "../sim/upstream.ts";

/** What the proxy does when the others misbehave. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const GET = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

describe("bad input", () => {
  test.each([
    ["no HTTP", "hello\r\n\r\n", 400],
    ["a bare line feed", "GET / HTTP/1.1\nHost: a\n\n", 400],
    ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
    [
      "two lengths",
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      400,
    ],
    [
      "length and chunks",
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
    ["a large head", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    ["a version of its own", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505],
  ])("%s gets its 4xx or 5xx, the end, and is counted", async (_name, text, status) => {
    rig = new Rig();
    const upstream = rig.upstream();
    const client = rig.client();
    const call = client.send(text);
    await rig.advance(2_000);
    expect(call.status).toBe(status);
    expect(client.peer.closed).toBe(true);
    expect(rig.metric("outrigger_malformed_requests_total")).toBe(1);
    expect(upstream.requests.length).toBe(0);
  });

  test("a request cut off at any byte of its head gets 400 and is counted", async () => {
    rig = new Rig();
    rig.upstream();
    const calls = [];
    for (let length = 1; length < GET.length; length++) {
      const client = rig.client();
      calls.push(client.send(GET.slice(0, length)));
      client.peer.shutdown();
    }
    await rig.advance(2_000);
    expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 400));
    expect(rig.metric("outrigger_malformed_requests_total")).toBe(calls.length);
  });

  test("a request cut off in its body gets 400, and counts as one answered so", async () => {
    rig = new Rig();
    const upstream = rig.upstream();
    const client = rig.client();
    const call = client.send("PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\nabc");
    await rig.advance(5);
    client.peer.shutdown();
    await rig.advance(5);
    expect(call.status).toBe(400);
    expect(rig.metric("outrigger_requests_total", { code: "400" })).toBe(1);
    expect(rig.metric("outrigger_malformed_requests_total")).toBe(1);
    expect(upstream.open.length).toBe(0);
  });

  test("a malformed chunk is 400 and takes the upstream's connection along", async () => {
    rig = new Rig();
    const upstream = rig.upstream();
    const client = rig.client();
    const call = client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    await rig.advance(5);
    expect(upstream.open.length).toBe(1);
    client.peer.send("3\r\nabcdef");
    await rig.advance(5);
    expect(call.status).toBe(400);
    expect(upstream.open.length).toBe(0);
  });

  test("CONNECT is 405, a path that readers disagree about 400", async () => {
    rig = new Rig();
    rig.upstream();
    const call = rig.client().send("CONNECT shop:443 HTTP/1.1\r\nHost: shop:443\r\n\r\n");
    await rig.advance(5);
    expect(call.status).toBe(405);
    expect((await rig.ask("/a%00b")).status).toBe(400);
    expect((await rig.ask("/a%2")).status).toBe(400);
  });
});

describe("an upstream", () => {
  const ANSWER = reply(200, "0123456789");

  test("that closes at any byte of its answer: 503 before the head, else a break", async () => {
    rig = new Rig();
    const bodyAt = ANSWER.indexOf("\r\n\r\n") + 4;
    rig.upstream(1, ({ peer, target }) => {
      peer.send(ANSWER.slice(0, Number(target.slice(1))));
      peer.close();
    });
    for (let length = 0; length <= ANSWER.length; length++) {
      const client = rig.client();
      const call = client.get(`/${length}`);
      await rig.advance(10);
      const seen = [call.status, call.answer?.body ?? "", call.broken];
      if (length < bodyAt) expect(seen).toEqual([503, expect.stringContaining("upstream"), false]);
      else if (length < ANSWER.length) expect(seen).toEqual([0, "", true]);
      else expect(seen).toEqual([200, "0123456789", false]);
      client.peer.close();
    }
    const reset = { cluster: "app", reason: "reset" };
    expect(rig.metric("outrigger_upstream_failures_total", reset)).toBe(bodyAt);
  });

  test.each([
    ["no HTTP", "SSH-2.0-OpenSSH\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    ["an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab"],
    ["a huge head", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}\r\n\r\n`],
  ])("whose answer is malformed is 502: %s", async (_name, answer) => {
    rig = new Rig();
    const upstream = rig.upstream(1, ({ peer }) => peer.send(answer));
    expect((await rig.ask()).status).toBe(502);
    await rig.advance(5);
    expect(upstream.open.length).toBe(0);
    const malformed = { reason: "malformed-response" };
    expect(rig.metric("outrigger_upstream_failures_total", malformed)).toBe(1);
  });

  test("whose body is malformed breaks the caller's answer off", async () => {
    rig = new Rig();
    const bad = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n";
    rig.upstream(1, ({ peer }) => peer.send(bad));
    const call = rig.client().get("/");
    await rig.advance(10);
    expect(call.broken).toBe(true);
  });

  test("that closed an idle connection: the request is sent once more, on a new one", async () => {
    rig = new Rig();
    const upstream = rig.upstream(1, ({ peer, ordinal, target }) => {
      // The second request meets the end of the connection on its way.
      if (ordinal === 2) peer.terminate();
      else peer.send(reply(200, target));
    });
    const client = rig.client();
    client.get("/1");
    await rig.advance(5);
    const call = client.get("/2");
    await rig.advance(10);
    expect(call.answer?.body).toBe("/2");
    expect(upstream.peers.length).toBe(2);
    const post = client.send("POST /3 HTTP/1.1\r\nHost: shop\r\nContent-Length: 1\r\n\r\nx");
    await rig.advance(10);
    expect(post.status).toBe(503);
  });

  test("that always closes is not asked for ever", async () => {
    rig = new Rig();
    const upstream = rig.upstream(1, ({ peer, target }) => {
      if (target === "/1") peer.send(reply(200, "x"));
      else peer.terminate();
    });
    const client = rig.client();
    client.get("/1");
    await rig.advance(5);
    const call = client.get("/2");
    await rig.advance(10);
    expect(call.status).toBe(503);
    expect(upstream.requests.map(({ target }) => target)).toEqual(["/1", "/2", "/2"]);
  });

  test("that nobody can reach is 503", async () => {
    rig = new Rig();
    expect((await rig.ask()).status).toBe(503);
    expect(rig.metric("outrigger_upstream_failures_total", { reason: "connect-failure" })).toBe(1);
  });

  test("that stalls in an answer nobody wants loses its connection", async () => {
    rig = new Rig({ route: { retry: { ...RETRY, attempts: 1 } } });
    const upstream = rig.upstream(1, ({ peer, ordinal }) => {
      const isFirst = upstream.requests.length === 1 && ordinal === 1;
      peer.send(isFirst ? "HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nabc" : reply(200, "yes"));
    });
    expect((await rig.ask()).body).toBe("yes");
    await rig.advance(1_500);
    expect(upstream.peers[0]!.closed).toBe(true);
  });
});

test("the rest of an answer that nobody wants is read within a bound", async () => {
  rig = new Rig({ route: { retry: { ...RETRY, attempts: 1 } } });
  const length = 4 * 1024 * 1024;
  const upstream = rig.upstream(1, ({ peer }) => {
    const isFirst = upstream.requests.length === 1;
    peer.send(isFirst ? reply(500, "x".repeat(length)) : reply(200, "yes"));
  });
  expect((await rig.ask()).body).toBe("yes");
  await rig.advance(100);
  const { closed, unsentBytes } = upstream.peers[0]!;
  expect([closed, unsentBytes > length / 2]).toEqual([true, true]);
});

describe("time", () => {
  test("the whole request, its tries together", async () => {
    const retry = { ...RETRY, perTryTimeoutMs: 40, backoff: { baseMs: 1, maxMs: 1 }, attempts: 9 };
    rig = new Rig({ route: { timeoutMs: 100, retry } });
    const upstream = rig.upstream(1, () => {});
    const client = rig.client();
    const call = client.get("/");
    await rig.advance(95);
    expect(call.answer).toBeNull();
    await rig.advance(10);
    expect(call.status).toBe(504);
    expect(upstream.requests.length).toBe(3);
    const perTry = { reason: "per-try-timeout" };
    expect(rig.metric("outrigger_upstream_failures_total", perTry)).toBe(2);
    expect(rig.metric("outrigger_upstream_failures_total", { reason: "timeout" })).toBe(1);
  });

  test("no byte either way", async () => {
    rig = new Rig({ route: { idleTimeoutMs: 100 } });
    rig.upstream(1, ({ peer }) => {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
      const bytes = rig.world.clock.every(60, () => peer.send("x"));
      rig.world.clock.after(350, () => bytes.cancel());
    });
    const client = rig.client();
    const call = client.get("/");
    await rig.advance(390);
    expect(call.broken).toBe(false);
    await rig.advance(50);
    expect(call.broken).toBe(true);
  });

  test("a head that does not come to its end is 408, from its first byte on", async () => {
    rig = new Rig({ listener: { headerTimeoutMs: 1_000, idleTimeoutMs: 1_000 } });
    const client = rig.client();
    await rig.advance(900);
    const call = client.send("GET / HTTP/1.1\r\n");
    await rig.advance(500);
    client.peer.send("Host: ");
    await rig.advance(450);
    expect(call.answer).toBeNull();
    await rig.advance(100);
    expect(call.status).toBe(408);
  });

  test("a connection without a request is closed, one of the pool too", async () => {
    rig = new Rig({ listener: { idleTimeoutMs: 1_000 }, cluster: { idleTimeoutMs: 500 } });
    const upstream = rig.upstream();
    const client = rig.client();
    const call = client.get("/");
    await rig.advance(10);
    expect(call.status).toBe(200);
    await rig.advance(480);
    expect(upstream.open.length).toBe(1);
    await rig.advance(50);
    expect(upstream.open.length).toBe(0);
    expect(client.peer.closed).toBe(false);
    await rig.advance(600);
    expect(client.peer.closed).toBe(true);
  });

  test("a reader that stops reading its last answer is let go, a slow one is not", async () => {
    rig = new Rig({ listener: { idleTimeoutMs: 1_000 } });
    const body = "x".repeat(400_000);
    rig.upstream(1, ({ peer }) => peer.send(reply(200, body)));
    const text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const [slow, stuck] = [rig.client(), rig.client()];
    const call = slow.send(text);
    stuck.send(text);
    await rig.advance(1);
    slow.peer.socket!.pause();
    stuck.peer.socket!.pause();
    for (let step = 0; step < 3; step++) {
      await rig.advance(800);
      // Reads a little.
      slow.peer.socket!.resume();
      await rig.advance(0.15);
      slow.peer.socket!.pause();
    }
    slow.peer.socket!.resume();
    await rig.advance(50);
    expect(call.answer?.body.length).toBe(body.length);
    expect(stuck.peer.closed).toBe(true);
  });
});

describe("a caller that leaves", () => {
  const slow = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab";
  const phases: [string, string, number][] = [
    ["in its head", GET.slice(0, 9), 5],
    ["in its body", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab", 5],
    ["while the upstream is dialled", GET, 0.25],
    ["while the upstream works", GET, 5],
    ["in the answer's body", GET, 20],
    ["between two tries", GET, 35],
  ];
  test.each(phases)("%s takes its try along", async (name, text, afterMs) => {
    const backoff = { baseMs: 100, maxMs: 100 };
    rig = new Rig({ route: { retry: { ...RETRY, backoff } } });
    const upstream = rig.upstream(1, ({ peer }) => {
      if (name.includes("tries")) peer.send(reply(500, "ill"));
      else rig.world.clock.after(10, () => peer.send(slow));
    });
    const client = rig.client();
    client.send(text);
    await rig.advance(afterMs);
    client.peer.terminate();
    await rig.advance(500);
    const stats = rig.proxy.stats().clusters[0]!;
    expect([stats.requestsActive, stats.requestsPending]).toEqual([0, 0]);
    const idle = name.includes("dialled") || name.includes("tries") ? 1 : 0;
    expect(stats.connectionsActive).toBe(idle);
    expect(rig.metric("outrigger_requests_active")).toBe(0);
    expect(upstream.requests.length).toBeLessThan(2);
  });

  test("while it waits for a connection leaves the queue", async () => {
    const limits = { maxConnections: 1, maxPendingRequests: 1, maxRequests: 9 };
    rig = new Rig({ cluster: { limits } });
    const upstream = rig.upstream(1, ({ peer }) =>
      rig.world.clock.after(20, () => peer.send(reply(200, "x"))),
    );
    rig.client().get("/1");
    await rig.advance(5);
    const client = rig.client();
    client.get("/2");
    await rig.advance(5);
    expect(rig.metric("outrigger_upstream_pending")).toBe(1);
    client.peer.terminate();
    await rig.advance(5);
    expect(rig.metric("outrigger_upstream_pending")).toBe(0);
    await rig.advance(100);
    expect(upstream.requests.length).toBe(1);
  });
});

test("an answer of another endpoint is preferred to a retry at the same one", async () => {
  const endpoints = [upstreamAt(1), upstreamAt(2)];
  rig = new Rig({ route: { retry: RETRY }, cluster: { endpoints } });
  rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
  rig.upstream(2);
  for (let count = 0; count < 6; count++) expect((await rig.ask()).body).toBe("u2");
});
