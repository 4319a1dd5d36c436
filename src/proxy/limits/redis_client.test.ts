import { afterEach, beforeEach, expect, test } from "bun:test";
import type { RedisBinding } from "../../api/redis.ts";
import { createSimulatedWorld, type SimulatedWorld } from "../../base/simulated/mod.ts";
import { Timeouts } from "../../base/timeouts.ts";
import type { RespValue } from "../../codec/resp.ts";
import { BUCKET_SCRIPT } from "./bucket_script.ts";
import { RedisClient, type RedisFailure } from "./redis_client.ts";
import { FakeRedis } from "./testdata/fake_redis.ts";

const HOST = "10.0.9.1";
const TIMEOUT_MS = 20;

let world: SimulatedWorld;
let redis: FakeRedis;
let events: string[];
let clients: RedisClient[];

beforeEach(() => {
  world = createSimulatedWorld({ seed: 1 });
  redis = new FakeRedis(world.at(HOST), HOST);
  events = [];
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.close();
  redis.stop();
  await world.clock.advance(10_000);
  expect(world.leaks()).toEqual([]);
});

function clientOf(over: Partial<RedisBinding> = {}): RedisClient {
  const binding = { host: HOST, port: 6379, database: 0, ...over };
  const timeouts = new Timeouts(world.clock);
  const client = new RedisClient(world, timeouts, binding, BUCKET_SCRIPT, {
    onAway: (reason) => events.push(`away: ${reason}`),
    onBack: () => events.push("back"),
  });
  clients.push(client);
  client.start();
  return client;
}

type Answer = readonly RespValue[] | RedisFailure;

/** What became of a call: its first number, or why there is none. Undefined while it waits. */
function ask(client: RedisClient, key = "k"): { readonly value: unknown } {
  const asked: { value: unknown } = { value: undefined };
  client.call(key, ["2", "2", "10000"], TIMEOUT_MS, (answer: Answer) => {
    asked.value = typeof answer === "string" ? answer : (answer[0] as { value: unknown }).value;
  });
  return asked;
}

async function answersOf(client: RedisClient, count: number): Promise<unknown[]> {
  const asked = Array.from({ length: count }, () => ask(client));
  await world.clock.advance(TIMEOUT_MS + 1);
  return asked.map(({ value }) => value);
}

test("it says who it is, chooses its database, sends its script once, calls it by hash", async () => {
  redis.user = "limits";
  redis.password = "s3cret";
  world.files.makeFolder("/run");
  world.files.write("/run/secret", "s3cret\n");
  const client = clientOf({ user: "limits", password: { file: "/run/secret" }, database: 3 });
  expect(await answersOf(client, 3)).toEqual([1, 1, 0]);
  expect(redis.commands.slice(0, 3)).toEqual([
    ...["AUTH limits", "SELECT 3", "SCRIPT LOAD SCRIPT"],
  ]);
  const calls = redis.commands.slice(3).map((one) => one.replace(/[0-9a-f]{40}/, "HASH"));
  expect(calls).toEqual(Array(3).fill("EVALSHA HASH 1 k 2 2 10000"));
  expect([client.state, client.answered, redis.connections]).toEqual(["ready", 3, 1]);
});

test("a burst of the same instant is one write; what comes meanwhile is the next", async () => {
  const client = clientOf();
  await world.clock.advance(5);
  redis.chunks.length = 0;
  const first = Array.from({ length: 50 }, () => ask(client));
  await world.clock.advance(0.01);
  const second = Array.from({ length: 30 }, () => ask(client));
  await world.clock.advance(TIMEOUT_MS);
  expect(redis.chunks).toEqual([50, 30]);
  const passed = [...first, ...second].filter(({ value }) => value === 1);
  expect([passed.length, client.answered]).toEqual([2, 80]);
});

test("a Redis that forgot the script is given it again, and nothing is lost", async () => {
  const client = clientOf();
  await world.clock.advance(5);
  redis.flushScripts();
  expect(await answersOf(client, 3)).toEqual([1, 1, 0]);
  expect(redis.commands.some((one) => one.startsWith("EVAL SCRIPT"))).toBe(true);
  const before = redis.commands.length;
  expect(await answersOf(client, 1)).toEqual([0]);
  expect(redis.commands.slice(before)[0]).toStartWith("EVALSHA");
});

