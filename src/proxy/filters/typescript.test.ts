import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { UserFilterPolicy } from "../../api/snapshot.ts";
import { Rig } from "../../sim/rig.ts";
import { type RouteShape, snapshotOf } from "../../sim/snapshots.ts";
import { type Received, reply } from "../../sim/upstream.ts";

/** A user's filter in the whole proxy: its code lies on the simulated disk. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const FILE = "/app/filters/own.ts";

const POLICY: UserFilterPolicy = {
  name: "own",
  onError: "closed",
  timeoutMs: 1_000,
  maxBodyBytes: 1_000,
  config: {},
};

function shapeWith(policy: Partial<UserFilterPolicy> = {}, route: RouteShape = {}) {
  const config = { ...POLICY, ...policy };
  return {
    route: { ...route, filters: [{ filter: "typescript", config: { ...config } }] },
    filters: { own: FILE },
    accessLog: "json" as const,
  };
}

/** A proxy with this code between caller and upstream. */
async function rigWith(
  code: string,
  policy: Partial<UserFilterPolicy> = {},
  route: RouteShape = {},
): Promise<Rig> {
  rig = new Rig(null);
  // The watchdog's thread; what it does has a test of its own.
  rig.world.threads.body = () => {};
  rig.world.files.makeFolder("/app/filters");
  rig.world.files.write(FILE, code);
  await apply(policy, route);
  return rig;
}

async function apply(policy: Partial<UserFilterPolicy> = {}, route: RouteShape = {}) {
  await rig.proxy.apply(snapshotOf(shapeWith(policy, route)));
}

/** The access log's line of the last request. */
async function logged(): Promise<Logged> {
  await rig.advance(2_000);
  const lines = rig.log.filter((line) => line.includes("response_code"));
  return JSON.parse(lines.at(-1)!) as Logged;
}

interface Logged {
  readonly response_flags?: string;
  readonly response_code_details?: string;
}

const errors = (reason: string): number =>
  rig.metric("outrigger_filter_errors_total", { filter: "own", reason });

const echoed = ({ method, target, headers, body, peer }: Received): void => {
  const seen = { method, target, body, headers: Object.fromEntries(headers) };
  peer.send(reply(200, JSON.stringify(seen), "X-Upstream: yes\r\n"));
};

