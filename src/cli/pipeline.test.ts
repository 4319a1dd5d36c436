import { expect, test } from "bun:test";
import { parsePrometheusText } from "../codec/prometheus_text.ts";
import { HttpClient } from "../http/client.ts";
import { HttpServer } from "../http/server.ts";
import { background, machine, outrigger, SHOP, until } from "./testdata/machine.ts";

const FILE = `apiVersion: outrigger.dev/v1alpha1
kind: Pipeline
metadata: { name: orders }
spec:
  sources: { app: { file: { include: [/home/app/a.log] } } }
  steps: [{ parse: { json: {} } }]
  sinks: { out: { stdout: {} } }
`;

test("pipeline runs a file's pipelines, and goes on where it stopped", async () => {
  const world = machine({ "/home/app/p.yaml": FILE, "/home/app/a.log": '{"n":1}\n' });
  const first = background(world, "pipeline", "p.yaml");
  expect(await until(world, () => world.stdio.text().includes('"n":1'))).toBe(true);
  world.signals.raise("SIGTERM");
  await until(world, () => first.code !== null);
  expect(first.code).toBe(0);
  world.stdio.stdout.clear();
  world.files.write("a.log", '{"n":1}\n{"n":2}\n');
  const second = background(world, "pipeline", "-f", "p.yaml");
  expect(await until(world, () => world.stdio.text().includes('"n":2'))).toBe(true);
  expect(world.stdio.text()).not.toContain('"n":1');
  world.signals.raise("SIGTERM");
  await until(world, () => second.code !== null);
});

test("standard input alone: it ends when all of it is delivered, and not before", async () => {
  const file = FILE.replace("file: { include: [/home/app/a.log] }", "stdin: {}");
  const world = machine({ "/home/app/p.yaml": file });
  world.stdio.stdout.isBlocked = true;
  const run = background(world, "pipeline", "p.yaml");
  await world.clock.advance(1000);
  world.stdio.stdin.feed('{"n":1}\n{"n":2}');
  world.stdio.stdin.end();
  await world.clock.advance(600_000);
  expect(run.code).toBe(null);
  world.stdio.stdout.isBlocked = false;
  expect(await until(world, () => run.code !== null)).toBe(true);
  expect(run.code).toBe(0);
  expect(world.stdio.text()).toBe('{"n":1}\n{"n":2}\n');
});

test("files without a pipeline are refused", async () => {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  const { code, err } = await outrigger(world, "pipeline", "shop.yaml");
  expect([code, err.split("\n")[0]]).toEqual([2, "error: the files hold no Pipeline"]);
});

test("a changed file is taken over while it runs; a wrong one is refused", async () => {
  const world = machine({ "/home/app/p.yaml": FILE, "/home/app/a.log": "" });
  const running = background(world, "pipeline", "p.yaml");
  const append = (text: string): void => {
    const file = world.files.open("/home/app/a.log", "append");
    file.write(Buffer.from(text));
    file.close();
  };
  const socket = "/home/app/.outrigger/pipeline.sock";
  await until(world, () => world.files.stat(socket) !== null);
  append('{"n":1}\n');
  await world.clock.advance(2000);
  world.files.write("p.yaml", FILE.replace("{ json: {} }", "{ jsn: {} }"));
  expect(await until(world, () => world.stdio.stderr.text().includes("is refused"))).toBe(true);
  const steps = "steps: [{ parse: { json: {} } }, { enrich: { fields: { v: two } } }]";
  world.files.write("p.yaml", FILE.replace(/steps: .*/, steps));
  world.signals.raise("SIGHUP");
  expect(await until(world, () => world.stdio.stderr.text().includes("is in force"))).toBe(true);
  append('{"n":2}\n');
  expect(await until(world, () => world.stdio.text().includes('"n":2'))).toBe(true);
  expect(world.stdio.stdout.text()).toBe('{"n":1}\n{"n":2,"v":"two"}\n');
  world.signals.raise("SIGTERM");
  await until(world, () => running.code !== null);
});

