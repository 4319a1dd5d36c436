/** Event pipelines beside real apps and alone, each as a user runs them. */
import { afterAll, afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
} from "node:fs";
import { join } from "node:path";
import { imbalance } from "../src/pipeline/ledger.ts";
import type { Ledger } from "../src/pipeline/ledger.ts";
import { tinyApp } from "./kit/apps.ts";
import { scrape } from "./kit/admin.ts";
import { BulkSink } from "./kit/bulk_sink.ts";
import { Place, ROOT } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { carriers, isAlive, killLeft, stillRunning } from "./kit/processes.ts";

setDefaultTimeout(60_000);

let place: Place;

beforeEach(() => {
  place = new Place();
});

afterEach(() => place.end());

afterAll(killLeft);

function pipelineOf(name: string, spec: object): string {
  const metadata = { name, namespace: "test" };
  return JSON.stringify({ apiVersion: "outrigger.dev/v1alpha1", kind: "Pipeline", metadata, spec });
}

/** A document a line behind the others of a file. */
function files(...documents: readonly string[]): string {
  return `${documents.join("\n---\n")}\n`;
}

function jsonLines<T>(name: string): T[] {
  const text = readFileSync(place.path(name), "utf8");
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line) as T);
}

/** The processes of pipelines beside apps. */
function adapters() {
  return readdirSync(place.home)
    .flatMap((name) => carriers("OUTRIGGER_SET", join(place.home, name)))
    .filter(({ command }) => command.includes(" pipeline --snapshot "));
}

async function ledgersOf(...place_: readonly string[]): Promise<Record<string, Ledger>> {
  const { stdout } = await place.outrigger("pipeline", "ledger", ...place_, "-o", "json");
  return JSON.parse(stdout) as Record<string, Ledger>;
}

async function answers(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  return `${answer.status} ${(await answer.text()).trim()}`;
}

test("S0-1 an event that an app emits on localhost comes out at the sink of its sidecar", async () => {
  const [port, own, events] = [await freePort(), await freePort(), await freePort()];
  const headers = '{ "content-type": "application/json" }';
  const emit = [
    'require("node:http").createServer(async (request, response) => {',
    '  const body = JSON.stringify({ event: "seen", path: request.url });',
    `  const options = { method: "POST", headers: ${headers}, body };`,
    `  const sent = await fetch("http://127.0.0.1:${events}/", options).catch(() => null);`,
    "  response.end(String(sent?.status));",
    `}).listen(${own}, "127.0.0.1");`,
  ].join("\n");
  place.write("emit.cjs", emit);
  const app = [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    "metadata: { name: shop, namespace: test }",
    `spec: { run: { command: [node, emit.cjs], port: ${own} }, port: ${port}, pipelines: [seen] }`,
  ].join("\n");
  const pipeline = pipelineOf("seen", {
    sources: { app: { http: { listen: `http://127.0.0.1:${events}` } } },
    steps: [{ enrich: { fields: { app: "shop" } } }],
    sinks: { out: { file: { path: "seen.jsonl" } } },
  });
  await place.up(place.write("shop.yaml", files(app, pipeline)));
  // The sidecar passes the request on, the app emits, the sidecar's pipeline writes.
  const ask = async (): Promise<boolean> => (await answers(port)) === "200 200";
  await untilTrue("the app's event is taken", ask);
  await untilTrue("it is written", () => jsonLines("seen.jsonl").length > 0);
  expect(jsonLines("seen.jsonl").at(-1)).toEqual({ event: "seen", path: "/", app: "shop" });
});