test("a Redis that is killed fails calls at once; back, it is used again by itself", async () => {
  const client = clientOf();
  expect(await answersOf(client, 1)).toEqual([1]);
  redis.stop();
  await world.clock.advance(1);
  const asked = ask(client);
  expect([asked.value, client.state]).toEqual(["away", "away"]);
  await world.clock.advance(30_000);
  redis.start();
  // The longest wait between two attempts.
  await world.clock.advance(2_500);
  expect(client.state).toBe("ready");
  expect(await answersOf(client, 1)).toEqual([1]);
  expect(events.map((one) => one.split(":")[0])).toEqual(["away", "back"]);
});

test("a Redis that stands still costs each call its time, then it is given up", async () => {
  const client = clientOf();
  await world.clock.advance(5);
  redis.answers = false;
  expect(await answersOf(client, 3)).toEqual(["timeout", "timeout", "timeout"]);
  await world.clock.advance(1_000);
  expect(client.state).toBe("away");
  expect(ask(client).value).toBe("away");
  expect(events).toEqual(["away: no answer in time"]);
  // It accepts connections, but does not answer: nobody waits for it.
  await world.clock.advance(5_000);
  expect([client.state, ask(client).value]).toEqual(["away", "away"]);
  redis.answers = true;
  await world.clock.advance(4_000);
  expect([client.state, (await answersOf(client, 1))[0]]).toEqual(["ready", 1]);
});

test("an answer that is late goes to nobody, and the next ones to those who asked", async () => {
  world.net.setLink("127.0.0.1", HOST, { latencyMs: [30, 30] });
  const client = clientOf();
  await world.clock.advance(500);
  expect(await answersOf(client, 2)).toEqual(["timeout", "timeout"]);
  world.net.setLink("127.0.0.1", HOST, { latencyMs: [1, 1] });
  await world.clock.advance(100);
  expect(await answersOf(client, 1)).toEqual([0]);
  expect(client.failed.timeout).toBe(2);
});

test.each<[string, Partial<RedisBinding>, string]>([
  ["a wrong password", { password: { env: "WRONG" } }, "AUTH was refused: WRONGPASS"],
  ["no password", {}, "SCRIPT was refused: NOAUTH"],
  ["a variable that is not set", { password: { env: "NOWHERE" } }, "the variable NOWHERE"],
  ["a file that is not there", { password: { file: "/nowhere" } }, "/nowhere"],
  ["a name that DNS does not know", { host: "redis.example" }, "redis.example"],
  ["nobody there", { port: 6380 }, "6380"],
])("%s: away, with the reason and without the secret", async (_what, over, reason) => {
  redis.password = "s3cret";
  world.processes.self.env.WRONG = "s3cr3t";
  const client = clientOf(over);
  await world.clock.advance(1_200);
  expect([client.state, ask(client).value]).toEqual(["away", "away"]);
  expect(events.length).toBe(1);
  expect(events[0]).toContain(reason);
  expect(events[0]).not.toMatch(/s3cr/);
});

test("a name is asked of DNS, and each attempt takes another of its addresses", async () => {
  world.net.setName("redis.example", { addresses: ["10.0.9.77", HOST] });
  const client = clientOf({ host: "redis.example" });
  await world.clock.advance(2_500);
  expect(client.state).toBe("ready");
});

test("more than may wait is refused at once", async () => {
  const client = clientOf();
  await world.clock.advance(5);
  redis.answers = false;
  const asked = Array.from({ length: 10_001 }, () => ask(client));
  expect(asked.filter(({ value }) => value === "overflow").length).toBe(1);
  await world.clock.advance(TIMEOUT_MS + 1);
  expect(client.failed).toEqual({ away: 0, overflow: 1, timeout: 10_000, error: 0 });
});

test("an error of Redis is no verdict, and what is no answer ends the connection", async () => {
  const client = clientOf();
  redis.reply = { type: "error", value: "READONLY You can't write against a read only replica." };
  expect(await answersOf(client, 1)).toEqual(["error"]);
  const [connection] = redis.open;
  connection!.socket!.write(Buffer.from("HTTP/1.1 400\r\n"), 0, 14);
  await world.clock.advance(1);
  expect(events[0]).toContain("what came is not RESP");
});

test("what waits when it is closed is answered, and so is what comes later", async () => {
  const client = clientOf();
  const asked = ask(client);
  client.close();
  expect([asked.value, ask(client).value]).toEqual(["away", "away"]);
});
