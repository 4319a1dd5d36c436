import { afterEach, expect, test } from "bun:test";
import type { RateLimitPolicy } from "../../api/rate_limit.ts";
import { Rig } from "../../sim/rig.ts";
import type { SnapshotShape } from "../../sim/snapshots.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const LIMIT: RateLimitPolicy = {
  name: "route",
  requests: 2,
  perMs: 10_000,
  burst: 3,
  key: { by: "route" },
  maxKeys: 10,
};

function shapeWith(policy: Partial<RateLimitPolicy>): SnapshotShape {
  const filters = [{ filter: "rate_limit", config: { ...LIMIT, ...policy } }];
  return { route: { filters }, accessLog: "json" };
}

async function send(text: string): Promise<number> {
  const client = rig.client();
  const call = client.send(`GET ${text}\r\n\r\n`);
  await rig.advance(1);
  client.peer.close();
  return call.status;
}

async function statuses(count: number, text = "/ HTTP/1.1\r\nHost: a"): Promise<number[]> {
  const found: number[] = [];
  for (let index = 0; index < count; index++) found.push(await send(text));
  return found;
}

test("above the burst 429 with when to come again; the upstream hears of the rest only", async () => {
  rig = new Rig(shapeWith({}));
  const upstream = rig.upstream();
  expect(await statuses(5)).toEqual([200, 200, 200, 429, 429]);
  expect(upstream.requests.length).toBe(3);
  const refused = rig.client().get("/");
  await rig.advance(1);
  const { headers, body } = refused.answer!;
  expect([headers.get("retry-after"), body]).toEqual(["5", "too many requests\n"]);
  expect(headers.get("ratelimit")).toBe('"route";r=0;t=5');
  expect(headers.get("ratelimit-policy")).toBe('"route";q=2;w=10;burst=3');
  await rig.advance(5_000);
  expect(await statuses(2)).toEqual([200, 429]);
  expect(rig.metric("outrigger_rate_limited_total", { limit: "route" })).toBe(4);
  await rig.advance(2_000);
  const flagged = rig.log.filter((line) => line.includes('"response_flags":"RL"'));
  expect(flagged.length).toBe(4);
  expect(flagged[0]).toContain('"response_code_details":"rate_limited"');
});

test("by header, path or source each value has a limit of its own", async () => {
  const one = { requests: 1, burst: 1 };
  rig = new Rig(shapeWith({ ...one, key: { by: "header", header: "x-user" } }));
  rig.upstream();
  const user = (name: string) => `/ HTTP/1.1\r\nHost: a\r\nX-User: ${name}`;
  expect(await statuses(2, user("ada"))).toEqual([200, 429]);
  expect(await statuses(2, user("bob"))).toEqual([200, 429]);
  expect(await statuses(2)).toEqual([200, 429]);
  rig.apply({ ...shapeWith({ ...one, name: "path", key: { by: "path" } }), version: "2" });
  expect(await statuses(2, "/a?x=1 HTTP/1.1\r\nHost: a")).toEqual([200, 429]);
  expect(await statuses(1, "/a?x=2 HTTP/1.1\r\nHost: a")).toEqual([429]);
  expect(await statuses(1, "/b HTTP/1.1\r\nHost: a")).toEqual([200]);
  rig.apply({ ...shapeWith({ ...one, name: "source", key: { by: "source" } }), version: "3" });
  expect(await statuses(2)).toEqual([200, 429]);
});

test("what was counted outlives a new Snapshot, unless the limit is another", async () => {
  rig = new Rig(shapeWith({}));
  rig.upstream();
  expect(await statuses(3)).toEqual([200, 200, 200]);
  rig.apply({ ...shapeWith({}), version: "2" });
  expect(await statuses(1)).toEqual([429]);
  rig.apply({ ...shapeWith({ burst: 4 }), version: "3" });
  expect(await statuses(5)).toEqual([200, 200, 200, 200, 429]);
});

test.each([
  [{ requests: 0 }, "requests: a whole number"],
  [{ burst: 1.5 }, "burst: a whole number"],
  [{ perMs: 0 }, "perMs"],
  [{ name: "" }, "name"],
  [{ key: { by: "header" } }, "key.by"],
] as const)("a config that makes no sense is refused: %j", (wrong, problem) => {
  rig = new Rig();
  expect(() => rig.apply(shapeWith(wrong as Partial<RateLimitPolicy>))).toThrow(problem);
});
