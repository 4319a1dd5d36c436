import { describe, expect, test } from "bun:test";
import { testAuthority, testCertificate } from "../../base/contract/certificates.ts";
import type { TestCertificate } from "../../base/contract/certificates.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { Socket } from "../../base/world.ts";
import { messages, policyOf, startPipeline, worldWithLogs } from "../testdata/harness.ts";

const authority = testAuthority("Log CA");
const TLS = { certificate: "/tls/server.pem", key: "/tls/server.key" };

/** Each source that listens by TLS: how it is configured, and how one message is written to it. */
const LISTENERS = [
  {
    component: "syslog",
    listen: "tls://127.0.0.1:6514",
    written: (text: string) => `<13>1 - h app - - - ${text}\n`,
  },
  {
    component: "http",
    listen: "https://127.0.0.1:6514",
    written: (text: string) =>
      `POST / HTTP/1.1\r\nHost: logs.example\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
  },
];

function put(world: SimulatedWorld, { certificate, key }: TestCertificate): void {
  world.files.makeFolder("/tls");
  world.files.replace("/tls/server.pem", certificate);
  world.files.replace("/tls/server.key", key);
}

interface Sender {
  socket: Socket | null;
  isClosed: boolean;
}

/** With a certificate of its own where one is given; not all senders are let in. */
async function sender(
  world: SimulatedWorld,
  own: TestCertificate | null = null,
  isLetIn = true,
): Promise<Sender> {
  const found: Sender = { socket: null, isClosed: false };
  const nothing = (): void => {};
  world.net.connect(
    { host: "127.0.0.1", port: 6514 },
    {
      onOpen: (socket) => (found.socket = socket),
      onData: nothing,
      onDrain: nothing,
      onEnd: nothing,
      onClose: () => (found.isClosed = true),
      onConnectError: (error) => {
        if (isLetIn) throw error;
        found.isClosed = true;
      },
    },
    {
      context: world.net.tlsContext({ ca: authority.certificate, ...own }),
      serverName: "logs.example",
    },
  );
  const isDone = (): boolean => (isLetIn ? found.socket !== null : found.isClosed);
  expect(await world.clock.until(isDone, 5000)).toBe(true);
  return found;
}

const server = (commonName: string): TestCertificate =>
  testCertificate({ commonName, names: ["DNS:logs.example"], issuer: authority });

const subjectOf = ({ socket }: Sender): string => socket!.tls!.peer()!.subject;

function send({ socket }: Sender, text: string): void {
  const bytes = Buffer.from(text);
  expect(socket!.write(bytes, 0, bytes.length)).toBe(bytes.length);
}

describe.each(LISTENERS)("$component", ({ component, listen, written }) => {
  test("a new certificate is served to new senders; those that are there lose nothing", async () => {
    const world = worldWithLogs(1);
    put(world, server("first"));
    const said: string[] = [];
    const sources = { net: { component, config: { listen, tls: TLS } } };
    startPipeline(world, policyOf({ sources }), { report: (line) => said.push(line) });
    await world.clock.advance(100);
    const before = await sender(world);
    expect(subjectOf(before)).toContain("first");
    put(world, server("second"));
    await world.clock.advance(11_000);
    const after = await sender(world);
    expect(subjectOf(after)).toContain("second");
    expect(said.join()).toContain("the certificate was read again from /tls/server.pem");
    send(before, written("one"));
    send(after, written("two"));
    await world.clock.advance(100);
    expect(messages(world).sort()).toEqual(["one", "two"]);
    expect([before.isClosed, after.isClosed]).toEqual([false, false]);
  });

  test("one that cannot be used is said, and the last good one goes on", async () => {
    const world = worldWithLogs(1);
    put(world, server("first"));
    const said: string[] = [];
    const sources = { net: { component, config: { listen, tls: TLS } } };
    startPipeline(world, policyOf({ sources }), { report: (line) => said.push(line) });
    await world.clock.advance(100);
    // The key of another: for a moment, as files are replaced one after the other.
    world.files.replace("/tls/server.key", server("other").key);
    await world.clock.advance(11_000);
    expect(said.join()).toContain("the certificate before it stays in force");
    expect(subjectOf(await sender(world))).toContain("first");
    put(world, server("third"));
    await world.clock.advance(11_000);
    expect(subjectOf(await sender(world))).toContain("third");
  });

  test("require: only senders whose certificate the ca has signed; the others are counted", async () => {
    const world = worldWithLogs(1);
    put(world, server("first"));
    const senders = testAuthority("Senders");
    world.files.replace("/tls/senders.pem", senders.certificate);
    const said: string[] = [];
    const tls = { ...TLS, ca: "/tls/senders.pem", clientCertificate: "require" };
    const sources = { net: { component, config: { listen, tls } } };
    const runner = startPipeline(world, policyOf({ sources }), { report: (line) => said.push(line) });
    await world.clock.advance(100);
    const known = await sender(world, testCertificate({ commonName: "web-1", issuer: senders }));
    send(known, written("one"));
    const stranger = testCertificate({ commonName: "x", issuer: testAuthority("Nobody") });
    for (const own of [null, stranger]) await sender(world, own, false);
    await world.clock.advance(100);
    expect(messages(world)).toEqual(["one"]);
    expect(runner.metrics()).toContain('component="net",counter="tls_failures"} 2');
    expect(said.filter((line) => line.includes("said once"))).toHaveLength(1);
  });
});
