/** Captures of a real sidecar, replayed through changed files; the access log as text and in part. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { statSync } from "node:fs";
import type { ReplayReport } from "../src/operate/replay.ts";
import { Place, type Started } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft } from "./kit/processes.ts";

setDefaultTimeout(60_000);

/** Fails below /bad, answers all else with what it was asked for. */
const APP =
  "require('node:http').createServer((q, r) => { q.resume(); " +
  "r.statusCode = q.url.startsWith('/bad') ? 500 : 200; r.end(q.url) })" +
  ".listen(Number(process.env.PORT), '127.0.0.1')";

const place = new Place();
let port: number;
let appPort: number;

function fileText(sidecar: string, ...lines: readonly string[]): string {
  return [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    "metadata: { name: shop, namespace: test }",
    "spec:",
    `  port: ${port}`,
    `  run: { command: [node, -e, ${JSON.stringify(APP)}], port: ${appPort} }`,
    '  env: { PORT: "{{run.port}}" }',
    `  sidecar: { ${sidecar} }`,
    ...lines.map((line) => `  ${line}`),
    "",
  ].join("\n");
}

beforeAll(async () => {
  [port, appPort] = [await freePort(), await freePort()];
  const only = "accessLog: { format: text, errors: true, slowerThan: 1h }, workers: 2";
  await place.up(place.write("shop.yaml", fileText(only)));
});

afterAll(async () => {
  await place.end();
  killLeft();
});

async function ask(path: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    redirect: "manual",
    headers: { connection: "close", ...headers },
  });
  await answer.text();
  return answer.status;
}

/** Captures until Ctrl-C, while `run` runs; what it wrote. */
async function captured(file: string, requests: number, run: () => Promise<void>): Promise<string> {
  const flags = ["--ratio", "100%", "--to", place.path(file), "--query", "page"];
  const capture: Started = place.start("capture", "shop", ...flags);
  const text = (): string => {
    try {
      return place.read(file);
    } catch {
      return "";
    }
  };
  const lines = (target: RegExp): number =>
    text().split("\n").filter((line) => line.startsWith('{"request"') && target.test(line)).length;
  await untilTrue("the capture has begun", () => text().includes('{"snapshot":'));
  // Each worker is told on its own: asked for until both take part, then counted from there.
  await until("every worker captures", async () => {
    const before = lines(/"\/warm"/);
    for (let count = 0; count < 8; count++) await ask("/warm");
    return untilTrue("all eight", () => lines(/"\/warm"/) - before === 8, 1_000);
  });
  await run();
  const others = (): number => lines(/"target":"\/(?!warm)/);
  await untilTrue("all that was sent is there", () => others() === requests);
  capture.kill("SIGINT");
  const { status, stdout } = await capture.ended;
  expect([status, stdout]).toEqual([0, expect.stringMatching(/^\d+ requests of test\/shop in /)]);
  return text();
}

test("a capture holds no secret, and a replay of it shows what changed files would change", async () => {
  const secret = { authorization: "Bearer s3cret", cookie: "sid=s3cret" };
  const text = await captured("c.jsonl", 12, async () => {
    for (let count = 0; count < 5; count++) await ask("/items?page=2&token=s3cret", secret);
    for (let count = 0; count < 4; count++) await ask("/old/1", secret);
    for (let count = 0; count < 3; count++) await ask("/bad", secret);
  });
  expect(text).not.toContain("s3cret");
  expect(text).toContain('"target":"/items?page=2"');
  expect(statSync(place.path("c.jsonl")).mode & 0o777).toBe(0o600);

  const replay = async (file: string): Promise<{ status: number; report: ReplayReport }> => {
    const flags = ["--against", file, "-o", "json"];
    const { status, stdout, stderr } = await place.outrigger("replay", place.path("c.jsonl"), ...flags);
    if (stdout === "") throw new Error(stderr);
    return { status, report: JSON.parse(stdout) as ReplayReport };
  };
  const same = await replay(place.path("shop.yaml"));
  expect([same.status, same.report.changed, same.report.excluded]).toEqual([0, 0, {}]);
  expect(same.report.same).toBe(same.report.requests);
  const next = fileText(
    "workers: 2",
    "routes:",
    "  - { path: /old/*, redirect: { prefix: /items } }",
    "  - { path: /bad, respond: { status: 410 } }",
    "  - { path: /items/*, rewrite: { prefix: /v2/items } }",
    "  - { path: /* }",
  );
  const { status, report } = await replay(place.write("next.yaml", next));
  expect([status, report.changed, report.excluded]).toEqual([1, 12, {}]);
  const seen = report.changes.map(({ count, path, changes }) => [
    count,
    path,
    ...changes.map(({ what, before, after }) => `${what}: ${before} -> ${after}`),
  ]);
  expect(seen).toEqual([
    [5, "/items", "route: /* -> /items/*", "sent path: /items?page=2 -> /v2/items?page=2"],
    [
      4,
      "/old/1",
      "route: /* -> /old/*",
      "verdict: passed on -> answered 302: direct_response",
      "answer header location: - -> /items/1",
    ],
    [3, "/bad", "route: /* -> /bad", "verdict: passed on -> answered 410: direct_response"],
  ]);
  // It comes about as it was foretold.
  place.write("shop.yaml", next);
  await untilTrue("the new file is in force", async () => (await ask("/old/1")) === 302);
  expect(await ask("/bad")).toBe(410);
});

test("S2-12 the access log as text, only what went wrong, with the reason in words", async () => {
  place.write("shop.yaml", fileText("accessLog: { format: text, errors: true }"));
  const logged = async (): Promise<readonly string[]> => {
    const { stdout } = await place.outrigger("logs", "test/shop/sidecar");
    return stdout.split("\n").filter((line) => line.includes('"GET /'));
  };
  await untilTrue("errors are logged", async () => {
    await ask("/good");
    await ask('/bad/"quoted"');
    return (await logged()).some((line) => line.includes('/bad/'));
  });
  const lines = await logged();
  expect(lines.filter((line) => line.includes("/good"))).toEqual([]);
  const line = lines.findLast((one) => one.includes("/bad/"))!;
  expect(line).toMatch(/\] "GET \/bad\/\S+ HTTP\/1\.1" 500 - 0 \d+ \d+ - "-" "Bun\/\S+" "[-0-9a-f]+" "127\.0\.0\.1:\d+" "127\.0\.0\.1:\d+" "-"$/);
});
