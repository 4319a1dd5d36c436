import { afterEach, expect, test } from "bun:test";
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
