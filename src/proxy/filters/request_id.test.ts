import { afterEach, expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";
import { reply } from "../../sim/upstream.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const filters = [{ filter: "request_id", config: {} }];

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

/** The id that the upstream got, and the one in the access log. */
async function ids(...lines: string[]): Promise<[string | undefined, string]> {
  const upstream = rig.upstreams[0]!;
  const head = ["GET / HTTP/1.1", "Host: shop", ...lines].join("\r\n");
  rig.client().send(`${head}\r\n\r\n`);
  await rig.advance(200);
  return [
    upstream.requests.at(-1)!.headers.get("x-request-id"),
    (JSON.parse(rig.log.at(-1)!) as { request_id: string }).request_id,
  ];
}

test("each request gets a random UUID of its own, in the log too", async () => {
  rig = new Rig({ route: { filters }, accessLog: "json" });
  rig.upstream();
  const seen = new Set<string>();
  for (let count = 0; count < 20; count++) {
    const [sent, logged] = await ids();
    expect(sent).toMatch(UUID);
    expect(logged).toBe(sent!);
    seen.add(sent!);
  }
  expect(seen.size).toBe(20);
});

test("an id that came is kept; one that is no id is replaced", async () => {
  rig = new Rig({ route: { filters }, accessLog: "json" });
  rig.upstream();
  expect(await ids("X-Request-ID: abc-123")).toEqual(["abc-123", "abc-123"]);
  expect(await ids(`x-request-id: ${"x".repeat(128)}`)).toEqual(["x".repeat(128), "x".repeat(128)]);
  const bad = [
    [`x-request-id: ${"x".repeat(129)}`],
    ["x-request-id: a b"],
    ["x-request-id: "],
    ["x-request-id: caf\u00e9"],
    ["x-request-id: a", "x-request-id: b"],
  ];
  for (const lines of bad) {
    const [sent, logged] = await ids(...lines);
    expect(sent).toMatch(UUID);
    expect(logged).toBe(sent!);
  }
});

test("a retry carries the same id", async () => {
  const retry = {
    attempts: 2,
    on: ["5xx"] as const,
    perTryTimeoutMs: 0,
    backoff: { baseMs: 1, maxMs: 1 },
    budgetRatio: 1,
    budgetMinimum: 3,
    methods: "idempotent" as const,
    maxBodyBytes: 0,
  };
  rig = new Rig({ route: { filters, retry } });
  const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
  await rig.ask();
  const sent = upstream.requests.map(({ headers }) => headers.get("x-request-id"));
  expect(sent.length).toBe(3);
  expect(new Set(sent).size).toBe(1);
});
