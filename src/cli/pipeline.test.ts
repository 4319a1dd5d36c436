import { expect, test } from "bun:test";
import { parsePrometheusText } from "../codec/prometheus_text.ts";
import { HttpClient } from "../http/client.ts";
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
