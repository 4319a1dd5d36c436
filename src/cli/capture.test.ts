import { expect, test } from "bun:test";
import "../local/sidecars.ts";
import "../api/capture_order.ts";
import { background, outrigger, until } from "./testdata/machine.ts";
import { runningSidecars } from "./testdata/running_sidecars.ts";

const SECRETS = "authorization: Bearer s3cret\r\ncookie: sid=s3cret\r\nx-tenant: t1\r\n";
const ALL = ["--ratio", "100%"];

test("a capture is a file of the user's alone, without secrets, until its time is up", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  const options = ["--to", "c.jsonl", "--duration", "10s", "--header", "x-tenant", "--query", "page"];
  const capture = background(world, "capture", "frontend", ...ALL, ...options);
  await running.pass(100);
  await ask("/a?token=s3cret&page=2", SECRETS);
  await ask("/api/b", SECRETS);
  await until(world, () => capture.code !== null);
  expect(capture.code).toBe(0);
  expect(world.stdio.stdout.text()).toContain("3 requests of shop/frontend in c.jsonl\n");
  expect(world.files.stat("c.jsonl")!.mode & 0o777).toBe(0o600);
  const text = world.files.readText("c.jsonl");
  expect(text).not.toContain("s3cret");
  const lines = text.trim().split("\n").map((line) => JSON.parse(line));
  expect(lines.map((line) => Object.keys(line)[0])).toEqual(
    ["capture", "snapshot", "request", "request", "request"],
  );
  const inbound = lines.flatMap(({ request }) => (request?.listener === "inbound" ? [request] : []));
  expect(inbound.map(({ target, headers }) => [target, headers["x-tenant"]])).toEqual([
    ["/a?page=2", "t1"],
    ["/api/b", "t1"],
  ]);
  await running.stop();
});

test("it ends at its size and at Ctrl-C; a file that is there stays as it is", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  const small = background(world, "capture", "api", ...ALL, "--to", "s.jsonl", "--max-size", "4Ki");
  await running.pass(100);
  for (let count = 0; count < 30; count++) await ask("/api/a");
  await until(world, () => small.code !== null);
  expect(small.code).toBe(0);
  expect(world.files.stat("s.jsonl")!.sizeBytes).toBeLessThanOrEqual(4096);

  const last = background(world, "capture", "api", ...ALL, "--to", "c.jsonl");
  await running.pass(100);
  await ask("/api/a");
  const text = world.files.readText("c.jsonl");
  expect(text).toContain('"target":"/api/a"');
  const again = await outrigger(world, "capture", "api", "--to", "c.jsonl");
  expect([again.code, again.err]).toEqual([2, expect.stringContaining("c.jsonl is there already")]);
  world.signals.raise("SIGINT");
  await until(world, () => last.code !== null);
  expect([last.code, world.files.readText("c.jsonl")]).toEqual([0, text]);
  await running.stop();
});

test("a disk that fills up, and a file that comes meanwhile, are said", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  const full = background(world, "capture", "api", ...ALL, "--to", "f.jsonl");
  await running.pass(100);
  world.files.freeBytes = 100;
  await ask("/api/a");
  await until(world, () => full.code !== null);
  expect(full.code).toBeGreaterThan(0);
  expect(world.stdio.stderr.text()).toContain("f.jsonl");
  world.files.freeBytes = Number.POSITIVE_INFINITY;

  const late = background(world, "capture", "api", ...ALL, "--to", "l.jsonl");
  world.files.write("l.jsonl", "another's");
  await until(world, () => late.code !== null);
  expect(late.code).toBeGreaterThan(0);
  expect(world.files.readText("l.jsonl")).toBe("another's");
  await running.stop();
});

test("what cannot be captured is said, and leaves no file", async () => {
  const running = await runningSidecars();
  const { world } = running;
  const wrong: readonly (readonly [readonly string[], string])[] = [
    [["api"], "--to is missing"],
    [["--to", "c.jsonl"], "name one of: shop/frontend, shop/api"],
    [["api", "--to", "c.jsonl", "--ratio", "0%"], "--ratio"],
    [["api", "--to", "c.jsonl", "--duration", "2h"], "--duration"],
    [["api", "--to", "c.jsonl", "--max-size", "2Gi"], "--max-size"],
    [["api", "--to", "c.jsonl", "--path", "x"], "path"],
    [["nobody", "--to", "c.jsonl"], "nobody"],
    [["--socket", "/none.sock", "--to", "c.jsonl"], "does not answer"],
  ];
  for (const [words, text] of wrong) {
    const { code, err } = await outrigger(world, "capture", ...words);
    expect([words, err]).toEqual([words, expect.stringContaining(text)]);
    expect(code).toBeGreaterThan(1);
  }
  expect(world.files.stat("c.jsonl")).toBe(null);
  await running.stop();
});