test("S0-2 two standalone processes of one pipeline: one is killed, the other goes on", async () => {
  const got = new Set<number>();
  const hook = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      for (const { n } of (await request.json()) as { n: number }[]) got.add(n);
      return new Response("");
    },
  });
  // One text; what is relative in it is below where each of them lies.
  const text = pipelineOf("shared", {
    sources: { in: { http: { listen: "unix:in.sock", acknowledge: "delivered" } } },
    sinks: {
      out: { http: { url: `http://127.0.0.1:${hook.port}/`, batch: { maxAge: "5ms" } } },
    },
  });
  try {
    const nodes = ["one", "two"].map((name) => {
      mkdirSync(place.path(name));
      const file = place.write(`${name}/pipeline.yaml`, text);
      const started = place.start("pipeline", file, "--state", place.path(`${name}/state`));
      return { socket: place.path(`${name}/in.sock`), started };
    });
    const post = async (socket: string, n: number): Promise<boolean> => {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({ n });
      const request = { method: "POST", headers, body, unix: socket };
      return fetch("http://node/", request).then(({ ok }) => ok, () => false);
    };
    for (const { socket } of nodes) await untilTrue("it listens", () => post(socket, 0));
    let failed = 0;
    for (let n = 1; n <= 200; n += 1) {
      if (n === 100) nodes[0]!.started.kill("SIGKILL");
      // As any balancer does: the next one where one does not answer.
      const order = n % 2 === 0 ? nodes : [...nodes].reverse();
      const [first, second] = order;
      if (await post(first!.socket, n)) continue;
      failed += 1;
      expect(await post(second!.socket, n)).toBe(true);
    }
    expect(failed).toBeGreaterThan(0);
    expect([...got].sort((a, b) => a - b)).toEqual(Array.from({ length: 201 }, (_, n) => n));
    expect(isAlive(nodes[0]!.started.pid)).toBe(false);
  } finally {
    await hook.stop(true);
  }
});

test("S0-8 the orders example: filter, transform, fan out; each sink's count is what the rule says", async () => {
  const search = new BulkSink();
  const errors: Record<string, unknown>[] = [];
  const hook = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      errors.push(...((await request.json()) as Record<string, unknown>[]));
      return new Response("");
    },
  });
  try {
    cpSync(join(ROOT, "examples/orders"), place.folder, { recursive: true });
    const checked = await place.outrigger("check", place.path("orders-pipeline.yaml"));
    expect(checked.stdout).toContain("ok: 1 Pipeline");
    const tested = await place.outrigger("pipeline", "test", place.path("orders-pipeline.yaml"));
    expect(tested.stdout).toContain("1 passed, 0 failed");
    const net = await freePort();
    const file = place.write(
      "orders-pipeline.yaml",
      place
        .read("orders-pipeline.yaml")
        .replace("http://127.0.0.1:9200", search.url)
        .replace("http://127.0.0.1:9000", `http://127.0.0.1:${hook.port}`)
        .replace("127.0.0.1:5514", `127.0.0.1:${net}`),
    );
    mkdirSync(place.path("logs"));
    const levels = ["debug", "info", "warn", "error", "info"];
    const event = (n: number) => ({
      ...{ n, level: levels[n % 5], message: `card 4111 1111 1111 1111 of a${n}@shop.example` },
      ...(n % 5 === 1 ? { event: "order", price: 2.5, quantity: n } : {}),
    });
    const text = Array.from({ length: 500 }, (_, n) => `${JSON.stringify(event(n))}\n`);
    appendFileSync(place.path("logs/a.log"), text.slice(0, 250).join(""));
    const running = place.start("pipeline", file, "--state", place.path("state"));
    const lines = text.slice(250).map((one) => `<13>1 - web shop - - - ${one}`);
    await untilTrue("syslog is taken", async () => {
      const socket = await Bun.connect({ hostname: "127.0.0.1", port: net, socket: { data() {} } });
      socket.write(lines.join(""));
      socket.end();
      return true;
    });
    // 100 of 500 are debug, another 100 errors.
    await untilTrue("all documents", () => search.documents.length >= 400 && errors.length >= 100);
    expect([search.documents.length, errors.length]).toEqual([400, 100]);
    for (const found of search.documents) {
      expect(found["level"]).not.toBe("debug");
      expect(found["message"]).toBe("card **** of ****");
      const n = found["n"] as number;
      expect(found["total"]).toBe(n % 5 === 1 ? 2.5 * n : undefined);
    }
    expect(new Set(errors.map(({ level }) => level))).toEqual(new Set(["error"]));
    const { "default.orders": ledger } = await ledgersOf("--state", place.path("state"));
    expect(ledger!.sinks["search"]).toMatchObject({ received: 400, delivered: 400, dropped: 0 });
    expect(ledger!.sinks["errors"]).toMatchObject({ received: 100, delivered: 100, dropped: 0 });
    for (const line of Object.values(ledger!.sources)) {
      expect(line).toMatchObject({ received: 250, delivered: 200, dropped: { filtered: 50 } });
      expect(imbalance(line)).toBe(0);
    }
    running.kill("SIGTERM");
    expect((await running.ended).status).toBe(0);
  } finally {
    await hook.stop(true);
    await search.stop();
  }
});