interface Echoed {
  readonly method: string;
  readonly target: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function echo(path = "/"): Promise<Echoed> {
  const { status, body } = await rig.ask(path);
  expect(status).toBe(200);
  return JSON.parse(body) as Echoed;
}

async function post(body: string, more = "") {
  const client = rig.client();
  const length = `Content-Length: ${body.length}\r\n`;
  const call = client.send(`POST /in HTTP/1.1\r\nHost: shop\r\n${more}${length}\r\n${body}`);
  await rig.world.clock.until(() => call.answer !== null || call.broken, 60_000);
  client.peer.close();
  return { status: call.status, body: call.answer?.body ?? "", call };
}

describe("hooks", () => {
  test("onRequest reads and changes the head, and ctx tells the request's place", async () => {
    await rigWith(
      `export default {
        onRequest(request, ctx) {
          const { headers } = request;
          headers.set("x-seen", [request.method, request.host, request.path, request.query].join());
          headers.append("x-two", "a"); headers.append("x-two", "b");
          headers.remove("accept");
          headers.set("x-place", [ctx.name, ctx.listener, ctx.route, ctx.config.tenant].join());
          headers.set("x-names", headers.entries().map(([name]) => name).join());
          request.path = "/other"; request.query = "c=%20";
        },
      };`,
      { config: { tenant: "acme" } },
    );
    rig.upstream(1, echoed);
    const call = rig.client().send("GET /a?b=1 HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\n\r\n");
    await rig.advance(100);
    const { target, headers } = JSON.parse(call.answer!.body) as Echoed;
    expect(target).toBe("/other?c=%20");
    expect(headers["accept"]).toBeUndefined();
    expect(headers).toMatchObject({
      "x-seen": "GET,shop,/a,b=1",
      "x-place": "own,in,r0,acme",
      "x-names": "host,x-seen,x-two,x-two,x-place",
    });
  });

  test("an answer ends the request here, also after an await", async () => {
    await rigWith(`export default {
      async onRequest(request, ctx) {
        if (request.path === "/now") return ctx.respond(401, { "x-why": "no key" }, "who?");
        await null;
        if (request.path === "/later") return ctx.respond(403);
      },
    };`);
    const upstream = rig.upstream();
    expect(await rig.ask("/now")).toEqual({ status: 401, body: "who?" });
    expect((await logged()).response_code_details).toBe("filter{own}");
    expect(await rig.ask("/later")).toEqual({ status: 403, body: "" });
    expect(upstream.requests.length).toBe(0);
    expect(await rig.ask("/through")).toEqual({ status: 200, body: "u1" });
  });

  test("onResponse changes the answer's head, onComplete hears of its end", async () => {
    await rigWith(`
      const seen = [];
      export default {
        onRequest(request, ctx) { ctx.state.path = request.path; },
        onResponse(response, ctx) {
          response.headers.set("x-path", ctx.state.path);
          response.headers.set("x-before", seen.join());
          response.headers.remove("x-upstream");
          if (ctx.state.path === "/gone") response.status = 410;
        },
        onComplete({ status, durationMs }, ctx) { seen.push(ctx.state.path + status + (durationMs >= 0)); },
      };`);
    rig.upstream(1, echoed);
    await rig.ask("/a");
    const call = rig.client().get("/gone");
    await rig.advance(100);
    expect(call.status).toBe(410);
    const { headers } = call.answer!;
    expect(headers.get("x-path")).toBe("/gone");
    expect(headers.get("x-before")).toBe("/a200true");
    expect(headers.has("x-upstream")).toBe(false);
    expect(rig.metric("outrigger_requests_total", { code: "410" })).toBe(1);
    const calls = { filter: "own", hook: "onComplete" };
    expect(rig.metric("outrigger_filter_calls_total", calls)).toBe(2);
  });

  test("a default export may be a function that makes the hooks from the config", async () => {
    await rigWith(
      `export default ({ config, env }) => ({
        onRequest(request) { request.headers.set("x-from", config.word + env("HOME")); },
      });`,
      { config: { word: "hi" } },
    );
    rig.upstream(1, echoed);
    expect((await echo()).headers["x-from"]).toBe("hi/home/app");
  });

  test("an instance of a class keeps its own state", async () => {
    await rigWith(`
      class Count { count = 0; onRequest(request) { request.headers.set("x-n", String(++this.count)); } }
      export default new Count();`);
    rig.upstream(1, echoed);
    await echo();
    expect((await echo()).headers["x-n"]).toBe("2");
  });
});

test("the example of docs/filters.md", async () => {
  const page = readFileSync(join(import.meta.dir, "../../../docs/filters.md"), "utf8");
  const [, code] = /```ts\n(.*?)```/s.exec(page)!;
  await rigWith(code!);
  rig.world.processes.self.env["API_KEY"] = "k3y";
  rig.upstream();
  expect(await rig.ask()).toEqual({ status: 401, body: "no such key\n" });
  const call = rig.client().send("GET / HTTP/1.1\r\nHost: shop\r\nX-Api-Key: k3y\r\n\r\n");
  await rig.advance(100);
  expect(call.status).toBe(200);
});

describe("whole bodies", () => {
  const REWRITE = `export default {
    async onRequestBody(body, request) {
      request.headers.set("x-length", String(body.length));
      await null;
      return new TextDecoder().decode(body).toUpperCase() + "!";
    },
    onResponseBody(body, response) {
      response.headers.set("x-was", String(body.length));
      return "<" + new TextDecoder().decode(body) + ">";
    },
  };`;

  test("both ways, with their new lengths", async () => {
    await rigWith(REWRITE);
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(200, "answer")));
    const { status, body, call } = await post("hello");
    expect([status, body]).toEqual([200, "<answer>"]);
    expect(call.answer!.headers.get("content-length")).toBe("8");
    expect(call.answer!.headers.get("x-was")).toBe("6");
    const { headers, body: sent } = upstream.requests[0]!;
    expect([sent, headers.get("content-length"), headers.get("x-length")]).toEqual(["HELLO!", "6", "5"]);
  });

  test("in chunks, byte by byte, and answers in chunks; the connections live on", async () => {
    await rigWith(REWRITE);
    const upstream = rig.upstream(1, ({ peer }) => {
      peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
      rig.world.clock.after(20, () => peer.send("2\r\nde\r\n0\r\n\r\n"));
    });
    const client = rig.client();
    for (let round = 0; round < 3; round++) {
      const call = client.send("POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (const byte of "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n") {
        client.peer.send(byte);
        await rig.advance(5);
      }
      await rig.advance(50);
      expect([call.status, call.answer?.body]).toEqual([200, "<abcde>"]);
    }
    expect(upstream.requests.map(({ body }) => body)).toEqual(["ABC!", "ABC!", "ABC!"]);
    expect(upstream.peers.length).toBe(1);
  });