test("--metrics is scraped: the books, and what a prometheus sink made of events", async () => {
  const sinks = "sinks: { m: { prometheus: { metrics: { n_total: { kind: counter, of: event.n } } } } }";
  const files = { "/home/app/p.yaml": FILE.replace(/sinks: .*/, sinks) };
  const world = machine({ ...files, "/home/app/a.log": '{"n":1}\n{"n":2}\n' });
  const running = background(world, "pipeline", "p.yaml", "--metrics", "127.0.0.1:9598");
  const client = new HttpClient(world);
  const scrape = (path: string): Promise<{ status: number; body: Uint8Array }> =>
    client.request({ method: "GET", path, address: { host: "127.0.0.1", port: 9598 }, timeoutMs: 5000 });
  await world.clock.advance(3000);
  let text = "";
  let other = 0;
  void scrape("/metrics").then(({ body }) => (text = Buffer.from(body).toString()));
  void scrape("/stats").then(({ status }) => (other = status));
  expect(await until(world, () => text !== "" && other !== 0)).toBe(true);
  expect(parsePrometheusText(text).problems).toEqual([]);
  expect(text).toContain('n_total{pipeline="default.orders",sink="m"} 3\n');
  expect(text).toContain('events_delivered_total{pipeline="default.orders",source="app"} 2\n');
  expect(other).toBe(404);
  world.signals.raise("SIGTERM");
  await until(world, () => running.code !== null);
  client.close();
  const { code, err } = await outrigger(world, "pipeline", "p.yaml", "--metrics", "9598");
  expect([code, err.split("\n")[0]]).toEqual([2, 'error: --metrics: "9598" is no address with a port']);
});

test("SIGTERM with a full batch: all of it is delivered before the end, and nothing comes again", async () => {
  for (const count of [99, 100, 101, 250]) {
    const lines = Array.from({ length: count }, (_, n) => `{"n":${n}}\n`).join("");
    // So long does an event wait for others: the end must not.
    const batch = "batch: { maxEvents: 100, maxAge: 10m }";
    const sinks = `sinks: { out: { http: { url: "http://127.0.0.1:9000/", ${batch} } } }`;
    const world = machine({ "/home/app/p.yaml": FILE.replace(/sinks: .*/, sinks) });
    const got: number[] = [];
    const server = new HttpServer(world, {
      address: { host: "127.0.0.1", port: 9000 },
      handle: async ({ body }) => {
        await world.clock.sleep(300);
        const events = JSON.parse(Buffer.from(body).toString()) as { n: number }[];
        got.push(...events.map(({ n }) => n));
        return { status: 200 };
      },
    });
    server.start();
    const first = background(world, "pipeline", "p.yaml");
    await until(world, () => world.files.stat("/home/app/.outrigger/pipeline.sock") !== null);
    world.files.write("/home/app/a.log", lines);
    await world.clock.advance(1100);
    world.signals.raise("SIGTERM");
    expect(await until(world, () => first.code !== null)).toBe(true);
    const all = Array.from({ length: count }, (_, n) => n);
    expect([first.code, [...got].sort((a, b) => a - b)]).toEqual([0, all]);
    const second = background(world, "pipeline", "p.yaml");
    await world.clock.advance(5000);
    world.signals.raise("SIGTERM");
    await until(world, () => second.code !== null);
    expect(got.length).toBe(count);
    server.stop();
  }
});

test("a misspelt key in the file is an error with its line, and nothing is started", async () => {
  for (const [right, wrong, place, meant] of [
    ["include:", "inculde:", "p.yaml:5:29", "include"],
    ["json:", "jsn:", "p.yaml:6:22", "json"],
    ["steps:", "setps:", "p.yaml:6:3", "steps"],
    ["stdout:", "stdot:", "p.yaml:7:19", "stdout"],
  ] as const) {
    const files = { "/home/app/p.yaml": FILE.replace(right, wrong), "/home/app/a.log": '{"n":1}\n' };
    const world = machine(files);
    const { code, err, out } = await outrigger(world, "pipeline", "p.yaml");
    expect([wrong, code, out]).toEqual([wrong, 1, ""]);
    expect(err).toContain(place);
    expect(err).toContain(`did you mean "${meant}"?`);
  }
});
