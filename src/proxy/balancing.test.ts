import { afterEach, expect, test } from "bun:test";
import type { OutlierPolicy } from "../api/snapshot.ts";
import { Rig } from "../sim/rig.ts";
import { RETRY, upstreamAt } from "../sim/snapshots.ts";
import { reply } from "../sim/upstream.ts";

/** How endpoints are chosen, through the whole proxy. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const askedOf = (): number[] => rig.upstreams.map(({ requests }) => requests.length);

async function ask(count: number): Promise<void> {
  for (let done = 0; done < count; done++) expect((await rig.ask()).status).toBe(200);
}

test("parts follow the weights of endpoints", async () => {
  const endpoints = [{ ...upstreamAt(1), weight: 3 }, upstreamAt(2)];
  rig = new Rig({ cluster: { endpoints } });
  for (const index of [1, 2]) rig.upstream(index);
  await ask(40);
  expect(askedOf()).toEqual([30, 10]);
  rig.apply({ version: "2", cluster: { endpoints: [upstreamAt(1), upstreamAt(2)] } });
  await ask(40);
  expect(askedOf()).toEqual([50, 30]);
});

for (const policy of ["ring-hash", "maglev"] as const) {
  test(`${policy}: one cookie stays at one endpoint, others go elsewhere`, async () => {
    const hashBy = { from: "cookie", name: "sid" } as const;
    const endpoints = [1, 2, 3].map(upstreamAt);
    rig = new Rig({ cluster: { endpoints, balance: { policy, hashBy } } });
    for (const index of [1, 2, 3]) rig.upstream(index);
    const client = rig.client();
    const bodyOf = async (cookie: string): Promise<string> => {
      const call = client.get("/", `shop\r\nCookie: a=b; sid=${cookie}`);
      await rig.advance(50);
      return call.answer!.body;
    };
    const first = await bodyOf("user-1");
    for (let count = 0; count < 5; count++) expect(await bodyOf("user-1")).toBe(first);
    const others = new Set<string>();
    for (let user = 2; user < 22; user++) others.add(await bodyOf(`user-${user}`));
    expect(others.size).toBe(3);
  });
}

test("only endpoints with the subset's labels are asked", async () => {
  const endpoints = [1, 2, 3].map((index) => ({
    ...upstreamAt(index),
    labels: { version: index === 2 ? "v2" : "v1" },
  }));
  const at = (version: string) => ({
    version,
    cluster: { endpoints, balance: { policy: "round-robin" as const, subset: { version } } },
  });
  rig = new Rig(at("v2"));
  for (const index of [1, 2, 3]) rig.upstream(index);
  await ask(6);
  expect(askedOf()).toEqual([0, 6, 0]);
  rig.apply(at("v1"));
  await ask(6);
  expect(askedOf()).toEqual([3, 6, 3]);
  rig.apply(at("v3"));
  expect((await rig.ask()).status).toBe(503);
});

test("S4-45 locality: the own zone serves, a failing try goes to the next zone", async () => {
  const endpoints = [
    { ...upstreamAt(1), zone: "eu-1" },
    { ...upstreamAt(2), zone: "eu-2" },
    { ...upstreamAt(3), zone: "us-1" },
  ];
  const locality = { zone: "eu-1", failover: ["eu-2"], spillRatio: 0.7 };
  const balance = { policy: "round-robin" as const, locality };
  rig = new Rig({ cluster: { endpoints, balance }, route: { retry: RETRY } });
  rig.upstream(1);
  rig.upstream(2);
  rig.upstream(3);
  await ask(10);
  expect(askedOf()).toEqual([10, 0, 0]);
  rig.upstreams[0]!.answer = ({ peer }) => peer.send(reply(500, "ill"));
  expect(await rig.ask()).toEqual({ status: 200, body: "u2" });
  expect(askedOf()).toEqual([11, 1, 0]);
});

test("slow start: a new endpoint gets its share little by little", async () => {
  const balance = { policy: "round-robin" as const, slowStartMs: 60_000 };
  rig = new Rig({ cluster: { endpoints: [upstreamAt(1)], balance } });
  for (const index of [1, 2]) rig.upstream(index);
  rig.apply({ version: "2", cluster: { endpoints: [upstreamAt(1), upstreamAt(2)], balance } });
  const partOfNext = async (): Promise<number> => {
    const before = askedOf()[1]!;
    await ask(22);
    return askedOf()[1]! - before;
  };
  expect(await partOfNext()).toBeLessThanOrEqual(3);
  await rig.advance(30_000);
  const half = await partOfNext();
  expect(half).toBeGreaterThan(4);
  expect(half).toBeLessThan(10);
  await rig.advance(31_000);
  expect(await partOfNext()).toBe(11);
});

const OUTLIER: OutlierPolicy = {
  consecutive5xx: 3,
  consecutiveGatewayErrors: 3,
  successRate: null,
  intervalMs: 10_000,
  baseMs: 5_000,
  maxMs: 60_000,
  maxEjectedRatio: 0.5,
};

test("S4-11 an endpoint that fails leaves within its third failure and comes back", async () => {
  rig = new Rig({ cluster: { endpoints: [1, 2, 3].map(upstreamAt), outlier: OUTLIER } });
  const ill = rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
  rig.upstream(2);
  rig.upstream(3);
  for (let count = 0; count < 40; count++) await rig.ask();
  expect(ill.requests.length).toBe(3);
  const [first] = rig.proxy.stats().clusters[0]!.endpoints;
  expect([first!.ejected, first!.healthy]).toEqual([true, true]);
  expect(rig.metric("outrigger_upstream_endpoints", { state: "ejected" })).toBe(1);
  expect(rig.metric("outrigger_upstream_ejections_total", { reason: "gateway-error" })).toBe(0);
  expect(rig.metric("outrigger_upstream_ejections_total", { reason: "5xx" })).toBe(1);
  ill.answer = ({ peer }) => peer.send(reply(200, "u1"));
  await rig.advance(5_000);
  await ask(30);
  expect(ill.requests.length).toBe(13);
  const kinds = rig.proxy.stats().events.map(({ kind }) => kind);
  expect(kinds).toEqual(["snapshot-applied", "endpoint-ejected", "endpoint-returned"]);
});

test("S4-11 a dead endpoint is left out; when all are ill, all are asked", async () => {
  const outlier = { ...OUTLIER, maxEjectedRatio: 1 };
  rig = new Rig({
    cluster: { endpoints: [1, 2].map(upstreamAt), outlier },
    route: { retry: RETRY },
  });
  const last = rig.upstream(2);
  // Nobody listens at the first.
  await ask(10);
  const [first] = rig.proxy.stats().clusters[0]!.endpoints;
  expect([first!.ejected, first!.triesTotal]).toEqual([true, 3]);
  last.answer = ({ peer }) => peer.send(reply(503, "ill"));
  for (let count = 0; count < 6; count++) await rig.ask();
  const both = rig.proxy.stats().clusters[0]!.endpoints;
  expect(both.map(({ ejected }) => ejected)).toEqual([true, true]);
  expect(both[0]!.triesTotal).toBeGreaterThan(3);
});

test("a returning endpoint starts slowly where that is asked for", async () => {
  const balance = { policy: "round-robin" as const, slowStartMs: 20_000 };
  rig = new Rig({ cluster: { endpoints: [1, 2].map(upstreamAt), outlier: OUTLIER, balance } });
  const ill = rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
  rig.upstream(2);
  for (let count = 0; count < 10; count++) await rig.ask();
  ill.answer = ({ peer }) => peer.send(reply(200, "u1"));
  await rig.advance(5_100);
  const before = ill.requests.length;
  await ask(22);
  expect(ill.requests.length - before).toBeLessThanOrEqual(3);
  await rig.advance(21_000);
  await ask(20);
  expect(ill.requests.length - before).toBeGreaterThanOrEqual(10);
});

test("S4-45 locality: below its bound a zone shares with the next, in proportion", async () => {
  const endpoints = [1, 2, 3, 4].map((index) => ({
    ...upstreamAt(index),
    zone: index < 3 ? "eu-1" : "eu-2",
  }));
  const locality = { zone: "eu-1", failover: ["eu-2"], spillRatio: 0.8 };
  const balance = { policy: "round-robin" as const, locality };
  rig = new Rig({ cluster: { endpoints, outlier: { ...OUTLIER, baseMs: 600_000 }, balance } });
  rig.upstream(1, ({ peer }) => peer.send(reply(500, "ill")));
  for (const index of [2, 3, 4]) rig.upstream(index);
  for (let count = 0; count < 6; count++) await rig.ask();
  const before = askedOf();
  await ask(200);
  const [one, two, three, four] = askedOf().map((count, index) => count - before[index]!);
  // Half of the zone is healthy: 0.5 / 0.8 of the requests stay there.
  expect(one).toBe(0);
  expect(Math.abs(two! - 125)).toBeLessThan(25);
  expect(Math.abs(three! - four!)).toBeLessThanOrEqual(1);
});

test("below the panic threshold all are asked, above it only the healthy ones", async () => {
  for (const [panicRatio, asked] of [
    [0.6, 4],
    [0.5, 0],
  ] as const) {
    rig = new Rig({
      cluster: {
        endpoints: [1, 2, 3, 4].map(upstreamAt),
        balance: { policy: "round-robin", panicRatio },
        outlier: { ...OUTLIER, baseMs: 600_000 },
      },
    });
    for (const index of [1, 2]) rig.upstream(index, ({ peer }) => peer.send(reply(500, "ill")));
    for (const index of [3, 4]) rig.upstream(index);
    for (let count = 0; count < 16; count++) await rig.ask();
    const before = askedOf();
    for (let count = 0; count < 8; count++) await rig.ask();
    // Two of four are healthy.
    const ill = askedOf()[0]! + askedOf()[1]! - before[0]! - before[1]!;
    expect(ill).toBe(asked);
    if (asked !== 0) expect(await rig.leaks()).toEqual([]);
  }
});

test("S4-45 locality: a zone with nobody well gives all to the next, then the rest", async () => {
  const zones = ["eu-1", "eu-2", ""];
  const endpoints = [1, 2, 3].map((index) => ({ ...upstreamAt(index), zone: zones[index - 1]! }));
  const locality = { zone: "eu-1", failover: ["eu-2"], spillRatio: 0.7 };
  const outlier = { ...OUTLIER, baseMs: 600_000, maxMs: 600_000, maxEjectedRatio: 1 };
  rig = new Rig({
    cluster: { endpoints, outlier, balance: { policy: "least-request", locality } },
  });
  for (const index of [1, 2, 3]) rig.upstream(index);
  for (const serving of [0, 1, 2]) {
    if (serving > 0) {
      rig.upstreams[serving - 1]!.answer = ({ peer }) => peer.send(reply(500, "ill"));
      for (let count = 0; count < 3; count++) await rig.ask();
    }
    const before = askedOf();
    await ask(5);
    const added = askedOf().map((count, index) => count - before[index]!);
    expect(added).toEqual([0, 1, 2].map((index) => (index === serving ? 5 : 0)));
  }
});

test("a balancer that nobody knows is refused, and the last Snapshot stays in force", async () => {
  rig = new Rig({ cluster: { balance: { policy: "random" } } });
  rig.upstream(1);
  const balance = { policy: "toString" as "random" };
  expect(() => rig.apply({ version: "2", cluster: { balance } })).toThrow(
    "cluster app: no balancer is named toString",
  );
  await ask(2);
  expect(rig.proxy.stats().version).toBe("1");
});
