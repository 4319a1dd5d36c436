import { expect, test } from "bun:test";
import type {
  Listener,
  TlsClientOptions,
  TlsContext,
  TlsError,
  TlsServerOptions,
  TlsSessions,
} from "../world.ts";
import type { ContractWorld } from "../world_contract.ts";
import { testAuthority, testCertificate } from "./certificates.ts";
import { checksumOf, pattern, Recorder, Sender, thrownBy } from "./recorder.ts";

const authority = testAuthority("Contract CA");
const otherAuthority = testAuthority("Other CA");
const shop = testCertificate({
  commonName: "shop",
  names: ["DNS:shop.example", "IP:127.0.0.1", "URI:spiffe://example/shop"],
  issuer: authority,
});
const api = testCertificate({ commonName: "api", names: ["DNS:api.example"], issuer: authority });
const client = testCertificate({
  commonName: "client",
  names: ["URI:spiffe://example/client"],
  issuer: authority,
});
const foreign = testCertificate({ commonName: "foreign", issuer: otherAuthority });
const expired = testCertificate({
  commonName: "expired",
  names: ["DNS:shop.example"],
  issuer: authority,
  notAfter: new Date("2025-06-01T00:00:00Z"),
});
const ca = authority.certificate;

/** One end after the other: a listener with TLS, and who calls it. */
class Bench {
  readonly servers: Recorder[] = [];
  readonly listener: Listener;
  readonly #it: ContractWorld;

  constructor(it: ContractWorld, tls: Partial<TlsServerOptions> = {}) {
    this.#it = it;
    const shopContext = this.context(shop);
    const address = { host: "127.0.0.1", port: 0 };
    const options = { contextFor: () => shopContext, ...tls };
    this.listener = it.world.net.listen({ address, tls: options }, () => {
      const server = new Recorder();
      server.onDataDo = (socket, bytes) => socket.write(bytes, 0, bytes.length);
      server.onEndDo = (socket) => socket.close();
      this.servers.push(server);
      return server;
    });
  }

  context(one: { certificate?: string; key?: string } | null): TlsContext {
    const identity = one === null ? {} : { certificate: one.certificate!, key: one.key! };
    return this.#it.world.net.tlsContext({ ...identity, ca });
  }

  get options(): TlsClientOptions {
    return { context: this.context(null), serverName: "shop.example" };
  }

  dial(tls: Partial<TlsClientOptions> = {}, prepare: (client: Recorder) => void = () => {}): Recorder {
    const recorder = new Recorder();
    prepare(recorder);
    const address = { host: "127.0.0.1", port: this.listener.port };
    this.#it.world.net.connect(address, recorder, { ...this.options, ...tls });
    return recorder;
  }

  /** Echoes three bytes, so that both ends are past the handshake; then both close. */
  async exchange(tls: Partial<TlsClientOptions> = {}): Promise<[Recorder, Recorder]> {
    const before = this.servers.length;
    const recorder = this.dial(tls, (one) => {
      one.onOpenDo = (socket) => socket.write(pattern(3), 0, 3);
      one.onDataDo = (socket) => one.received === 3 && socket.close();
    });
    await this.#it.until(() => recorder.isOver && this.servers[before]?.isOver === true);
    return [recorder, this.servers[before]!];
  }

  /** A handshake that fails at the client's end or, under TLS 1.3, right behind it. */
  async failure(tls: Partial<TlsClientOptions> = {}): Promise<[string, string]> {
    const before = this.servers.length;
    const recorder = this.dial(tls);
    const server = (): Recorder | undefined => this.servers[before];
    await this.#it.until(() => recorder.error !== null && server()?.isOver === true);
    return [reasonOf(recorder), reasonOf(server()!)];
  }

  stop(): void {
    this.listener.stop();
  }
}

function reasonOf(recorder: Recorder): string {
  const { error } = recorder;
  return error === null ? "none" : error.code === "tls" ? (error as TlsError).reason : error.code;
}

function kept(): TlsSessions & { sessions: Uint8Array[] } {
  const sessions: Uint8Array[] = [];
  return { sessions, take: () => sessions.pop() ?? null, keep: (one) => sessions.push(one) };
}

