import { beforeEach, expect, test } from "bun:test";
import type { ClusterBinding } from "../../api/snapshot.ts";
import { createSimulatedWorld, type SimulatedWorld } from "../../base/simulated/mod.ts";
import { ProxyContext } from "../context.ts";
import { Discovery } from "./discovery.ts";

const NAME = "api.example.com";
const DNS: ClusterBinding = {
  discovery: "strict-dns",
  endpoints: [{ host: NAME, port: 80 }],
  refresh: { minMs: 1_000, maxMs: 60_000 },
};
const LIST: ClusterBinding = {
  ...DNS,
  discovery: "static",
  endpoints: [{ host: "10.9.9.9", port: 1 }],
};

let world: SimulatedWorld;
let context: ProxyContext;
let discovery: Discovery;
/** What the cluster was told, in order: addresses joined. */
let told: string[];
let lookups: number[];
const kinds = (): string[] => context.events.list().map(({ kind }) => kind);

beforeEach(() => {
  world = createSimulatedWorld({ seed: 1 });
  told = [];
  lookups = [];
  const { net, clock } = world;
  const counted = {
    handover: net.handover,
    room: net.room,
    listen: net.listen.bind(net),
    connect: net.connect.bind(net),
    tlsContext: net.tlsContext.bind(net),
    udp: net.udp.bind(net),
    resolve(name: string) {
      lookups.push(Math.round(clock.now()));
      return net.resolve(name);
    },
  };
  context = new ProxyContext({ ...world, net: counted }, () => {});
  discovery = new Discovery("api", context, (addresses) =>
    told.push(addresses.map(({ host, port }) => `${host}:${port}`).join(" ")),
  );
});

const answer = (addresses: string[], ttlMs: number): void =>
  world.net.setName(NAME, { addresses, ttlMs });

test("a list is in force at once", () => {
  discovery.follow(LIST);
  expect([told, discovery.isPending]).toEqual([["10.9.9.9:1"], false]);
});

test("a name is pending until its first answer, and asked again when its TTL ends", async () => {
  answer(["10.0.0.2", "10.0.0.1"], 5_000);
  discovery.follow(DNS);
  expect(discovery.isPending).toBe(true);
  await world.clock.advance(10);
  expect([told, discovery.isPending]).toEqual([["10.0.0.1:80 10.0.0.2:80"], false]);
  answer(["10.0.0.3"], 5_000);
  await world.clock.advance(4_900);
  expect(told.length).toBe(1);
  await world.clock.advance(200);
  expect(told[1]).toBe("10.0.0.3:80");
  discovery.stop();
});

test("the same answer in another order tells nobody", async () => {
  answer(["10.0.0.1", "10.0.0.2"], 1_000);
  discovery.follow(DNS);
  await world.clock.advance(500);
  answer(["10.0.0.2", "10.0.0.1"], 1_000);
  await world.clock.advance(3_000);
  expect([told.length, lookups.length]).toEqual([1, 4]);
  discovery.stop();
});

test("a TTL is bounded by the shortest and the longest refresh", async () => {
  answer(["10.0.0.1"], 1);
  discovery.follow(DNS);
  await world.clock.advance(500);
  answer(["10.0.0.1"], 1e9);
  await world.clock.advance(62_500);
  expect(lookups).toEqual([0, 1_000, 61_000]);
  discovery.stop();
});

test("a failure keeps the last addresses, is told once, and doubles the wait", async () => {
  answer(["10.0.0.1"], 1_000);
  discovery.follow(DNS);
  await world.clock.advance(500);
  world.net.setName(NAME, "not-found");
  await world.clock.advance(30_000);
  const waits = lookups.slice(1).map((at, index) => at - lookups[index]!);
  expect(waits.map((wait) => Math.round(wait / 1_000))).toEqual([1, 1, 2, 4, 5, 5, 5, 5]);
  expect(new Set(told)).toEqual(new Set(["10.0.0.1:80"]));
  expect(kinds()).toEqual(["endpoints-changed", "name-unresolved"]);
  answer(["10.0.0.7"], 60_000);
  await world.clock.advance(60_000);
  expect(told.at(-1)).toBe("10.0.0.7:80");
  discovery.stop();
});

test("a name without an answer is pending no longer: requests fail at once", async () => {
  discovery.follow(DNS);
  await world.clock.advance(10);
  expect([discovery.isPending, told]).toEqual([false, [""]]);
  discovery.stop();
});

test("an answer to an older binding is dropped", async () => {
  answer(["10.0.0.1"], 1_000);
  discovery.follow(DNS);
  discovery.follow(LIST);
  await world.clock.advance(10_000);
  expect([told, lookups.length]).toEqual([["10.9.9.9:1"], 1]);
});

test("the same binding changes nothing; another name takes over when it answers", async () => {
  answer(["10.0.0.1"], 60_000);
  discovery.follow(DNS);
  await world.clock.advance(10);
  discovery.follow({ ...DNS });
  await world.clock.advance(10);
  expect(lookups.length).toBe(1);
  world.net.setName("other.example.com", { addresses: ["10.0.0.5"], ttlMs: 60_000 });
  discovery.follow({ ...DNS, endpoints: [{ host: "other.example.com", port: 81 }] });
  expect([discovery.isPending, told.length]).toEqual([false, 1]);
  await world.clock.advance(10);
  expect(told[1]).toBe("10.0.0.5:81");
  discovery.stop();
});

test("once stopped it asks no more and leaves no timer", async () => {
  answer(["10.0.0.1"], 1_000);
  discovery.follow(DNS);
  await world.clock.advance(500);
  discovery.stop();
  await world.clock.advance(100_000);
  expect([lookups.length, world.leaks()]).toEqual([1, []]);
});
