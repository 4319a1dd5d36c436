import { afterEach, expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";
import { RETRY } from "../../sim/snapshots.ts";
import { type Received, reply } from "../../sim/upstream.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

/** Lines of requests; the proxy's own events have another form. */
const records = (): Record<string, unknown>[] =>
  rig.log
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((one) => !("event" in one));

test("a finished request is one line of JSON with Envoy's names", async () => {
  rig = new Rig({ accessLog: "json" });
  rig.upstream(1, ({ peer }) => rig.world.clock.after(5, () => peer.send(reply(200, "hello"))));
  await rig.advance(50);
  const head = "PUT /a%22b?q=1 HTTP/1.1\r\nHost: shop:80\r\nUser-Agent: test/1\r\n";
  rig.client().send(`${head}Content-Length: 3\r\n\r\nabc`);
  await rig.advance(200);
  expect(records()).toEqual([
    {
      start_time: expect.stringMatching(/^2026-01-01T00:00:00\.\d{3}Z$/),
      method: "PUT",
      path: "/a%22b?q=1",
      protocol: "HTTP/1.1",
      authority: "shop:80",
      response_code: 200,
      response_flags: "-",
      response_code_details: "via_upstream",
      reason: null,
      bytes_received: 3,
      bytes_sent: 5,
      duration_ms: expect.any(Number),
      tries: 1,
      listener: "in",
      route_name: "r0",
      upstream_cluster: "app",
      upstream_host: "10.0.1.1:80",
      downstream_remote_address: "10.0.2.1",
      request_id: null,
      trace_id: null,
      user_agent: "test/1",
    },
  ]);
  expect(records()[0]!.duration_ms as number).toBeGreaterThan(5);
});

test("flags and details say why", async () => {
  rig = new Rig({
    accessLog: "json",
    route: { path: { kind: "prefix", value: "/in" }, retry: { ...RETRY, attempts: 1 } },
  });
  await rig.ask("/out");
  await rig.ask("/in");
  const leaving = rig.client();
  rig.upstream(1, () => {});
  leaving.get("/in");
  await rig.advance(5);
  leaving.peer.terminate();
  rig.client().send("nonsense\r\n\r\n");
  await rig.advance(200);
  const seen = records().map((one) => [
    one.response_code,
    one.response_flags,
    one.response_code_details,
    one.reason,
  ]);
  expect(seen).toEqual([
    [404, "NR", "no-route", "no route for this host and path"],
    [503, "UF,URX", "connect-failure", "cannot connect upstream; no retry is left"],
    [0, "DC", "downstream_closed", "the caller left"],
    [400, "DPE", "bad-request-line", expect.any(String)],
  ]);
});

test("off is off; lines are handed on together, and none is lost at the end", async () => {
  rig = new Rig({ accessLog: "off" });
  rig.upstream();
  await rig.ask();
  await rig.advance(200);
  expect(records()).toEqual([]);
  rig.apply({ accessLog: "json" });
  const client = rig.client();
  const calls = [client.get("/1"), client.get("/2")];
  await rig.advance(10);
  expect(calls.every(({ status }) => status === 200)).toBe(true);
  expect(records()).toEqual([]);
  rig.proxy.close();
  expect(records().map(({ path }) => path)).toEqual(["/1", "/2"]);
});

const texts = (): string[] => rig.log.filter((line) => !line.startsWith("{"));

test("S2-12 text: Envoy's default format, and the reason in words", async () => {
  rig = new Rig({ accessLog: "text", route: { path: { kind: "prefix", value: "/in" } } });
  rig.upstream(1, ({ peer }) => rig.world.clock.after(5, () => peer.send(reply(200, "hello"))));
  await rig.advance(50);
  const fields = "User-Agent: test/1\r\nX-Forwarded-For: 1.2.3.4\r\n";
  const head = `PUT /in?q=1 HTTP/1.1\r\nHost: shop:80\r\n${fields}Content-Length: 3\r\n\r\n`;
  rig.client().send(`${head}abc`);
  await rig.ask("/out");
  rig.client().send("nonsense\r\n\r\n");
  await rig.advance(200);
  const time = String.raw`\[2026-01-01T00:00:00\.\d{3}Z\]`;
  const expected = [
    `${time} "GET /out HTTP/1\\.1" 404 NR 0 \\d+ \\d+ - "-" "-" "-" "shop" "-" "no route for this host and path"`,
    `${time} "- - -" 400 DPE 0 0 0 - "-" "-" "-" "-" "-" ".+ \\(from 10\\.0\\.2\\.1\\)"`,
    `${time} "PUT /in\\?q=1 HTTP/1\\.1" 200 - 3 5 \\d+ - "1\\.2\\.3\\.4" "test/1" "-" "shop:80" "10\\.0\\.1\\.1:80" "-"`,
  ];
  expect(texts().length).toBe(3);
  for (const pattern of expected) {
    expect(texts().filter((line) => new RegExp(`^${pattern}$`).test(line)).length).toBe(1);
  }
});

test("S2-12 text: what callers send stays in its field and in its line", async () => {
  rig = new Rig({ accessLog: "text" });
  rig.upstream();
  const evil = 'x" "admin" 200 \\\t\u00e4\u009b31m';
  const head = `GET /a"b HTTP/1.1\r\nHost: shop\r\nUser-Agent: ${evil}\r\nX-Forwarded-For: \u00ff\r\n\r\n`;
  rig.client().send(head);
  await rig.advance(500);
  const [line = "", ...others] = texts();
  expect(others).toEqual([]);
  expect(line).toMatch(/^[ -~]+$/);
  expect(line).toContain(String.raw`"x\" \"admin\" 200 \\\x09\xE4\x9B31m"`);
  // Every field is there once, however they are told apart.
  expect(line.match(/"(?:[^"\\]|\\.)*"/g)!.length).toBe(7);
});

test("S2-12 only errors, slow ones, a sample: what meets one of the conditions is logged", async () => {
  rig = new Rig({
    accessLog: { format: "json", only: { errors: true, slowerThanMs: 100 } },
    route: { path: { kind: "prefix", value: "/in" } },
  });
  const slow = ({ target, peer }: Received): void => {
    const answer = reply(target.includes("/in/bad") ? 500 : 200, "x");
    rig.world.clock.after(target.includes("/in/slow") ? 150 : 1, () => peer.send(answer));
  };
  rig.upstream(1, slow);
  for (const path of ["/in/good", "/in/slow", "/in/bad", "/out"]) await rig.ask(path);
  await rig.advance(200);
  expect(records().map(({ path }) => path)).toEqual(["/in/slow", "/in/bad", "/out"]);
  rig.log.length = 0;
  rig.apply({ accessLog: { format: "json", only: { errors: false, sampleRatio: 0.25 } } });
  for (let count = 0; count < 200; count++) await rig.ask(count % 2 === 0 ? "/in/bad" : "/in/good");
  await rig.advance(200);
  const logged = records().length;
  expect(logged).toBeGreaterThan(30);
  expect(logged).toBeLessThan(70);
  rig.log.length = 0;
  rig.apply({ accessLog: { format: "json", only: { errors: false, sampleRatio: 0 } } });
  await rig.ask("/in/bad");
  rig.client().send("nonsense\r\n\r\n");
  await rig.advance(200);
  expect(records()).toEqual([]);
});