  test("requests in a pipeline are answered in order", async () => {
    await rigWith(REWRITE);
    const upstream = rig.upstream(1, ({ body, peer }) => peer.send(reply(200, body)));
    const client = rig.client();
    const one = (body: string) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n${body}`;
    const calls = ["x", "y", "z"].map((body) => client.send(one(body)));
    await rig.advance(100);
    expect(calls.map(({ answer }) => answer?.body)).toEqual(["<X!>", "<Y!>", "<Z!>"]);
    expect(upstream.requests.length).toBe(3);
  });

  test("a caller that waits for 100 Continue is told to go on", async () => {
    await rigWith(REWRITE);
    const upstream = rig.upstream(1, ({ body, peer }) => peer.send(reply(200, body)));
    const client = rig.client();
    const head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    const call = client.send(head);
    await rig.advance(10);
    expect(call.interim).toEqual([100]);
    client.peer.send("ok");
    await rig.advance(50);
    expect([call.status, call.answer?.body]).toEqual([200, "<OK!>"]);
    expect(upstream.requests[0]!.headers.has("expect")).toBe(false);
  });

  test("what is larger than maxBody is answered 413 and 502, and not kept", async () => {
    await rigWith(REWRITE, { maxBodyBytes: 10 });
    const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(200, "much too long")));
    expect((await post("much too long")).status).toBe(413);
    expect(await logged()).toMatchObject({ response_flags: "LR", response_code_details: "request-too-large" });
    const client = rig.client();
    const chunked = client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.peer.send("8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n");
    await rig.advance(50);
    expect(chunked.status).toBe(413);
    expect(upstream.requests.length).toBe(0);
    expect((await post("short")).status).toBe(502);
    expect(await logged()).toMatchObject({ response_flags: "LR", response_code_details: "response-too-large" });
    upstream.answer = ({ peer }) => {
      peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n");
    };
    expect((await post("short")).status).toBe(502);
  });

  test("a request without a body has an empty one, and may be given one", async () => {
    await rigWith(`export default {
      onRequestBody(body, request, ctx) {
        if (request.path === "/no") return ctx.respond(400, {}, "no: " + body.length);
        if (request.path === "/some") return "made";
      },
    };`);
    const upstream = rig.upstream();
    expect(await rig.ask("/no")).toEqual({ status: 400, body: "no: 0" });
    await rig.ask("/none");
    await rig.ask("/some");
    expect(upstream.requests.map(({ body }) => body)).toEqual(["", "made"]);
    expect(upstream.requests[0]!.headers.has("content-length")).toBe(false);
  });

  test("an answer that is none for its body stays as it is: HEAD, 204", async () => {
    await rigWith(REWRITE);
    const upstream = rig.upstream(1, ({ peer }) => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"));
    const client = rig.client();
    const head = client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    await rig.advance(50);
    expect([head.status, head.answer?.headers.get("content-length")]).toEqual([200, "9"]);
    upstream.answer = ({ peer }) => peer.send("HTTP/1.1 204 No Content\r\n\r\n");
    const none = client.get("/");
    await rig.advance(50);
    expect(none.status).toBe(204);
  });

  test("an upstream that breaks off while its answer is gathered is a 503, not half an answer", async () => {
    await rigWith(REWRITE);
    rig.upstream(1, ({ peer }) => {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
      rig.world.clock.after(10, () => peer.terminate());
    });
    expect((await post("x")).status).toBe(503);
    expect((await logged()).response_flags).toContain("UC");
  });

  test("the route's timeout counts while a body is gathered and while a hook waits", async () => {
    await rigWith(
      `export default { onResponseBody: () => new Promise(() => {}) };`,
      { timeoutMs: 60_000 },
      { timeoutMs: 100 },
    );
    rig.upstream(1, echoed);
    const call = rig.client().get("/");
    await rig.advance(99);
    expect(call.answer).toBeNull();
    await rig.advance(50);
    expect(call.status).toBe(504);
  });

  test("a caller that leaves while its body is gathered or waits ends the request", async () => {
    await rigWith(`export default { onRequestBody: () => new Promise(() => {}) };`);
    const upstream = rig.upstream();
    const client = rig.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    await rig.advance(10);
    client.peer.terminate();
    await rig.advance(10);
    expect((await logged()).response_flags).toBe("DC");
    const second = rig.client();
    second.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    await rig.advance(10);
    second.peer.terminate();
    await rig.advance(2_000);
    expect(upstream.requests.length).toBe(0);
  });
});

describe("errors are contained", () => {
  const THROWS: Readonly<Record<string, string>> = {
    onRequest: "onRequest() { throw new Error('x'); }",
    onRequestBody: "onRequestBody() { throw new Error('x'); }",
    onResponse: "onResponse() { throw new Error('x'); }",
    onResponseBody: "onResponseBody() { throw new Error('x'); }",
    "async onRequest": "async onRequest() { await null; throw new Error('x'); }",
    "async onRequestBody": "async onRequestBody() { await null; throw new Error('x'); }",
    "async onResponse": "async onResponse() { await null; throw new Error('x'); }",
    "async onResponseBody": "async onResponseBody() { await null; throw new Error('x'); }",
  };

  for (const [hook, code] of Object.entries(THROWS)) {
    test(`closed: ${hook} that throws is a 500 with its reason`, async () => {
      await rigWith(`export default { ${code} };`);
      rig.upstream();
      expect(await rig.ask()).toEqual({ status: 500, body: "a filter failed\n" });
      const reason = { response_flags: "LR", response_code_details: "filter-error{own,threw}" };
      expect(await logged()).toMatchObject(reason);
      expect(errors("threw")).toBe(1);
      const told = rig.log.find((line) => line.includes("filter-failed"));
      expect(told).toContain('"subject":"own"');
      expect(told).toContain("x");
    });

    test(`open: ${hook} that throws is passed over`, async () => {
      await rigWith(`export default { ${code} };`, { onError: "open" });
      rig.upstream();
      expect(await rig.ask()).toEqual({ status: 200, body: "u1" });
      expect(errors("threw")).toBe(1);
    });
  }

  test("onComplete that throws is counted, and changes nothing", async () => {
    await rigWith(`export default { onComplete() { throw new Error("late"); } };`);
    rig.upstream();
    expect(await rig.ask()).toEqual({ status: 200, body: "u1" });
    expect(errors("threw")).toBe(1);
  });

  test("a promise that does not settle in time fails the call; what comes later is dropped", async () => {
    await rigWith(
      `export default {
        onRequest: (request) => new Promise((resolve) => {
          (globalThis as any).settleLate = () => {
            try { request.headers.set("x-late", "1"); } catch (error) { (globalThis as any).lateError = error.message; }
            resolve();
          };
        }),
      };`,
      { timeoutMs: 50 },
    );
    const upstream = rig.upstream();
    const late = globalThis as { settleLate?: () => void; lateError?: string };
    const client = rig.client();
    const call = client.get("/");
    await rig.advance(49);
    expect(call.answer).toBeNull();
    await rig.advance(5);
    expect(call.status).toBe(500);
    expect((await logged()).response_code_details).toBe("filter-error{own,timeout}");
    late.settleLate!();
    expect(late.lateError).toContain("its hook has ended");
    await rig.advance(10);
    expect(upstream.requests.length).toBe(0);
    await apply({ timeoutMs: 50, onError: "open" });
    const second = client.get("/");
    await rig.advance(100);
    expect([second.status, errors("timeout")]).toEqual([200, 2]);
  });

  test("what no hook may return fails the call in words", async () => {
    await rigWith(`export default {
      onRequest: (request) => (request.path === "/r" ? 5 : undefined),
      onRequestBody: (body, request) => (request.path === "/b" ? { no: 1 } : undefined),
      onResponse: () => ({ status: 5 }),
    };`);
    rig.upstream();
    for (const path of ["/r", "/b", "/"]) expect((await rig.ask(path)).status).toBe(500);
    expect(errors("returned")).toBe(3);
    const told = rig.log.filter((line) => line.includes("filter-failed")).join();
    expect(told).toContain("onRequest returned number 5, not ctx.respond(...)");
    expect(told).toContain("onRequestBody returned an object, expected a text or a Uint8Array");
    expect(told).toContain("onResponse returned an object, and may return nothing");
  });

  test.each([
    ['headers.set("x", "a\\nb")', "cannot be the value of x"],
    ['headers.set("a b", "c")', "cannot be a header's name"],
    ['headers.set("content-length", "5")', "content-length is written by the proxy itself"],
    ['headers.set("x", 5)', "5 cannot be the value of x"],
    ['headers.remove("connection")', "connection is written by the proxy itself"],
  ])("no header that frames or smuggles: %s", async (edit, text) => {
    await rigWith(`export default { onRequest: ({ headers }) => { ${edit}; } };`);
    const upstream = rig.upstream();
    expect((await rig.ask()).status).toBe(500);
    expect(upstream.requests.length).toBe(0);
    expect(rig.log.join()).toContain(text);
  });

  test.each([
    ["onRequest: (r) => { r.path = 'x'; }", "cannot be a path"],
    ["onRequest: (r) => { r.path = '/a b'; }", "cannot be a path"],
    ["onRequest: (r) => { r.path = '/a?b'; }", "cannot be a path"],
    ["onRequest: (r) => { r.query = 'a#b'; }", "cannot be a query"],
    ["onRequest: (r, ctx) => ctx.respond(99)", "99 cannot be an answer's status"],
    ["onRequest: (r, ctx) => ctx.respond(200, { 'a\\n': 'b' })", "cannot be a header's name"],
    ["onRequest: (r, ctx) => ctx.respond(200, {}, {})", "an answer's body is a text"],
    ["onResponse: (r) => { r.status = 1000; }", "1000 cannot be an answer's status"],
    ["onResponse: (r) => { r.status = 204; }", "200 cannot become 204"],
  ])("nothing that cannot be sent: %s", async (hook, text) => {
    await rigWith(`export default { ${hook} };`);
    rig.upstream();
    expect((await rig.ask()).status).toBe(500);
    expect(rig.log.join()).toContain(text);
  });

  test("a request that is kept beyond its end tells nothing of the next one", async () => {
    await rigWith(`
      let kept = null;
      export default {
        onRequest(request, ctx) {
          let found = "";
          try { found = kept?.request.path ?? "none"; } catch (error) { found = error.message; }
          try { kept?.ctx.requestId; } catch (error) { found += ", " + error.message; }
          kept = { request, ctx };
          request.headers.set("x-found", found);
        },
      };`);
    const upstream = rig.upstream(1, echoed);
    const client = rig.client();
    for (const path of ["/1", "/2"]) {
      client.get(path);
      await rig.advance(50);
    }
    const found = upstream.requests.map(({ headers }) => headers.get("x-found"));
    expect(found).toEqual(["none", "this request is over, this request is over"]);
  });
});

describe("loading", () => {
  const V = (n: number): string => `export default { onRequest(r) { r.headers.set("x-v", "${n}"); } };`;

  test("a changed file is loaded again without losing a request, a bad one is not", async () => {
    await rigWith(V(1));
    rig.upstream(1, echoed);
    expect((await echo()).headers["x-v"]).toBe("1");
    await rig.advance(10);
    rig.world.files.write(FILE, V(2));
    await rig.advance(6_000);
    expect((await echo()).headers["x-v"]).toBe("2");
    for (const bad of ["export default ((;", "export default {};", "export default { onReqest() {} };"]) {
      rig.world.files.write(FILE, bad);
      await rig.advance(6_000);
      expect((await echo()).headers["x-v"]).toBe("2");
    }
    rig.world.files.write(FILE, V(3));
    await rig.advance(6_000);
    expect((await echo()).headers["x-v"]).toBe("3");
    const loads = (result: string) => rig.metric("outrigger_filter_loads_total", { filter: "own", result });
    expect([loads("loaded"), loads("refused")]).toEqual([3, 3]);
    const refused = rig.log.filter((line) => line.includes("filter-refused"));
    expect(refused.length).toBe(3);
    expect(refused.join()).toContain("the version before stays at work");
    expect(refused.join()).toContain("has onReqest, which is no hook");
    expect(rig.log.join()).toContain("was loaded again, and is in force");
  });

  test("a request in flight ends with the code that it began with", async () => {
    await rigWith(`export default { onResponse(r) { r.headers.set("x-v", "old"); } };`);
    rig.upstream(1, ({ peer }) => {
      rig.world.clock.after(10_000, () => peer.send(reply(200, "x")));
    });
    const call = rig.client().get("/");
    await rig.advance(10);
    rig.world.files.write(FILE, `export default { onResponse(r) { r.headers.set("x-v", "new"); } };`);
    await rig.advance(6_000);
    const next = rig.client().get("/");
    await rig.advance(20_000);
    expect([call, next].map(({ answer }) => answer?.headers.get("x-v"))).toEqual(["old", "new"]);
  });

  test.each([
    ["export const a = 1;", "its default export is nothing, expected an object with hooks"],
    ["export default 5;", "its default export is number 5"],
    ["export default { onRequest: 5 };", "has onRequest, which is number 5 and no function"],
    ["export default () => ({ a: 1 });", "what its function returned has no hook"],
    ["export default () => { throw new Error('no table'); };", "no table"],
    ["throw new Error('at the top');", "at the top"],
  ])("what cannot be used is refused with its reason: %s", async (code, text) => {
    const refused = rigWith(code);
    expect(refused).rejects.toThrow(text);
    await refused.catch(() => {});
    expect(rig.proxy.ready).toBe(false);
    expect(rig.log.join()).toContain("snapshot-refused");
  });

  test("a route that comes while a changed file loads gets the new code too", async () => {
    const code = (n: number): string =>
      `export default ({ config: { name } }) => ({
        onRequest(r) { r.headers.set("x-v", name + "${n}"); },
      });`;
    await rigWith(code(1), { config: { name: "a" } });
    rig.upstream(1, echoed);
    const { modules } = rig.world;
    const load = modules.load.bind(modules);
    let isLoading = false;
    modules.load = async (path, version) => {
      isLoading = true;
      await rig.world.clock.sleep(1_000);
      return load(path, version);
    };
    await rig.advance(10);
    rig.world.files.write(FILE, code(2));
    await rig.world.clock.until(() => isLoading, 10_000);
    await apply({ config: { name: "b" } });
    expect((await echo()).headers["x-v"]).toBe("b1");
    await rig.advance(6_000);
    expect((await echo()).headers["x-v"]).toBe("b2");
    await apply({ config: { name: "b" } });
    expect((await echo()).headers["x-v"]).toBe("b2");
  });

  test("a Snapshot whose filter cannot be loaded leaves the last one in force", async () => {
    await rigWith(V(1));
    rig.upstream(1, echoed);
    const shape = shapeWith();
    const refused = rig.proxy.apply(snapshotOf({ ...shape, filters: { own: "/app/none.ts" } }));
    expect(refused).rejects.toThrow("filter own: ");
    await Promise.resolve(refused).catch(() => {});
    expect((await echo()).headers["x-v"]).toBe("1");
  });

  test("open: a file that cannot be loaded is gone without, and in force once it is mended", async () => {
    await rigWith("export default ((;", { onError: "open" });
    rig.upstream(1, echoed);
    expect((await echo()).headers["x-v"]).toBeUndefined();
    expect(rig.log.join()).toContain("there is no version before");
    rig.world.files.write(FILE, V(1));
    await rig.advance(6_000);
    expect((await echo()).headers["x-v"]).toBe("1");
  });

  test("its errors outside of any hook are its own, and end nothing", async () => {
    await rigWith(V(1));
    rig.upstream();
    const error = new Error("forgotten");
    error.stack = `Error: forgotten\n    at later (${FILE}?v=123:4:2)`;
    const told: unknown[] = [];
    // Who was there before the filters is asked after them.
    rig.world.processes.self.reports.push((other) => void told.push(other));
    const report = (one: unknown): void => {
      for (const run of rig.world.processes.self.reports) if (run(one) === true) return;
    };
    report(error);
    report(new Error("another's"));
    expect(told.map((one) => (one as Error).message)).toEqual(["another's"]);
    expect(errors("uncaught")).toBe(1);
    expect(rig.log.join()).toContain("outside of its hooks: forgotten (own.ts:4)");
  });

  test("time is measured: what keeps the thread, and what waits", async () => {
    await rigWith(`export default {
      onRequest: () => new Promise((resolve) => (globalThis as any).later(resolve)),
    };`);
    rig.upstream();
    const later = (resolve: () => void): void => void rig.world.clock.after(300, resolve);
    (globalThis as { later?: typeof later }).later = later;
    const call = rig.client().get("/");
    await rig.advance(1_000);
    expect(call.status).toBe(200);
    expect(rig.metric("outrigger_filter_seconds_total", { filter: "own" })).toBeCloseTo(0.3, 3);
    expect(rig.metric("outrigger_filter_busy_seconds_total", { filter: "own" })).toBe(0);
    expect(rig.proxy.stats().filters).toMatchObject([{ name: "own", loadsTotal: 1 }]);
  });

  test("without filters there is no thread, no timer and no metric of theirs", async () => {
    await rigWith(V(1));
    expect(rig.world.threads.running.size).toBe(1);
    rig.apply({});
    await rig.advance(1_000);
    expect(rig.world.threads.running.size).toBe(0);
    expect(rig.proxy.metrics()).not.toContain("outrigger_filter_");
  });
});
