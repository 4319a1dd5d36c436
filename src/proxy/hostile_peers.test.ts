import { afterEach, describe, expect, test } from "bun:test";
import { Rig } from "../sim/rig.ts";
import { chunked, reply } from "../sim/upstream.ts";

/**
 * Callers and upstreams that are slow, stop in the middle, say too much or speak out of turn: at
 * every byte. Each is answered right, in bounded time, and nothing of it stays behind.
 */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const HEAD = "PUT /a HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\n";
const CHUNKED = "PUT /a HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n";

function idle(): unknown {
  const names = ["requests_active", "upstream_requests_active", "upstream_pending"];
  return names.map((name) => rig.metric(`outrigger_${name}`));
}

describe("slow callers", () => {
  const request = `${HEAD}0123456789`;

  test("a request that stops at any byte is ended with 408, and keeps nothing", async () => {
    rig = new Rig({ listener: { headerTimeoutMs: 1_000, bodyTimeoutMs: 1_000 } });
    const upstream = rig.upstream();
    const calls = [];
    for (let length = 1; length < request.length; length++) {
      calls.push(rig.client().send(request.slice(0, length)));
    }
    await rig.advance(900);
    expect(calls.every(({ answer }) => answer === null)).toBe(true);
    await rig.advance(200);
    // A head has its time as a whole, a body may stand still up to twice as long.
    const heads = calls.filter(({ status }) => status === 408).length;
    expect(heads).toBeGreaterThanOrEqual(HEAD.length - 1);
    await rig.advance(1_000);
    expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 408));
    await rig.advance(1_100);
    expect(rig.clients.every(({ peer }) => peer.closed)).toBe(true);
    expect([idle(), upstream.open.length]).toEqual([[0, 0, 0], 0]);
    const stopped = { code: "408" };
    expect(rig.metric("outrigger_requests_total", stopped)).toBe(request.length - HEAD.length);
  });

  test("a chunked body that stops at any byte is ended with 408", async () => {
    rig = new Rig({ listener: { bodyTimeoutMs: 1_000 }, accessLog: "json" });
    const upstream = rig.upstream();
    const body = "3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n";
    const calls = [];
    for (let length = 0; length < body.length; length++) {
      calls.push(rig.client().send(CHUNKED + body.slice(0, length)));
    }
    await rig.advance(2_100);
    expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 408));
    expect([idle(), upstream.open.length, upstream.requests.length]).toEqual([[0, 0, 0], 0, 0]);
    expect(rig.log.find((line) => line.includes("408"))).toContain(
      '"response_flags":"SI","response_code_details":"request-body-timeout"',
    );
  });

  test("a byte now and then within the time is a body that comes", async () => {
    rig = new Rig({ listener: { headerTimeoutMs: 1_000, bodyTimeoutMs: 1_000 } });
    rig.upstream();
    const client = rig.client();
    const call = client.send(HEAD);
    for (const byte of "0123456789") {
      await rig.advance(900);
      client.peer.send(byte);
    }
    await rig.advance(10);
    expect(call.answer?.body).toBe("u1");
  });

  test("a head a byte at a time ends when its time is up, however lively it is", async () => {
    rig = new Rig({ listener: { headerTimeoutMs: 1_000 } });
    rig.upstream();
    const client = rig.client();
    const call = client.send("G");
    for (const byte of "ET /a HTTP/1.1\r\nHost") {
      await rig.advance(60);
      if (!client.peer.closed) client.peer.send(byte);
    }
    expect(call.status).toBe(408);
  });

  test("a caller that is held back is not to blame", async () => {
    const limits = { maxConnections: 1, maxPendingRequests: 9, maxRequests: 9 };
    rig = new Rig({ listener: { bodyTimeoutMs: 500 }, cluster: { limits } });
    rig.upstream(1, ({ peer }) => rig.world.clock.after(3_000, () => peer.send(reply(200, "late"))));
    rig.client().get("/");
    await rig.advance(10);
    const client = rig.client();
    const call = client.send(`${HEAD}01234`);
    await rig.advance(2_900);
    expect(call.answer).toBeNull();
    // Its turn has come, and it goes on in time.
    await rig.advance(200);
    client.peer.send("56789");
    await rig.advance(3_100);
    expect(call.answer?.body).toBe("late");
  });

  test("a caller that stops reading in the middle of an answer is let go, with the upstream", async () => {
    rig = new Rig({ listener: { bodyTimeoutMs: 1_000 }, accessLog: "json" });
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(200, "x".repeat(4_000_000))));
    const client = rig.client();
    client.get("/");
    await rig.advance(1);
    client.peer.socket!.pause();
    await rig.advance(900);
    expect(client.peer.closed).toBe(false);
    await rig.advance(1_200);
    expect([client.peer.closed, upstream.open.length]).toEqual([true, 0]);
    await rig.advance(200);
    expect(rig.log.join()).toContain('"response_code_details":"answer-not-read"');
  });

  test("a tunnel may be silent for long", async () => {
    rig = new Rig({ listener: { bodyTimeoutMs: 1_000 } });
    const switching = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n";
    const upstream = rig.upstream(1, ({ peer }) => peer.send(switching));
    upstream.onBytes = (peer) => upstream.requests.length > 0 && peer.input.length >= 0;
    const client = rig.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n");
    await rig.advance(10_000);
    expect([client.peer.closed, upstream.open.length]).toEqual([false, 1]);
    client.peer.send("hello");
    await rig.advance(10);
    expect(upstream.peers[0]!.text).toBe("hello");
  });
});

