import { expect, test } from "bun:test";
import type { Sighting } from "../api/sighting.ts";
import { HttpServer, jsonAnswer } from "../http/server.ts";
import { background, machine, outrigger, until } from "./testdata/machine.ts";
import { runningSidecars } from "./testdata/running_sidecars.ts";

const SECRETS = "authorization: Bearer s3cret\r\ncookie: sid=s3cret\r\nx-tenant: t1\r\n";

test("tap shows live requests of one app until its limit; query and secrets stay hidden", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  world.stdio.stdout.clear();
  const tap = background(world, "tap", "frontend", "--headers", "--limit", "2");
  await running.pass(100);
  await ask("/?token=s3cret", SECRETS);
  await ask("/second");
  await until(world, () => tap.code !== null);
  expect(tap.code).toBe(0);
  const out = world.stdio.stdout.text();
  expect(out).toMatch(/^\d\d:\d\d:\d\d\.\d{3} GET \/\?\.\.\. 200 [\d.]+ ms\n/);
  expect(out).toContain("host shop, route /* of inbound, cluster app, upstream 127.0.0.1:18080, id ");
  expect(out).toContain("    > authorization: [redacted]\n    > cookie: [redacted]\n");
  expect(out).toContain("GET /second 200");
  expect(out).not.toContain("s3cret");
  await running.stop();
});

test("of all apps, as JSON lines, only what failed; secrets only by that name", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  running.answer = () => 503;
  world.stdio.stdout.clear();
  const options = ["--failed", "--headers", "--show-secrets", "--show-query", "--limit", "3"];
  const tap = background(world, "tap", "-o", "json", ...options);
  await running.pass(100);
  await ask("/");
  await ask("/api/a?token=s3cret", SECRETS);
  await until(world, () => tap.code !== null);
  // The sidecars' access log is on the same simulated standard output.
  const lines = world.stdio.stdout.text().trim().split("\n").map((line) => JSON.parse(line));
  const seen = lines.filter((one) => one.app !== undefined);
  expect(seen.map(({ app, listener }) => `${app} ${listener}`).sort()).toEqual([
    "shop/api inbound",
    "shop/frontend call:api",
    "shop/frontend inbound",
  ]);
  const inbound = seen.find(({ app, listener }) => app.endsWith("frontend") && listener === "inbound");
  expect(inbound).toMatchObject({ query: "?token=s3cret", status: 503, method: "GET" });
  expect(inbound.headers.request).toContainEqual(["authorization", "Bearer s3cret"]);
  await running.stop();
});

test("a tap ends with its duration; a wrong order says why", async () => {
  const running = await runningSidecars();
  const { world } = running;
  expect((await outrigger(world, "tap", "api", "--duration", "2s")).code).toBe(0);
  const wrong = [
    [["--path", "items"], 12, 'path is "items"'],
    [["--status", "high"], 12, 'status "high" is neither'],
    [["--show-secrets"], 2, "add --headers"],
    [["--limit", "0"], 2, "from 1 to"],
    [["--duration", "soon"], 2, "a length of time was expected"],
  ] as const;
  for (const [args, status, words] of wrong) {
    const { code, err } = await outrigger(world, "tap", "api", ...args);
    expect([args, code, err.includes(words) ? words : err]).toEqual([args, status, words]);
  }
  await running.stop();
});

test("malformed messages are followed by sequence: where, which header, what was done", async () => {
  const world = machine();
  world.files.makeFolder("/run");
  const all: Sighting[] = [];
  const see = (header: string, direction: Sighting["direction"]): void => {
    const known = { timeMs: 1_000, where: "api", requestId: "id-1", method: "GET", path: "/a" };
    const what = { reason: "bad-header-name", detail: "a space in a header's name" };
    const action = direction === "response" ? "repaired" : "refused";
    all.push({ sequence: all.length + 1, ...known, ...what, direction, header, action, count: 2 });
  };
  const asked: string[] = [];
  const server = new HttpServer(world, {
    address: { path: "/run/a.sock" },
    handle: ({ path, query }) => {
      asked.push(`${path}?since=${query.get("since")}`);
      const since = Number(query.get("since"));
      return jsonAnswer(200, { sightings: all.filter(({ sequence }) => sequence > since) });
    },
  });
  server.start();
  see("x bad", "response");
  const place = ["--socket", "/run/a.sock"];
  const tap = background(world, "tap", "--malformed", ...place, "--limit", "2");
  await world.clock.advance(1_200);
  // It is started anew.
  server.stop();
  await world.clock.advance(1_200);
  server.start();
  see("", "request");
  await until(world, () => tap.code !== null);
  expect(world.stdio.stdout.text().trim().split("\n")).toEqual([
    "00:00:01.000 response header x bad at api: bad-header-name, repaired, 2 times: a space in a header's name; of GET /a, id id-1",
    "00:00:01.000 request at api: bad-header-name, refused, 2 times: a space in a header's name; of GET /a, id id-1",
  ]);
  expect([asked[0], asked.at(-1)]).toEqual(["/sightings?since=0", "/sightings?since=1"]);
  server.stop();
  const lonely = background(world, "tap", "--malformed", ...place);
  await until(world, () => lonely.code !== null);
  expect(lonely.code).toBeGreaterThan(0);
});
