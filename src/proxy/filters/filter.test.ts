import { afterEach, describe, expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";
import { chunked, reply } from "../../sim/upstream.ts";
import { compileChain, type Filter, type FilterComponent } from "./filter.ts";
import { FILTERS } from "./mod.ts";

/** Filters of all kinds on a route of the whole proxy. */
let rig: Rig;
const mutable = FILTERS as FilterComponent[];
const shipped = FILTERS.length;
afterEach(async () => {
  mutable.length = shipped;
  expect(await rig.leaks()).toEqual([]);
});

/** A proxy whose one route has these filters, in that order. */
function rigWith(...filters: Filter[]): void {
  filters.forEach((filter, index) => {
    const about = { summary: "of the test", status: "beta", security: "none" } as const;
    mutable.push({ name: `test-${index}`, ...about, create: () => filter });
  });
  const names = filters.map((_, index) => ({ filter: `test-${index}`, config: {} }));
  rig = new Rig({ route: { filters: names } });
}

const later = (ms: number): Promise<undefined> =>
  rig.world.clock.sleep(ms).then(() => undefined);

test("a chain holds a phase's filters in order, those of the answer in reverse", () => {
  const a: Filter = { onRequestHeaders: () => undefined, onResponseHeaders() {} };
  const b: Filter = { onResponseHeaders() {}, onComplete() {} };
  const chain = compileChain([a, b]);
  expect(chain.requestHeaders).toEqual([a] as never);
  expect(chain.responseHeaders).toEqual([b, a] as never);
  expect(chain.complete).toEqual([b] as never);
  expect(chain.requestBody).toEqual([]);
  rig = new Rig();
});

describe("request headers", () => {
  test("each filter sees what the one before it did", async () => {
    rigWith(
      { onRequestHeaders: ({ head }) => void head.headers.set("x-seen", "a") },
      {
        onRequestHeaders: ({ head }) =>
          void head.headers.set("x-seen", `${head.headers.get("x-seen")}b`),
      },
    );
    const upstream = rig.upstream();
    await rig.ask();
    expect(upstream.requests[0]!.headers.get("x-seen")).toBe("ab");
  });

  test("a direct answer goes out, and no upstream hears of it", async () => {
    const completed: number[] = [];
    rigWith({
      onRequestHeaders: () => ({ status: 418, headers: { "x-by": "filter" }, body: "tea" }),
      onComplete: (stream) => void completed.push(stream.status),
    });
    const upstream = rig.upstream();
    const client = rig.client();
    const calls = [client.get("/"), client.get("/")];
    await rig.advance(5);
    expect(calls.map(({ answer }) => answer?.body)).toEqual(["tea", "tea"]);
    expect(calls[0]!.answer!.headers.get("x-by")).toBe("filter");
    expect([upstream.requests.length, completed]).toEqual([0, [418, 418]]);
  });

  test("promises hold the request, one filter after the other, body and all", async () => {
    const order: string[] = [];
    rigWith(
      { onRequestHeaders: () => later(20).then(() => void order.push("first")) },
      { onRequestHeaders: () => later(20).then(() => void order.push("second")) },
    );
    const upstream = rig.upstream(1, ({ peer, body }) => {
      order.push("upstream");
      peer.send(reply(200, body));
    });
    const client = rig.client();
    const body = "b".repeat(100_000);
    const head = `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    const call = client.send(head + body);
    await rig.advance(30);
    expect([order, upstream.peers.length]).toEqual([["first"], 0]);
    await rig.advance(30);
    expect(order).toEqual(["first", "second", "upstream"]);
    expect(call.answer?.body).toBe(body);
    const next = client.get("/");
    await rig.advance(60);
    expect(next.status).toBe(200);
  });

  test("a promise of an answer answers", async () => {
    const answer = { status: 401, headers: {}, body: "who?" };
    rigWith({ onRequestHeaders: () => later(5).then(() => answer) });
    expect(await rig.ask()).toEqual({ status: 401, body: "who?" });
  });

  test.each([
    ["throws", (): undefined => {
      throw new Error("no");
    }],
    ["rejects", () => later(5).then(() => Promise.reject(new Error("no")))],
  ])("a filter that %s: 500, and the next request is served", async (_how, onRequestHeaders) => {
    let isFirst = true;
    rigWith({
      onRequestHeaders: () => {
        if (!isFirst) return undefined;
        isFirst = false;
        return onRequestHeaders() as undefined;
      },
    });
    rig.upstream();
    const client = rig.client();
    const [first, second] = [client.get("/"), client.get("/")];
    await rig.advance(50);
    expect([first.status, second.status]).toEqual([500, 200]);
  });

  test("a caller that leaves meanwhile: the promise settles to nothing", async () => {
    rigWith({ onRequestHeaders: () => later(20) });
    const upstream = rig.upstream();
    const client = rig.client();
    client.get("/");
    await rig.advance(5);
    client.peer.terminate();
    await rig.advance(50);
    expect(upstream.peers.length).toBe(0);
    expect(rig.metric("outrigger_requests_total", { code: "0" })).toBe(1);
  });
});

describe("response headers", () => {
  test("a promise holds an answer that is whole; nobody else's gets in between", async () => {
    rigWith({
      onResponseHeaders: (stream, head) =>
        stream.head.path === "/held"
          ? later(50).then(() => head.headers.set("x-for", stream.head.path))
          : undefined,
    });
    rig.upstream(1, ({ peer, target }) => peer.send(reply(200, target, `X-Of: ${target}\r\n`)));
    const [a, b] = [rig.client(), rig.client()];
    const held = a.get("/held");
    await rig.advance(10);
    const other = b.get("/other");
    await rig.advance(10);
    expect([other.answer?.body, held.answer]).toEqual(["/other", null]);
    await rig.advance(50);
    expect(held.answer?.body).toBe("/held");
    expect(held.answer?.headers.get("x-of")).toBe("/held");
    expect(held.answer?.headers.get("x-for")).toBe("/held");
  });

  test("two promises in turn, with a body that goes on coming", async () => {
    rigWith({ onResponseHeaders: () => later(20) }, { onResponseHeaders: () => later(20) });
    rig.upstream(1, ({ peer }) => {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n");
      for (let part = 0; part < 4; part++) {
        rig.world.clock.after(part * 12, () => peer.send(String(part).repeat(100_000)));
      }
    });
    const { body } = await rig.ask();
    expect(body).toBe([0, 1, 2, 3].map((part) => String(part).repeat(100_000)).join(""));
  });

  test("an upstream that leaves while its answer is held breaks nothing", async () => {
    rigWith({ onResponseHeaders: () => later(30) });
    rig.upstream(1, ({ peer }) => {
      peer.send(reply(200, "whole"));
      peer.close();
    });
    expect(await rig.ask()).toEqual({ status: 200, body: "whole" });
    expect(rig.proxy.stats().clusters[0]!.connectionsActive).toBe(0);
  });

  test("a held 101 starts its tunnel afterwards, with what came meanwhile", async () => {
    rigWith({ onResponseHeaders: () => later(30) });
    const upstream = rig.upstream(1, ({ peer }) => {
      peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhi");
    });
    upstream.onBytes = () => upstream.requests.length > 0;
    const client = rig.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    await rig.advance(60);
    client.peer.send("ho");
    await rig.advance(10);
    expect([client.peer.text, upstream.peers[0]!.text]).toEqual(["hi", "ho"]);
  });

  test.each([
    ["throws", (): void => {
      throw new Error("no");
    }],
    ["rejects", () => later(5).then(() => Promise.reject(new Error("no")))],
  ])("a filter that %s: 500 instead of the answer", async (_how, onResponseHeaders) => {
    rigWith({ onResponseHeaders: () => onResponseHeaders() as undefined });
    rig.upstream();
    expect((await rig.ask()).status).toBe(500);
    expect((await rig.ask()).status).toBe(500);
  });
});

describe("bodies", () => {
  const upper = (bytes: Uint8Array): Uint8Array =>
    Buffer.from(`${Buffer.from(bytes).toString("latin1").toUpperCase()}!`);

  test("a filter may change a body and its length, both ways", async () => {
    rigWith({
      onRequestBody: (_stream, bytes) => upper(bytes),
      onResponseBody: (_stream, bytes) => upper(bytes),
    });
    const upstream = rig.upstream(1, ({ peer, body }) => peer.send(reply(200, `got ${body}`)));
    const call = rig.client().send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    await rig.advance(10);
    expect(upstream.requests[0]!.body).toBe("ABC!");
    expect(call.answer!.body).toBe("GOT ABC!!");
    expect(call.answer!.headers.has("content-length")).toBe(false);
  });

  test("trailers pass the filters", async () => {
    rigWith({
      onRequestTrailers: (_stream, trailers) => trailers.set("x-req", "1"),
      onResponseTrailers: (_stream, trailers) => trailers.set("x-res", "1"),
    });
    const upstream = rig.upstream(1, ({ peer }) => peer.send(chunked(["x"], "A: 1\r\n")));
    const head = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const call = rig.client().send(`${head}1\r\nx\r\n0\r\nB: 2\r\n\r\n`);
    await rig.advance(10);
    expect(Object.fromEntries(upstream.requests[0]!.trailers)).toEqual({ b: "2", "x-req": "1" });
    expect(Object.fromEntries(call.answer!.trailers)).toEqual({ a: "1", "x-res": "1" });
  });

  test("a throw in the answer's body breaks it off, one in the request's body is 500", async () => {
    const fail = (): never => {
      throw new Error("no");
    };
    rigWith({ onResponseBody: fail });
    rig.upstream();
    const cut = rig.client().get("/");
    await rig.advance(10);
    expect(cut.broken).toBe(true);
    expect(await rig.leaks()).toEqual([]);
    mutable.length = shipped;
    rigWith({ onRequestBody: fail });
    rig.upstream();
    const call = rig.client().send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    await rig.advance(10);
    expect(call.status).toBe(500);
  });

  test("an answer made here has what filters add, inner ones first; a throw adds nothing", async () => {
    const add = (name: string): Filter => ({
      onLocalAnswer: (_stream, headers) => ({ ...headers, "x-by": `${headers["x-by"] ?? ""}${name}` }),
    });
    const broken: Filter = {
      onLocalAnswer() {
        throw new Error("no");
      },
    };
    rigWith(add("a"), broken, add("b"));
    const call = rig.client().get("/");
    await rig.advance(1_000);
    expect([call.status, call.answer!.headers.get("x-by")]).toEqual([503, "ba"]);
  });

  test("a throw in onComplete harms nobody", async () => {
    rigWith({
      onComplete() {
        throw new Error("no");
      },
    });
    rig.upstream();
    expect((await rig.ask()).status).toBe(200);
  });
});