describe("early answers", () => {
  test.each([401, 200])("a %d before the body is in reaches the caller whole", async (status) => {
    rig = new Rig();
    const body = "0123456789";
    for (let sent = 0; sent < body.length; sent++) {
      const upstream = rig.upstreams[0] ?? rig.upstream();
      // Answers as soon as the head is there.
      upstream.onBytes = (peer) => {
        if (peer.text.includes("\r\n\r\n") && peer.receivedBytes > 0 && !answered.has(peer)) {
          answered.add(peer);
          peer.send(reply(status, "early"));
        }
        return true;
      };
      const answered = new Set<unknown>();
      const client = rig.client();
      const call = client.send(HEAD + body.slice(0, sent));
      await rig.advance(10);
      expect([call.status, call.answer?.body]).toEqual([status, "early"]);
      client.peer.send(body.slice(sent));
      await rig.advance(2_000);
      // Neither connection is used again: what still comes may be body, or the next request.
      expect([client.peer.closed, upstream.open.length]).toEqual([true, 0]);
    }
    expect(idle()).toEqual([0, 0, 0]);
  });
});

describe("garbage behind a request", () => {
  const GET = "GET /1 HTTP/1.1\r\nHost: shop\r\n\r\n";
  const GARBAGE = ["\0\0\0\0", "HELO mail\r\n", "\x16\x03\x01\x02\0", "GET  / HTTP/1.1\r\n", "\n\n\n"];

  test.each(GARBAGE)("%j: the request before it is answered, then 400 and the end", async (garbage) => {
    rig = new Rig();
    const upstream = rig.upstream(1, ({ peer, target }) => {
      rig.world.clock.after(5, () => peer.send(reply(200, target)));
    });
    const client = rig.client();
    const first = client.send(GET);
    const second = client.send(garbage);
    await rig.advance(2_000);
    expect([first.answer?.body, second.status]).toEqual(["/1", 400]);
    expect([client.peer.closed, upstream.requests.length]).toEqual([true, 1]);
  });

  test("a flood of it behind a slow answer stays in the kernel", async () => {
    rig = new Rig();
    rig.upstream(1, ({ peer }) => rig.world.clock.after(50, () => peer.send(reply(200, "x"))));
    const client = rig.client();
    const call = client.send(GET);
    const flood = client.send("\0".repeat(4_000_000));
    await rig.advance(40);
    // What the windows and one read hold, and no more.
    expect(client.peer.unsentBytes).toBeGreaterThan(3_000_000);
    await rig.advance(3_000);
    expect([call.status, flood.status, client.peer.closed]).toEqual([200, 400, true]);
  });

  test("pipelined requests, cut and garbled at every byte, are answered in order or refused", async () => {
    const pair = GET + GET.replace("/1", "/2");
    for (let at = GET.length; at < pair.length; at++) {
      rig = new Rig();
      rig.upstream(1, ({ peer, target }) => peer.send(reply(200, target)));
      const client = rig.client();
      const first = client.send(GET);
      const second = client.send(`${pair.slice(GET.length, at)}\0`);
      await rig.advance(2_000);
      expect([at, first.answer?.body, second.status]).toEqual([at, "/1", 400]);
      expect(client.peer.closed).toBe(true);
      expect(await rig.leaks()).toEqual([]);
    }
  });
});