/** Logs as many Python programs do, and rotates its own file. */
const PYTHON_APP = `
import logging, logging.handlers, os, sys, time
handler = logging.handlers.RotatingFileHandler("error.log", maxBytes=40000, backupCount=50)
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
logging.getLogger().addHandler(handler)
n = 0
while not os.path.exists("stop"):
    for _ in range(20):
        logging.getLogger("shop.api").error("item %d is gone", n)
        n += 1
    time.sleep(0.02)
open("count", "w").write(str(n))
time.sleep(1000)
`;

test("S1-10 error.log of a Python app as structured records; rotation and restart lose none", async () => {
  const sink = new BulkSink();
  try {
    place.write("app.py", PYTHON_APP);
    const parse = "^(?<time>\\S+ \\S+) (?<level>\\w+) (?<logger>\\S+): (?<message>.*)$";
    const app = {
      ...{ apiVersion: "outrigger.dev/v1alpha1", kind: "App" },
      metadata: { name: "api", namespace: "test" },
      spec: {
        run: { command: ["python3", "app.py"] },
        logs: [{ file: "error.log", parse, to: ["elasticsearch"] }],
      },
    };
    const mesh = {
      ...{ apiVersion: "outrigger.dev/v1alpha1", kind: "Mesh", metadata: { name: "test" } },
      spec: { sinks: { elasticsearch: { url: sink.url, index: "errors" } } },
    };
    await place.up(place.write("api.yaml", files(JSON.stringify(app), JSON.stringify(mesh))));
    for (let restart = 0; restart < 2; restart += 1) {
      const seen = sink.documents.length;
      await untilTrue("records", () => sink.documents.length > seen + 500);
      const adapter = await until("the adapter", () => adapters()[0] ?? null);
      process.kill(adapter.pid, "SIGKILL");
      await untilTrue("another adapter", () => {
        const [now] = adapters();
        return now !== undefined && now.pid !== adapter.pid;
      });
    }
    const seen = sink.documents.length;
    await untilTrue("records again", () => sink.documents.length > seen + 500);
    place.write("stop", "");
    const count = await until("the app's count", () => Number(place.read("count")) || null);
    const numberOf = (message: unknown) => Number(/^item (\d+) /.exec(message as string)?.[1]);
    const numbers = () => new Set(sink.documents.map(({ message }) => numberOf(message)));
    await untilTrue("every record", () => numbers().size === count).catch(() => {});
    const found = numbers();
    const missing = Array.from({ length: count }, (_, n) => n).filter((n) => !found.has(n));
    expect(missing).toEqual([]);
    for (const { level, logger, time } of sink.documents) {
      expect([level, logger]).toEqual(["error", "shop.api"]);
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}/);
    }
    const rotated = readdirSync(place.folder).filter((name) => name.startsWith("error.log."));
    expect(rotated.length).toBeGreaterThan(1);
  } finally {
    await sink.stop();
  }
});

