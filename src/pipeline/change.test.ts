import { describe, expect, test } from "bun:test";
import type { PipelinePolicy, SinkPolicy } from "../api/snapshot.ts";
import { testAuthority, testCertificate } from "../base/contract/certificates.ts";
import { Failure } from "../base/failure.ts";
import type { SimulatedWorld } from "../base/simulated/mod.ts";
import type { Socket } from "../base/world.ts";
import { HttpClient } from "../http/client.ts";
import type { PipelineRunner } from "./runner.ts";
import { FakeElasticsearch } from "./testdata/fake_elasticsearch.ts";
import {
  FOLLOW,
  STDOUT,
  append,
  expectBalanced,
  messages,
  policyOf,
  startPipeline,
  worldWithLogs,
} from "./testdata/harness.ts";

const LOG = "/logs/app.log";
const NOTHING = { sources: {}, sinks: {} };

function numbered(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `line ${from + i}`);
}

function write(world: SimulatedWorld, count: number, from = 0): void {
  append(world, LOG, numbered(count, from).map((line) => `${line}\n`).join(""));
}

function search(config: Readonly<Record<string, unknown>>, buffer?: SinkPolicy["buffer"]) {
  const whole = { index: "logs", batch: { maxAge: "100ms" }, ...config };
  const sink: SinkPolicy = { component: "elasticsearch", config: whole };
  return { search: buffer === undefined ? sink : { ...sink, buffer } };
}

async function change(world: SimulatedWorld, runner: PipelineRunner, policy: PipelinePolicy) {
  let done = false;
  const changing = runner.change(policy, NOTHING).then(() => (done = true));
  await world.clock.until(() => done, 60_000);
  await changing;
}

const MARK = { component: "enrich", config: { fields: { version: "2" } } };

