/** Rate limits that two real sidecars share through a real Redis, and what holds without it. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { setDefaultTimeout } from "bun:test";
import { parsePrometheusText, sumOfSamples } from "../src/codec/prometheus_text.ts";
import { BUCKET_SCRIPT } from "../src/proxy/limits/bucket_script.ts";
import { TokenBuckets } from "../src/policy/token_bucket.ts";
import { Xoshiro128 } from "../src/base/xoshiro.ts";
import { configOf, scrape } from "./kit/admin.ts";
import { tinyApp } from "./kit/apps.ts";
import { Place } from "./kit/outrigger.ts";
import { untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft, stillRunning } from "./kit/processes.ts";
import { REDIS, RedisServer } from "./kit/redis.ts";

setDefaultTimeout(60_000);

const SECRET = "a-secret-that-is-in-no-output";

let place: Place;
let redis: RedisServer;
/** Of the two sidecars, in front of their apps. */
let ports: readonly [number, number];

beforeEach(async () => {
  place = new Place(undefined, { REDIS_PASSWORD: SECRET });
  redis = new RedisServer(await freePort(), SECRET);
  ports = [await freePort(), await freePort()];
});

afterEach(async () => {
  await place.end();
  await redis.end();
});

afterAll(killLeft);

const BURST = 20;

/** In a day one comes back each 72 minutes: whatever the machine does, only the burst counts. */
function route(path: string, whenAway: string, more = ""): string {
  const shared = `{ redis: limits, name: ${whenAway}, whenAway: ${whenAway}, timeout: 5s }`;
  const limit = `requests: ${BURST}, per: 24h, by: { header: x-run }, shared: ${shared}${more}`;
  return `  - { path: ${path}, rateLimit: { ${limit} } }`;
}

async function twoSidecars(): Promise<string> {
  const routes = [
    "routes:",
    route("/allow", "allow"),
    route("/deny", "deny"),
    route("/local", "local", ", headers: true"),
  ];
  const apps: string[] = [];
  for (const [index, port] of ports.entries()) {
    const own = await freePort();
    apps.push(tinyApp({ name: ["one", "two"][index]!, port, own, more: routes }));
  }
  const mesh = [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: Mesh",
    "metadata: { name: test }",
    "spec:",
    "  redis:",
    `    limits: { url: "redis://127.0.0.1:${redis.port}/1", password: { env: REDIS_PASSWORD } }`,
    "",
  ].join("\n");
  return place.write("limits.yaml", [...apps, mesh].join("---\n"));
}

/** So many requests to both sidecars at the same time, by the status of their answers. */
async function burst(path: string, run: string, count: number): Promise<Record<number, number>> {
  const headers = { "x-run": run };
  const answers = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      fetch(`http://127.0.0.1:${ports[index % 2]}${path}`, { headers }),
    ),
  );
  const found: Record<number, number> = {};
  for (const answer of answers) {
    await answer.text();
    found[answer.status] = (found[answer.status] ?? 0) + 1;
  }
  return found;
}

async function metric(name: string, labels: Readonly<Record<string, string>> = {}) {
  const texts = await Promise.all(["test/one", "test/two"].map((app) => scrape(place, app)));
  return texts.map((text) => sumOfSamples(parsePrometheusText(text), name, labels));
}

function bothAre(ready: number): Promise<true> {
  return untilTrue(`outrigger_redis_ready is ${ready}`, async () => {
    return (await metric("outrigger_redis_ready")).every((one) => one === ready);
  });
}