test("S1-11 a step that eats memory meets its process's own limit; app and sidecar stay", async () => {
  const [port, own] = [await freePort(), await freePort()];
  place.write(
    "eat.ts",
    "const kept: Uint8Array[] = [];\n" +
      "export default (event: object) => {\n" +
      "  for (let n = 0; n < 40; n += 1) kept.push(new Uint8Array(10_000_000).fill(1));\n" +
      "  return event;\n};\n",
  );
  const pipeline = pipelineOf("eat", {
    sources: { app: { file: { include: ["food.log"] } } },
    steps: [{ typescript: "./eat.ts" }],
    sinks: { out: { discard: {} } },
  });
  const more = ["pipelines: [eat]"];
  const app = tinyApp({ name: "one", port, own, more });
  await place.up(place.write("one.yaml", files(app, pipeline)));
  const before = await Promise.all(["test/one", "test/one/sidecar"].map((id) => place.pidOf(id)));
  const adapter = await until("the pipelines' process", () => adapters()[0] ?? null);
  place.write("food.log", "one bite\n");
  await untilTrue("its end", () => !isAlive(adapter.pid));
  expect(await answers(port)).toBe("200 one");
  await untilTrue("it is counted", async () => {
    return /outrigger_pipeline_restarts_total [1-9]/.test(await scrape(place, "test/one"));
  });
  const after = await Promise.all(["test/one", "test/one/sidecar"].map((id) => place.pidOf(id)));
  expect(after).toEqual(before);
  // The sidecar's own death is none of the app either.
  await place.killAndAwaitReturn("test/one/sidecar");
  expect(await place.process("test/one")).toMatchObject({ pid: before[0], restarts: 0 });
  expect(await answers(port)).toBe("200 one");
});

test("S1-12 one program and one kind of config beside a Node app and a Python app", async () => {
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
  place.write(
    "app.py",
    "import http.server, os\n" +
      "class H(http.server.BaseHTTPRequestHandler):\n" +
      "    def do_GET(self):\n" +
      '        open("two.log", "a").write("path=" + self.path + " app=two\\n")\n' +
      "        self.send_response(200); self.end_headers(); self.wfile.write(b'two')\n" +
      "    def log_message(self, *args): pass\n" +
      'http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()\n',
  );
  place.write("one.log", "path=/ app=one\n");
  const parse = "'^path=(?<path>\\S+) app=(?<of>\\S+)$'";
  const logs = (name: string): string =>
    `logs: [{ file: ${name}.log, parse: ${parse}, to: [stdout] }]`;
  const one = tinyApp({ name: "one", port: ports[0]!, own: ports[1]!, more: [logs("one")] });
  const two = tinyApp({ name: "two", port: ports[2]!, own: ports[3]!, more: [logs("two")] });
  const python = two.replace(/command: \[.*\]/, "command: [python3, app.py]");
  await place.up(place.write("both.yaml", files(one, python)));
  await untilTrue("the Python app answers", async () => (await answers(ports[2]!)) === "200 two");
  for (const app of ["one", "two"]) {
    // What a person asks of the pipelines beside one app.
    const ledger = await until(`events of ${app}`, async () => {
      const [found] = Object.values(await ledgersOf("--app", app));
      return found !== undefined && found.sources["file"]!.delivered > 0 ? found : null;
    });
    expect(imbalance(ledger.sources["file"]!)).toBe(0);
    const top = await place.outrigger("pipeline", "top", "--app", app, "--once");
    expect([top.status, top.stdout]).toEqual([0, expect.stringContaining(app)]);
  }
  const tracing = place.start("pipeline", "trace", "--app", "one", "--count", "1");
  await untilTrue("an event is traced", () => {
    appendFileSync(place.path("one.log"), "path=/traced app=one\n");
    return tracing.output().includes("/traced");
  });
  expect((await tracing.ended).status).toBe(0);
  const running = adapters();
  expect(running.length).toBe(2);
  const programs = running.map(({ pid }) => readlinkSync(`/proc/${pid}/exe`));
  expect(programs[0]).toBe(programs[1]!);
  for (const name of ["one", "two"]) {
    const pid = await place.pidOf(`test/${name}/sidecar`);
    expect(readlinkSync(`/proc/${pid}/exe`)).toBe(programs[0]!);
  }
});