describe("upstreams", () => {
  const ANSWERS: readonly (readonly [string, string, number])[] = [
    ["with a length", reply(200, "0123456789"), 10],
    ["in chunks", chunked(["01234", "56789"], "X: y\r\n"), 10],
    ["behind an interim one", `HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n${reply(200, "0123456789")}`, 10],
  ];

  test.each(ANSWERS)("an answer %s, cut by a reset or an end at every byte", async (_, answer) => {
    for (const end of ["terminate", "close"] as const) {
      rig = new Rig({ route: { timeoutMs: 1_000 } });
      rig.upstream(1, ({ peer, target }) => {
        peer.send(answer.slice(0, Number(target.slice(1))));
        rig.world.clock.after(5, () => peer[end]());
      });
      const finalAt = answer.lastIndexOf("HTTP/1.1");
      const bodyAt = answer.indexOf("\r\n\r\n", finalAt) + 4;
      for (let length = 0; length < answer.length; length++) {
        const call = rig.client().get(`/${length}`);
        await rig.advance(50);
        // Before the head is whole it can be said; later only a break tells it.
        const wanted = length < bodyAt ? [503, false] : [0, true];
        expect([end, length, call.status, call.broken]).toEqual([end, length, ...wanted]);
      }
      expect(idle()).toEqual([0, 0, 0]);
      expect(await rig.leaks()).toEqual([]);
    }
  });

  test.each(ANSWERS)("an answer %s that stalls at every byte ends with the route's time", async (_, answer) => {
    rig = new Rig({ route: { timeoutMs: 1_000 } });
    const upstream = rig.upstream(1, ({ peer, target }) => {
      peer.send(answer.slice(0, Number(target.slice(1))));
    });
    const calls = [];
    for (let length = 0; length < answer.length; length++) calls.push(rig.client().get(`/${length}`));
    await rig.advance(1_100);
    expect(calls.every(({ status, broken }) => status === 504 || broken)).toBe(true);
    expect([idle(), upstream.open.length]).toEqual([[0, 0, 0], 0]);
  });

  test("an answer byte by byte, or with something behind it, is the same answer", async () => {
    rig = new Rig();
    const upstream = rig.upstream(1, ({ peer, target }) => {
      const bytes = reply(200, target) + (target === "/more" ? "HTTP/1.1 200 OK\r\n\r\n" : "");
      for (let at = 0; at < bytes.length; at++) {
        rig.world.clock.after(at, () => peer.send(bytes[at]!));
      }
    });
    expect((await rig.ask("/slow")).body).toBe("/slow");
    expect((await rig.ask("/more")).body).toBe("/more");
    await rig.advance(200);
    // Nobody asked for more: that connection is not used again.
    expect(upstream.open.length).toBe(0);
    expect((await rig.ask("/next")).body).toBe("/next");
  });
});

describe("bodies that are too large", () => {
  const shape = { listener: { maxBodyBytes: 10 }, accessLog: "json" as const };

  test("a length above the limit is 413 before anything of it is passed on", async () => {
    rig = new Rig(shape);
    const upstream = rig.upstream();
    const fits = rig.client().send(`${HEAD}0123456789`);
    const large = rig.client().send(HEAD.replace("10", "11"));
    await rig.advance(1_500);
    expect([fits.status, large.status, upstream.requests.length]).toEqual([200, 413, 1]);
    expect(rig.clients[1]!.peer.closed).toBe(true);
    expect(rig.log.join()).toContain('"response_code_details":"body-too-large"');
  });

  test("chunks above it are 413, and what was passed on is broken off", async () => {
    rig = new Rig(shape);
    const upstream = rig.upstream();
    const call = rig.client().send(`${CHUNKED}6\r\nabcdef\r\n`);
    await rig.advance(10);
    expect(upstream.open.length).toBe(1);
    rig.clients[0]!.peer.send("5\r\nghijk\r\n0\r\n\r\n");
    await rig.advance(1_500);
    expect([call.status, upstream.open.length, upstream.requests.length]).toEqual([413, 0, 0]);
    expect(idle()).toEqual([0, 0, 0]);
  });

  test("what goes through a tunnel is no body", async () => {
    rig = new Rig(shape);
    const switching = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n";
    const upstream = rig.upstream(1, ({ peer }) => peer.send(switching));
    upstream.onBytes = (peer) => upstream.requests.length > 0 && peer.input.length >= 0;
    const client = rig.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n");
    await rig.advance(10);
    client.peer.send("x".repeat(100));
    await rig.advance(10);
    expect(upstream.peers[0]!.text.length).toBe(100);
  });
});