describe.skipIf(REDIS === null)("with a real Redis", () => {
  test("two sidecars together let exactly the limit through, key by key", async () => {
    await redis.start();
    await place.up(await twoSidecars());
    await bothAre(1);
    for (const run of ["a", "b"]) {
      expect(await burst("/local", run, 100)).toEqual({ 200: BURST, 429: 100 - BURST });
      expect(await burst("/local", run, 10)).toEqual({ 429: 10 });
    }
    const shared = await metric("outrigger_rate_limited_total", { decided: "shared" });
    expect(shared[0]! + shared[1]!).toBe(180);
    expect(shared.every((one) => one > 0)).toBe(true);
    expect(await metric("outrigger_rate_limit_unanswered_total")).toEqual([0, 0]);
  });

  test("answers say what is left, over both; the secret is in no Snapshot or output", async () => {
    await redis.start();
    await place.up(await twoSidecars());
    await bothAre(1);
    const left: (string | null)[] = [];
    for (const port of [...ports, ...ports]) {
      const answer = await fetch(`http://127.0.0.1:${port}/local`, { headers: { "x-run": "a" } });
      await answer.text();
      left.push(answer.headers.get("ratelimit-remaining"));
      expect(answer.headers.get("ratelimit-limit")).toBe("20, 20;w=86400");
    }
    expect(left).toEqual(["19", "18", "17", "16"]);
    const snapshot = await configOf(place, "test/one");
    expect(snapshot.bindings.redis!.limits).toEqual({
      host: "127.0.0.1",
      port: redis.port,
      database: 1,
      password: { env: "REDIS_PASSWORD" },
    });
    const { stdout, stderr } = await place.outrigger("logs");
    expect(`${JSON.stringify(snapshot)}${stdout}${stderr}`).not.toContain(SECRET);
  });

  test("Redis killed: each limit does what its file says; Redis back: shared again", async () => {
    await redis.start();
    await place.up(await twoSidecars());
    await bothAre(1);
    await redis.kill();
    await bothAre(0);
    expect(await burst("/allow", "a", 60)).toEqual({ 200: 60 });
    expect(await burst("/deny", "a", 60)).toEqual({ 503: 60 });
    // Each counts by itself.
    expect(await burst("/local", "a", 60)).toEqual({ 200: 2 * BURST, 429: 60 - 2 * BURST });
    expect(await metric("outrigger_rate_limited_total", { decided: "away" })).toEqual([30, 30]);
    expect(await metric("outrigger_rate_limited_total", { decided: "local" })).toEqual([10, 10]);
    expect(await metric("outrigger_rate_limit_unanswered_total")).toEqual([90, 90]);
    await redis.start();
    await bothAre(1);
    for (const path of ["/allow", "/deny", "/local"]) {
      expect(await burst(path, "b", 60)).toEqual({ 200: BURST, 429: 60 - BURST });
    }
  });

  test("a Redis that is not there at the start holds nobody up, and is found later", async () => {
    await place.up(await twoSidecars());
    await bothAre(0);
    expect(await burst("/allow", "a", 30)).toEqual({ 200: 30 });
    await redis.start();
    await bothAre(1);
    expect(await burst("/allow", "a", 60)).toEqual({ 200: BURST, 429: 60 - BURST });
  });

  test("a Redis that stands still is away before long, and used again after that", async () => {
    await redis.start();
    await place.up(await twoSidecars());
    await bothAre(1);
    redis.signal("SIGSTOP");
    // Sent before anybody knows: they wait until the connection is given up, and are answered.
    expect(await burst("/deny", "a", 20)).toEqual({ 503: 20 });
    await bothAre(0);
    expect(await burst("/allow", "a", 20)).toEqual({ 200: 20 });
    redis.signal("SIGCONT");
    await bothAre(1);
    expect(await burst("/allow", "b", 60)).toEqual({ 200: BURST, 429: 60 - BURST });
  });

  test("the script gives the local bucket's verdicts, whatever the rate and the steps", async () => {
    await redis.start();
    // By a clock that the test sets.
    const script = BUCKET_SCRIPT.replace('redis.call("TIME")', "{ ARGV[4], ARGV[5] }");
    expect(script).not.toBe(BUCKET_SCRIPT);
    const random = Xoshiro128.fromSeed(1);
    const below = (limit: number): number => Math.floor(random.next() * limit);
    for (let limit = 0; limit < 20; limit++) {
      const rate = { burst: 1 + below(20), tokens: 1 + below(50), perMs: 1 + below(5_000) };
      const buckets = new TokenBuckets(rate, 1);
      const rateWords = [rate.burst, rate.tokens, rate.perMs].map(String);
      const expected: unknown[] = [];
      const commands: string[][] = [["AUTH", SECRET]];
      let nowUs = 1_700_000_000_000_000;
      for (let step = 0; step < 200; step++) {
        nowUs += below(2) * below((2 * rate.perMs * 1000) / rate.tokens + 1);
        const clock = [Math.floor(nowUs / 1e6), nowUs % 1e6].map(String);
        commands.push(["EVAL", script, "1", `limit${limit}`, ...rateWords, ...clock]);
        const { allowed, remaining } = buckets.take("", nowUs / 1000);
        expected.push([allowed ? 1 : 0, remaining]);
      }
      commands.push(["PTTL", `limit${limit}`]);
      const [, ...answers] = await redis.ask(commands);
      // A bucket that is full again is forgotten.
      const ttl = answers.pop();
      expect(ttl?.type === "integer" && ttl.value > 0).toBe(true);
      const found = answers.map((answer) => {
        const items = answer.type === "array" ? answer.items : [];
        return items.slice(0, 2).map((item) => (item.type === "integer" ? item.value : item.type));
      });
      expect(found).toEqual(expected as typeof found);
    }
  });

  test("nothing that these tests started is left", async () => {
    expect(await stillRunning()).toEqual([]);
  });
});