describe("a pipeline goes over to another version of its file", () => {
  test("steps change; the source stays where it is, and no line is read twice", async () => {
    const world = worldWithLogs(1);
    const runner = startPipeline(world, policyOf());
    write(world, 10);
    await world.clock.advance(1500);
    await change(world, runner, policyOf({ steps: [MARK] }));
    write(world, 10, 10);
    await world.clock.advance(1500);
    expect(messages(world)).toEqual(numbered(20));
    const marked = world.stdio.text().split("\n").filter((line) => line.includes('"version":"2"'));
    expect(marked.length).toBe(10);
    expect(runner.ledger().sources["app"]).toMatchObject({ received: 20, delivered: 20 });
    expectBalanced(runner);
  });

  test("a wrong version changes nothing", async () => {
    const world = worldWithLogs(1);
    const runner = startPipeline(world, policyOf());
    const wrong = policyOf({ steps: [{ component: "parse", config: {} }] });
    expect(runner.change(wrong, NOTHING)).rejects.toBeInstanceOf(Failure);
    await world.clock.advance(1);
    write(world, 3);
    await world.clock.advance(1500);
    expect(messages(world)).toEqual(numbered(3));
  });

  test("a sink whose address was wrong: what waited goes to where it is now", async () => {
    const world = worldWithLogs(1);
    const server = new FakeElasticsearch(world);
    server.whole = () => "none";
    const policy = policyOf({ sinks: { out: STDOUT, ...search({ url: "http://wrong:9200" }) } });
    const runner = startPipeline(world, policy, { post: server.post, drainMs: 1000 });
    write(world, 100);
    await world.clock.advance(3000);
    expect(runner.ledger().sinks["search"]).toMatchObject({ buffered: 100 });
    server.whole = () => null;
    const next = policyOf({ sinks: { out: STDOUT, ...search({ url: "http://right:9200" }) } });
    server.whole = (request) => (request < 3 ? "none" : null);
    await change(world, runner, next);
    await world.clock.advance(30_000);
    expect(server.messages.sort()).toEqual(numbered(100).sort());
    expect(messages(world).length).toBe(100);
    expect(runner.ledger().sources["app"]).toMatchObject({ received: 100, delivered: 100 });
    expectBalanced(runner);
  });

  test("from memory to disk and back, while the sink is down", async () => {
    const world = worldWithLogs(1);
    const server = new FakeElasticsearch(world);
    server.whole = () => "none";
    const bounds = { maxEvents: 1000, maxBytes: 1_000_000 };
    const config = { url: "http://search:9200" };
    const policy = policyOf({ sinks: search(config, bounds) });
    const runner = startPipeline(world, policy, { post: server.post, drainMs: 500 });
    write(world, 100);
    await world.clock.advance(2000);
    const disk = { ...bounds, disk: 1024 * 1024 };
    await change(world, runner, policyOf({ sinks: search(config, disk) }));
    expectBalanced(runner);
    write(world, 100, 100);
    await world.clock.advance(3000);
    expect(runner.ledger().sources["app"]).toMatchObject({ received: 200, buffered: 200 });
    // Another buffer of the same sink finds what the first one wrote.
    await change(world, runner, policyOf({ sinks: search(config, { ...disk, maxEvents: 500 }) }));
    expect(runner.ledger().sources["app"]).toMatchObject({ received: 200, buffered: 200 });
    expectBalanced(runner);
    server.whole = () => null;
    await world.clock.advance(60_000);
    expect(new Set(server.messages)).toEqual(new Set(numbered(200)));
    expect(runner.ledger().sources["app"]).toMatchObject({ delivered: 200, buffered: 0 });
    expectBalanced(runner);
  });

  test("a sink that is removed while it is down leaves its events in the dead letters", async () => {
    const world = worldWithLogs(1);
    const server = new FakeElasticsearch(world);
    server.whole = () => "none";
    const policy = policyOf({ sinks: { out: STDOUT, ...search({ url: "http://x:9200" }) } });
    const runner = startPipeline(world, policy, { post: server.post, drainMs: 500 });
    write(world, 7);
    await world.clock.advance(2000);
    await change(world, runner, policyOf());
    await world.clock.advance(2000);
    expect(runner.ledger().sources["app"]).toMatchObject({ deadLettered: 7, buffered: 0 });
    expect(runner.ledger().sinks["search"]).toMatchObject({ deadLettered: 7, buffered: 0 });
    expectBalanced(runner);
    write(world, 1, 7);
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(numbered(8));
  });

  test("sources come and go", async () => {
    const world = worldWithLogs(1);
    append(world, "/logs/b.log", "from b\n");
    const runner = startPipeline(world, policyOf());
    write(world, 3);
    await world.clock.advance(1500);
    const b = { component: "file", config: { include: ["/logs/b.log"] } };
    await change(world, runner, policyOf({ sources: { b } }));
    await world.clock.advance(1500);
    write(world, 3, 3);
    await world.clock.advance(1500);
    expect(messages(world)).toEqual([...numbered(3), "from b"]);
    // Back again: it goes on where it stopped.
    await change(world, runner, policyOf({ sources: { app: FOLLOW } }));
    await world.clock.advance(1500);
    expect(messages(world)).toEqual([...numbered(3), "from b", ...numbered(3, 3)]);
    expectBalanced(runner);
  });

  test("by seed: changed at any moment, with a failing sink: each line once in the index", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = worldWithLogs(seed);
      const server = new FakeElasticsearch(world);
      const { random } = world;
      server.whole = () => (random.next() < 0.3 ? "none" : null);
      server.item = () => (random.next() < 0.1 ? 429 : 201);
      const version = (): PipelinePolicy => {
        const disk = { maxEvents: 100, maxBytes: 64 * 1024, disk: 1024 * 1024 };
        const buffer = random.next() < 0.5 ? disk : undefined;
        const url = `http://search-${Math.floor(random.next() * 3)}:9200`;
        const steps = random.next() < 0.5 ? [MARK] : [];
        return policyOf({ steps, sinks: search({ url }, buffer) });
      };
      const runner = startPipeline(world, version(), { post: server.post, drainMs: 300 });
      let written = 0;
      for (let step = 0; step < 20; step++) {
        const count = Math.floor(random.next() * 50);
        write(world, count, written);
        written += count;
        await world.clock.advance(random.next() * 800);
        await change(world, runner, version());
        expectBalanced(runner);
      }
      server.whole = () => null;
      server.item = () => 201;
      const disk = { maxEvents: 100, maxBytes: 64 * 1024, disk: 1024 * 1024 };
      const last = policyOf({ sinks: search({ url: "http://search:9200" }, disk) });
      await change(world, runner, last);
      await world.clock.advance(120_000);
      const left = runner.ledger().sources["app"]!.buffered;
      expect({ seed, left, found: server.messages.sort() }).toEqual({
        seed,
        left: 0,
        found: numbered(written).sort(),
      });
      expectBalanced(runner);
    }
  });
});