test("S1-13 the log adapter hangs, then dies: the app serves through its sidecar all the while", async () => {
  const [port, own] = [await freePort(), await freePort()];
  const logs = "logs: [{ file: app.log, to: [stdout] }]";
  place.write("app.log", "one\n");
  await place.up(place.write("one.yaml", tinyApp({ name: "one", port, own, more: [logs] })));
  const before = await Promise.all(["test/one", "test/one/sidecar"].map((id) => place.pidOf(id)));
  const adapter = await until("the adapter", () => adapters()[0] ?? null);
  const serves = async (): Promise<void> => {
    for (let n = 0; n < 20; n += 1) expect(await answers(port)).toBe("200 one");
  };
  process.kill(adapter.pid, "SIGSTOP");
  try {
    await serves();
    // Its figures are missing, and nothing else is.
    const metrics = await scrape(place, "test/one");
    expect(metrics).toContain("outrigger_pipeline_restarts_total 0");
    expect(metrics).toContain("outrigger_requests_total");
  } finally {
    process.kill(adapter.pid, "SIGKILL");
  }
  await serves();
  await untilTrue("another adapter", () => {
    const [now] = adapters();
    return now !== undefined && now.pid !== adapter.pid;
  });
  await serves();
  const after = await Promise.all(["test/one", "test/one/sidecar"].map((id) => place.pidOf(id)));
  expect(after).toEqual(before);
});

test("a Pipeline beside an app is changed while events come: none is refused or lost", async () => {
  const [port, own, events] = [await freePort(), await freePort(), await freePort()];
  const app = tinyApp({ name: "one", port, own, more: ["pipelines: [seen]"] });
  const write = (version: number): string => {
    const pipeline = pipelineOf("seen", {
      sources: { app: { http: { listen: `http://127.0.0.1:${events}`, maxItems: 100 + version } } },
      steps: [{ enrich: { fields: { version: String(version) } } }],
      sinks: { out: { file: { path: "seen.jsonl" } } },
    });
    return place.write("one.yaml", files(app, pipeline));
  };
  const up = place.start("up", write(0));
  const headers = { "content-type": "application/json" };
  const post = async (n: number): Promise<boolean> => {
    const request = { method: "POST", headers, body: JSON.stringify({ n }) };
    return fetch(`http://127.0.0.1:${events}/`, request).then(({ ok }) => ok, () => false);
  };
  await untilTrue("the source listens", () => post(0), 30_000);
  const adapter = await until("the pipelines' process", () => adapters()[0] ?? null);
  let n = 1;
  for (let version = 1; version <= 3; version += 1) {
    write(version);
    await untilTrue(`version ${version}`, async () => {
      expect([n, await post(n)]).toEqual([n, true]);
      n += 1;
      const last = jsonLines<{ version: string }>("seen.jsonl").at(-1);
      return last?.version === String(version);
    });
  }
  await untilTrue("all of them", () => jsonLines("seen.jsonl").length >= n);
  expect(jsonLines<{ n: number }>("seen.jsonl").map((one) => one.n)).toEqual(
    Array.from({ length: n }, (_, i) => i),
  );
  expect(adapters().map(({ pid }) => pid)).toEqual([adapter.pid]);
  expect(up.output()).not.toContain("refused");
});

test("nothing that these tests started is left", async () => {
  expect(await stillRunning()).toEqual([]);
});
