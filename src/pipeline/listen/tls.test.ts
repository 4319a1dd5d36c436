import { expect, test } from "bun:test";
import { testAuthority, testCertificate } from "../../base/contract/certificates.ts";
import type { TestCertificate } from "../../base/contract/certificates.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { Socket } from "../../base/world.ts";
import { messages, policyOf, startPipeline, worldWithLogs } from "../testdata/harness.ts";

const authority = testAuthority("Log CA");
const CONFIG = {
  listen: "tls://127.0.0.1:6514",
  tls: { certificate: "/tls/server.pem", key: "/tls/server.key" },
};

function put(world: SimulatedWorld, { certificate, key }: TestCertificate): void {
  world.files.makeFolder("/tls");
  world.files.replace("/tls/server.pem", certificate);
  world.files.replace("/tls/server.key", key);
}

interface Sender {
  socket: Socket | null;
  isClosed: boolean;
}

async function sender(world: SimulatedWorld): Promise<Sender> {
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
        throw error;
      },
    },
    {
      context: world.net.tlsContext({ ca: authority.certificate }),
      serverName: "logs.example",
    },
  );
  expect(await world.clock.until(() => found.socket !== null, 5000)).toBe(true);
  return found;
}

const server = (commonName: string): TestCertificate =>
  testCertificate({ commonName, names: ["DNS:logs.example"], issuer: authority });

const subjectOf = ({ socket }: Sender): string => socket!.tls!.peer()!.subject;

function send({ socket }: Sender, text: string): void {
  const bytes = Buffer.from(`<13>1 - h app - - - ${text}\n`);
  expect(socket!.write(bytes, 0, bytes.length)).toBe(bytes.length);
}

test("a new certificate is served to new senders; those that are there lose nothing", async () => {
  const world = worldWithLogs(1);
  put(world, server("first"));
  const said: string[] = [];
  const sources = { net: { component: "syslog", config: CONFIG } };
  startPipeline(world, policyOf({ sources }), { report: (line) => said.push(line) });
  await world.clock.advance(100);
  const before = await sender(world);
  expect(subjectOf(before)).toContain("first");
  put(world, server("second"));
  await world.clock.advance(11_000);
  const after = await sender(world);
  expect(subjectOf(after)).toContain("second");
  expect(said.join()).toContain("the certificate was read again from /tls/server.pem");
  send(before, "one");
  send(after, "two");
  await world.clock.advance(100);
  expect(messages(world).sort()).toEqual(["one", "two"]);
  expect([before.isClosed, after.isClosed]).toEqual([false, false]);
});

test("one that cannot be used is said, and the last good one goes on", async () => {
  const world = worldWithLogs(1);
  put(world, server("first"));
  const said: string[] = [];
  const sources = { net: { component: "syslog", config: CONFIG } };
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