describe("a source that listens takes over another config without letting go of its port", () => {
  const nothing = (): void => {};
  const syslog = (config: object): PipelinePolicy =>
    policyOf({
      sources: {
        net: { component: "syslog", config: { listen: "tcp://127.0.0.1:5514", ...config } },
      },
    });

  test("reload with a source on the same port: no connection refused, none closed, none lost", async () => {
    const world = worldWithLogs(1);
    const runner = startPipeline(world, syslog({ format: "none" }));
    await world.clock.advance(10);
    const sockets: Socket[] = [];
    let failures = 0;
    const connect = (): void =>
      void world.net.connect(
        { host: "127.0.0.1", port: 5514 },
        {
          onOpen: (socket) => sockets.push(socket),
          onData: nothing,
          onDrain: nothing,
          onEnd: () => (failures += 1),
          onClose: () => (failures += 1),
          onConnectError: () => (failures += 1),
        },
      );
    let sent = 0;
    connect();
    await world.clock.advance(10);
    const timer = world.clock.every(7, () => {
      const bytes = Buffer.from(`<13>1 - h app - - - line ${sent}\n`);
      expect(sockets[sent % sockets.length]!.write(bytes, 0, bytes.length)).toBe(bytes.length);
      sent += 1;
      if (sent % 20 === 0) connect();
    });
    for (let n = 0; n < 10; n += 1) {
      await world.clock.advance(50);
      await change(world, runner, syslog({ format: "none", maxConnections: 100 + n }));
    }
    timer.cancel();
    await world.clock.advance(1000);
    expect(failures).toBe(0);
    const found = messages(world).map((text) => text.replace(/^.* - - - /, ""));
    expect(found.sort()).toEqual(numbered(sent).sort());
    expect(runner.ledger().sources["net"]).toMatchObject({ received: sent, delivered: sent });
    expectBalanced(runner);
    // Another port is another source: the old one is let go.
    await change(world, runner, syslog({ listen: "tcp://127.0.0.1:5515" }));
    await world.clock.advance(100);
    expect(failures).toBe(sockets.length);
  });

  test("http: another secret and other bounds, while requests are under way", async () => {
    const world = worldWithLogs(1);
    world.files.makeFolder("/secrets");
    world.files.write("/secrets/old", "old\n");
    world.files.write("/secrets/new", "new\n");
    const http = (config: object): PipelinePolicy =>
      policyOf({
        sources: {
          in: { component: "http", config: { listen: "http://127.0.0.1:8080", ...config } as never },
        },
      });
    const runner = startPipeline(world, http({ tokenFile: "/secrets/old" }));
    const client = new HttpClient(world);
    const post = async (token: string, body: string): Promise<number> => {
      const request = {
        method: "POST",
        path: "/",
        address: { host: "127.0.0.1", port: 8080 },
        headers: { authorization: `Bearer ${token}`, "content-type": "text/plain" },
        body,
        timeoutMs: 1000,
      };
      return (await client.request(request)).status;
    };
    const status = async (token: string, body: string): Promise<number> => {
      let found = 0;
      void post(token, body).then((value) => (found = value));
      expect(await world.clock.until(() => found !== 0, 5000)).toBe(true);
      return found;
    };
    expect([await status("old", "one\n"), await status("new", "two\n")]).toEqual([200, 401]);
    await change(world, runner, http({ tokenFile: "/secrets/new", maxBodyBytes: "1KiB" }));
    expect([await status("new", "three\n"), await status("old", "four\n")]).toEqual([200, 401]);
    client.close();
    const again = new HttpClient(world);
    let code = 0;
    const address = { host: "127.0.0.1", port: 8080 };
    const large = { method: "POST", path: "/", address, body: "x".repeat(2000), timeoutMs: 1000 };
    void again.request(large).then((answer) => (code = answer.status));
    await world.clock.advance(2000);
    expect(code).toBe(413);
    expect(messages(world)).toEqual(["one", "three"]);
  });

  test("a certificate that cannot be read is refused, and the old one stays in force", async () => {
    const world = worldWithLogs(1);
    world.files.makeFolder("/tls");
    const { certificate, key } = testCertificate({ commonName: "logs", issuer: testAuthority("CA") });
    world.files.write("/tls/a.pem", certificate);
    world.files.write("/tls/a.key", key);
    const tls = (name: string): PipelinePolicy =>
      syslog({
        listen: "tls://127.0.0.1:5514",
        tls: { certificate: `/tls/${name}.pem`, key: `/tls/${name}.key` },
      });
    const runner = startPipeline(world, tls("a"));
    await world.clock.advance(10);
    expect(runner.change(tls("b"), NOTHING)).rejects.toThrow("/tls/b.pem");
    await world.clock.advance(10);
    expect(world.net.listeners).toBe(1);
    const next = testCertificate({ commonName: "next", issuer: testAuthority("CA") });
    world.files.write("/tls/b.pem", next.certificate);
    world.files.write("/tls/b.key", next.key);
    await change(world, runner, tls("b"));
    expect(await servedBy(world)).toContain("next");
  });
});

/** The subject of the certificate that the port shows. */
async function servedBy(world: SimulatedWorld): Promise<string> {
  let subject = "";
  const context = world.net.tlsContext({});
  const nothing = (): void => {};
  world.net.connect(
    { host: "127.0.0.1", port: 5514 },
    {
      onOpen: (socket) => {
        subject = socket.tls!.peer()!.subject;
        socket.close();
      },
      onData: nothing,
      onDrain: nothing,
      onEnd: nothing,
      onClose: nothing,
      onConnectError: (error) => (subject = error.message),
    },
    { context, serverName: "logs", verify: "none" },
  );
  expect(await world.clock.until(() => subject !== "", 5000)).toBe(true);
  return subject;
}