export function tlsContract(it: () => ContractWorld): void {
  test("tls: bytes pass whole both ways, and both ends know what was agreed on", async () => {
    const bench = new Bench(it(), { alpn: ["http/1.1"] });
    const [one, server] = await bench.exchange({ alpn: ["h2", "http/1.1"] });
    expect([one.story, server.story]).toEqual(["open, data, close", "open, data, end, close"]);
    expect(one.checksum).toBe(checksumOf(pattern(3)));
    const [near, far] = [one.socket.tls!, server.socket.tls!];
    expect([near.alpn, near.version, near.resumed]).toEqual(["http/1.1", "1.3", false]);
    expect([near.authorized, near.authorizationError]).toEqual([true, ""]);
    expect(near.peer()!.subjectAltNames).toEqual([
      "DNS:shop.example",
      "IP Address:127.0.0.1",
      "URI:spiffe://example/shop",
    ]);
    expect(near.peer()!.subject).toBe("CN=shop");
    expect([far.alpn, far.serverName, far.authorized]).toEqual(["http/1.1", "shop.example", false]);
    expect([far.peer(), far.authorizationError]).toEqual([null, ""]);
    expect(far.cipher).toContain("AES");
    bench.stop();
  });

  test("tls: a large body passes through short writes, pause and resume", async () => {
    const large = 12 * 1024 * 1024;
    const bench = new Bench(it());
    const sender = new Sender(pattern(large), (socket) => socket.shutdown());
    const before = bench.dial({}, (one) => {
      one.onOpenDo = one.onDrainDo = sender.pump;
      one.onEndDo = (socket) => socket.close();
    });
    await it().until(() => bench.servers[0]?.openCount === 1);
    const server = bench.servers[0]!;
    server.onDataDo = () => {};
    server.socket.pause();
    await it().until(() => sender.shortWrites > 0);
    server.socket.resume();
    await it().until(() => server.isOver && before.isOver);
    expect(server.received).toBe(large);
    expect(server.checksum).toBe(checksumOf(sender.bytes));
    bench.stop();
  });

  test("tls: the certificate is chosen by name; a name may be refused", async () => {
    const { net } = it().world;
    const [shopContext, apiContext] = [net.tlsContext(shop), net.tlsContext(api)];
    const contexts = new Map([["no.example", null], ["api.example", apiContext]] as const);
    const chosen = new Bench(it(), {
      contextFor: (name) => {
        const context = contexts.get(name as "no.example");
        return context === undefined ? shopContext : context;
      },
    });
    const [one] = await chosen.exchange({ serverName: "API.example" });
    expect(one.socket.tls!.peer()!.subject).toBe("CN=api");
    const [other] = await chosen.exchange({ serverName: "127.0.0.1" });
    expect(other.socket.tls!.peer()!.subject).toBe("CN=shop");
    const [, server] = await chosen.failure({ serverName: "no.example" });
    expect(server).toBe("unknown-name");
    chosen.stop();
  });

  test("tls: a wrong name, a foreign signer and an expired certificate are not trusted", async () => {
    const bench = new Bench(it());
    const named = await bench.failure({ serverName: "bank.example" });
    expect(named[0]).toBe("untrusted-peer");
    const foreignCa = it().world.net.tlsContext({ ca: otherAuthority.certificate });
    expect((await bench.failure({ context: foreignCa }))[0]).toBe("untrusted-peer");
    bench.stop();
    const old = it().world.net.tlsContext(expired);
    const late = new Bench(it(), { contextFor: () => old });
    expect((await late.failure())[0]).toBe("untrusted-peer");
    const [one] = await late.exchange({ verify: "none" });
    const { authorized, authorizationError } = one.socket.tls!;
    expect([authorized, authorizationError]).toEqual([false, "CERT_HAS_EXPIRED"]);
    late.stop();
  });

  test("tls: with the chain alone verified, the owner sees the names", async () => {
    const bench = new Bench(it());
    const [one] = await bench.exchange({ verify: "chain", serverName: "bank.example" });
    expect(one.socket.tls!.peer()!.subjectAltNames).toContain("URI:spiffe://example/shop");
    const foreignCa = it().world.net.tlsContext({ ca: otherAuthority.certificate });
    const reasons = await bench.failure({ verify: "chain", context: foreignCa });
    expect(reasons[0]).toBe("untrusted-peer");
    bench.stop();
  });
}

/** A client with a certificate of another authority: why the server refuses it. */
async function foreigner(it: ContractWorld, bench: Bench): Promise<string> {
  const before = bench.servers.length;
  const recorder = bench.dial({ context: bench.context(foreign) }, (one) => {
    one.onOpenDo = (socket) => socket.write(pattern(3), 0, 3);
    one.onEndDo = (socket) => socket.close();
  });
  await it.until(() => bench.servers[before]?.isOver === true);
  await it.until(() => recorder.isOver || recorder.error !== null);
  const server = bench.servers[before]!;
  // What it sent did not pass.
  expect([server.openCount, server.received]).toEqual([0, 0]);
  return reasonOf(server);
}

export function tlsPeerContract(it: () => ContractWorld): void {
  test("tls: a required client certificate: good, missing, foreign", async () => {
    const bench = new Bench(it(), { clientCertificate: "require" });
    const [, server] = await bench.exchange({ context: bench.context(client) });
    const state = server.socket.tls!;
    expect([state.authorized, state.peer()!.subject]).toEqual([true, "CN=client"]);
    expect(state.peer()!.subjectAltNames).toEqual(["URI:spiffe://example/client"]);
    expect(state.peer()!.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(await bench.failure()).toEqual(["refused-by-peer", "no-certificate"]);
    expect(await foreigner(it(), bench)).toBe("untrusted-peer");
    bench.stop();
  });

  test("tls: a certificate that is asked for may be missing, and must not be foreign", async () => {
    const bench = new Bench(it(), { clientCertificate: "request" });
    const [, without] = await bench.exchange();
    const state = without.socket.tls!;
    expect([state.authorized, state.authorizationError, state.peer()]).toEqual([false, "", null]);
    const [, known] = await bench.exchange({ context: bench.context(client) });
    expect(known.socket.tls!.authorized).toBe(true);
    expect(await foreigner(it(), bench)).toBe("untrusted-peer");
    bench.stop();
  });

  test("tls: a session is resumed once, with its identity, and ends with its context", async () => {
    const bench = new Bench(it(), { clientCertificate: "require" });
    const sessions = kept();
    const context = bench.context(client);
    const [first] = await bench.exchange({ context, sessions });
    expect(first.socket.tls!.resumed).toBe(false);
    await it().until(() => sessions.sessions.length > 0);
    const [second, server] = await bench.exchange({ context, sessions });
    expect([second.socket.tls!.resumed, server.socket.tls!.resumed]).toEqual([true, true]);
    expect(server.socket.tls!.peer()!.subject).toBe("CN=client");
    expect(second.socket.tls!.peer()!.subject).toBe("CN=shop");
    const renewed = bench.context(shop);
    bench.listener.setTls({ contextFor: () => renewed, clientCertificate: "require" });
    await it().until(() => sessions.sessions.length > 0);
    const [third] = await bench.exchange({ context, sessions });
    expect(third.socket.tls!.resumed).toBe(false);
    bench.stop();
  });

  test("tls: new certificates hold for new handshakes; open connections live on", async () => {
    const bench = new Bench(it());
    const old = bench.dial();
    await it().until(() => old.openCount === 1 && bench.servers[0]?.openCount === 1);
    const context = bench.context(api);
    const { port } = bench.listener;
    bench.listener.setTls({ contextFor: () => context });
    expect(bench.listener.port).toBe(port);
    const [fresh] = await bench.exchange({ serverName: "api.example" });
    expect(fresh.socket.tls!.peer()!.subject).toBe("CN=api");
    const [nameless] = await bench.exchange({ verify: "none", serverName: "127.0.0.1" });
    expect(nameless.socket.tls!.peer()!.subject).toBe("CN=api");
    old.onDataDo = (socket) => old.received === 5 && socket.close();
    old.socket.write(pattern(5), 0, 5);
    await it().until(() => old.isOver && bench.servers[0]!.isOver);
    expect(old.received).toBe(5);
    const [refused] = [thrownBy<TlsError>(() => bench.listener.setTls({ contextFor: () => null }))];
    expect(refused.reason).toBe("unknown-name");
    const [still] = await bench.exchange({ serverName: "api.example" });
    expect(still.story).toBe("open, data, close");
    bench.stop();
    const late = bench.dial();
    await it().until(() => late.error !== null);
    expect(late.error!.code).toBe("refused");
  });

  test("tls: a listener turns to TLS and back while its connections live on", async () => {
    const bench = new Bench(it());
    bench.listener.setTls(null);
    const plain = new Recorder();
    const address = { host: "127.0.0.1", port: bench.listener.port };
    it().world.net.connect(address, plain);
    await it().until(() => plain.openCount === 1 && bench.servers[0]?.openCount === 1);
    expect(bench.servers[0]!.socket.tls).toBeNull();
    const context = bench.context(shop);
    bench.listener.setTls({ contextFor: () => context });
    const [one] = await bench.exchange();
    expect(one.socket.tls!.authorized).toBe(true);
    plain.onDataDo = (socket) => plain.received === 4 && socket.close();
    plain.socket.write(pattern(4), 0, 4);
    await it().until(() => plain.isOver && bench.servers[0]!.isOver);
    expect(plain.received).toBe(4);
    bench.stop();
  });
}

export function tlsFailureContract(it: () => ContractWorld): void {
  test("tls: no common ALPN protocol ends the handshake", async () => {
    const bench = new Bench(it(), { alpn: ["http/1.1"] });
    const reasons = await bench.failure({ alpn: ["h2"] });
    expect(reasons).toEqual(["no-common-alpn", "no-common-alpn"]);
    // Who offers none agrees on none.
    const [one] = await bench.exchange();
    expect(one.socket.tls!.alpn).toBe("");
    bench.stop();
  });

  test("tls: who speaks plain HTTP gets the plain answer, and never reaches the owner", async () => {
    const answer = new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n");
    const bench = new Bench(it(), { plaintextAnswer: answer });
    const recorder = new Recorder();
    const request = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    recorder.onOpenDo = (socket) => socket.write(request, 0, request.length);
    recorder.onEndDo = (socket) => socket.close();
    it().world.net.connect({ host: "127.0.0.1", port: bench.listener.port }, recorder);
    await it().until(() => recorder.isOver && bench.servers[0]?.isOver === true);
    expect(recorder.checksum).toBe(checksumOf(answer));
    expect([reasonOf(bench.servers[0]!), bench.servers[0]!.openCount]).toEqual(["not-tls", 0]);
    bench.stop();
  });

  test("tls: a callee without TLS is told apart", async () => {
    const { world } = it();
    const listener = world.net.listen({ address: { host: "127.0.0.1", port: 0 } }, () => {
      const server = new Recorder();
      server.onOpenDo = (socket) => socket.write(pattern(20), 0, 20);
      server.onEndDo = (socket) => socket.close();
      return server;
    });
    const recorder = new Recorder();
    const tls = { context: world.net.tlsContext({ ca }), serverName: "shop.example" };
    world.net.connect({ host: "127.0.0.1", port: listener.port }, recorder, tls);
    await it().until(() => recorder.error !== null);
    expect([recorder.events, reasonOf(recorder)]).toEqual([["connect error tls"], "not-tls"]);
    listener.stop();
  });

  test("tls: a handshake that stands still is ended, at either end", async () => {
    const bench = new Bench(it(), { handshakeTimeoutMs: 30 });
    const silent = new Recorder();
    it().world.net.connect({ host: "127.0.0.1", port: bench.listener.port }, silent);
    await it().until(() => silent.isOver && bench.servers[0]?.isOver === true);
    expect(reasonOf(bench.servers[0]!)).toBe("timeout");
    bench.stop();
    const { world } = it();
    const mute = new Recorder();
    const listener = world.net.listen({ address: { host: "127.0.0.1", port: 0 } }, () => mute);
    const recorder = new Recorder();
    const context = world.net.tlsContext({ ca });
    const tls = { context, serverName: "shop.example", handshakeTimeoutMs: 30 };
    world.net.connect({ host: "127.0.0.1", port: listener.port }, recorder, tls);
    await it().until(() => recorder.error !== null && mute.isOver);
    expect([recorder.events, reasonOf(recorder)]).toEqual([["connect error tls"], "timeout"]);
    listener.stop();
  });

  test("tls: who leaves in the middle, and a dial that is given up there, leave nothing", async () => {
    const bench = new Bench(it());
    const gone = new Recorder();
    gone.onOpenDo = (socket) => socket.terminate();
    it().world.net.connect({ host: "127.0.0.1", port: bench.listener.port }, gone);
    await it().until(() => bench.servers[0]?.isOver === true);
    expect(reasonOf(bench.servers[0]!)).toBe("closed");
    bench.stop();
    const { world } = it();
    const mute = new Recorder();
    const listener = world.net.listen({ address: { host: "127.0.0.1", port: 0 } }, () => mute);
    const given = new Recorder();
    const tls = { context: world.net.tlsContext({ ca }), serverName: "shop.example" };
    const dial = world.net.connect({ host: "127.0.0.1", port: listener.port }, given, tls);
    await it().until(() => mute.received > 0);
    dial.abort();
    await it().until(() => mute.isOver);
    expect(given.events).toEqual([]);
    listener.stop();
  });

  test("tls: texts that make no identity are refused, in words that say why", () => {
    const { net } = it().world;
    const cases: [object, string][] = [
      [{ certificate: "nonsense", key: shop.key }, 'certificate has no PEM block "BEGIN CERTIFICATE"'],
      [{ certificate: shop.key, key: shop.key }, 'but one "BEGIN PRIVATE KEY"'],
      [{ certificate: shop.certificate, key: api.key }, "the key is not that of the certificate (CN=shop)"],
      [{ certificate: shop.certificate, key: "" }, 'the key has no PEM block "BEGIN PRIVATE KEY"'],
      [{ certificate: shop.certificate }, "a certificate without its key"],
      [{ ca: "" }, "the CA has no PEM block"],
      [
        { ...shop, certificate: shop.certificate.replace(/MII../, "AAAAA") },
        "PEM block 1 is no X.509 certificate",
      ],
    ];
    for (const [identity, text] of cases) {
      const error = thrownBy<TlsError>(() => net.tlsContext(identity));
      expect([error.code, error.reason]).toEqual(["tls", "bad-identity"]);
      expect(error.message).toContain(text);
    }
    const facts = net.tlsContext(shop).certificate!;
    expect([facts.subject, facts.issuer]).toEqual(["CN=shop", "CN=Contract CA"]);
    expect(facts.notAfterMs).toBe(Date.parse("2049-01-01T00:00:00Z"));
  });
}
