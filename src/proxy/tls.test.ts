import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { ListenerTlsPolicy } from "../api/snapshot.ts";
import {
  testAuthority,
  testCertificate,
  type TestCertificate,
} from "../base/contract/certificates.ts";
import { Failure } from "../base/failure.ts";
import type { TlsClientOptions, TlsError } from "../base/world.ts";
import type { SimClient } from "../sim/client.ts";
import { Rig } from "../sim/rig.ts";
import { PROXY, type SnapshotShape } from "../sim/snapshots.ts";

/** TLS that ends at a listener, with certificates from files. */
const FOLDER = "/home/app/certs";
const authority = testAuthority("Shop CA");
const clients = testAuthority("Client CA");
const shop = testCertificate({ commonName: "shop", names: ["DNS:shop.example"], issuer: authority });
const wild = testCertificate({
  commonName: "wild",
  names: ["DNS:*.api.example", "DNS:api.example"],
  issuer: authority,
});
const caller = testCertificate({
  commonName: 'O"Brien; CN=admin',
  names: ["URI:spiffe://example/caller", "DNS:caller.example"],
  issuer: clients,
});

let rig: Rig;

beforeEach(() => {
  rig = new Rig(null);
  put("shop", shop);
  put("wild", wild);
  rig.world.files.write(`${FOLDER}/clients.pem`, clients.certificate);
  rig.upstream();
});

afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

function put(name: string, one: TestCertificate): void {
  const { files } = rig.world;
  files.makeFolder(FOLDER);
  files.write(`${FOLDER}/${name}.pem`, one.certificate);
  files.write(`${FOLDER}/${name}.key`, one.key);
}

function filesOf(name: string) {
  return { certificate: `${FOLDER}/${name}.pem`, key: `${FOLDER}/${name}.key` };
}

function shape(tls: Partial<ListenerTlsPolicy> = {}, more: SnapshotShape = {}): SnapshotShape {
  const filter = { filter: "forwarded_tls", config: { scheme: true, clientCertificate: true } };
  return {
    accessLog: "json",
    route: { filters: [filter] },
    ...more,
    listener: {
      tls: {
        certificates: ["shop", "wild"],
        minVersion: "1.2",
        clientCertificate: "none",
        handshakeTimeoutMs: 10_000,
        ...tls,
      },
    },
    tls: {
      in: {
        certificates: { shop: filesOf("shop"), wild: filesOf("wild") },
        clientCa: `${FOLDER}/clients.pem`,
      },
    },
  };
}

function callerOf(serverName: string, own: TestCertificate | null = null): TlsClientOptions {
  const identity = own === null ? {} : { certificate: own.certificate, key: own.key };
  const context = rig.world.net.tlsContext({ ...identity, ca: authority.certificate });
  return { context, serverName };
}

async function ask(tls: TlsClientOptions, head = ""): Promise<SimClient> {
  const client = rig.client(PROXY, tls);
  const call = client.send(`GET / HTTP/1.1\r\nHost: shop\r\n${head}\r\n`);
  await rig.world.clock.until(() => call.answer !== null || call.broken, 60_000);
  return client;
}

const events = (kind: string): string[] =>
  rig.proxy.stats().events.filter((event) => event.kind === kind).map(({ text }) => text);

describe("TLS", () => {
  test("the callee gets plain HTTP and is told of the TLS; a forged header does not pass", async () => {
    rig.apply(shape({ clientCertificate: "request" }));
    const forged = "X-Forwarded-Client-Cert: Hash=0\r\nX-Forwarded-Proto: http\r\n";
    const client = await ask(callerOf("shop.example"), forged);
    expect(client.calls[0]!.status).toBe(200);
    const { headers } = rig.upstreams[0]!.requests[0]!;
    expect(headers.get("x-forwarded-proto")).toBe("https");
    expect(headers.has("x-forwarded-client-cert")).toBe(false);
    await ask(callerOf("shop.example", caller), forged);
    const told = rig.upstreams[0]!.requests[1]!.headers.get("x-forwarded-client-cert")!;
    expect(told).toMatch(/^Hash=[0-9a-f]{64};/);
    // The name is written as RFC 4514 has it, and that is quoted.
    expect(told).toContain(String.raw`Subject="CN=O\\\"Brien\\; CN=admin"`);
    expect(told).toContain(";URI=spiffe://example/caller;DNS=caller.example");
  });

  test("the access log names version, name and the caller's certificate", async () => {
    rig.apply(shape({ clientCertificate: "require" }));
    await ask(callerOf("shop.example", caller));
    await rig.advance(200);
    const [line] = rig.log.filter((one) => one.includes('"method"')).map((one) => JSON.parse(one));
    expect(line).toMatchObject({
      downstream_tls_version: "TLSv1.3",
      downstream_tls_server_name: "shop.example",
      downstream_peer_subject: String.raw`CN=O\"Brien\; CN=admin`,
      downstream_peer_sans: ["URI:spiffe://example/caller", "DNS:caller.example"],
    });
  });

  test("a certificate is chosen by exact name, by wildcard, else the first", async () => {
    rig.apply(shape());
    const shown = async (name: string): Promise<string> => {
      const client = await ask({ ...callerOf(name), verify: "none" });
      return client.peer.socket!.tls!.peer()!.subject;
    };
    expect(await shown("shop.example")).toBe("CN=shop");
    expect(await shown("api.example")).toBe("CN=wild");
    expect(await shown("EU.api.example")).toBe("CN=wild");
    // A `*` is one label only.
    expect(await shown("a.eu.api.example")).toBe("CN=shop");
    expect(await shown("elsewhere.example")).toBe("CN=shop");
    expect(await shown("10.0.0.1")).toBe("CN=shop");
  });

  test("failed handshakes are counted by reason, logged, and told once a minute", async () => {
    rig.apply(shape({ clientCertificate: "require" }));
    for (let index = 0; index < 3; index++) {
      const refused = rig.client(PROXY, callerOf("shop.example"));
      await rig.world.clock.until(() => refused.peer.closed, 60_000);
      expect((refused.peer.error as TlsError).reason).toBe("refused-by-peer");
    }
    const plain = rig.client();
    plain.raw = true;
    plain.send("GET / HTTP/1.1\r\nHost: shop\r\n\r\n");
    await rig.world.clock.until(() => plain.peer.ended, 60_000);
    expect(plain.peer.text).toStartWith("HTTP/1.1 400 Bad Request\r\n");
    expect(plain.peer.text).toContain("ask for https://");
    plain.peer.close();
    const silent = rig.client();
    await rig.world.clock.until(() => silent.peer.closed, 60_000);
    const failures = (reason: string): number =>
      rig.metric("outrigger_tls_handshake_failures_total", { listener: "in", reason });
    expect(failures("no-certificate")).toBe(3);
    expect(failures("not-tls")).toBe(1);
    expect(failures("timeout")).toBe(1);
    expect(events("handshakes-failed").map((text) => text.split(":")[0])).toEqual([
      "no-certificate",
      "not-tls",
      "timeout",
    ]);
    await rig.advance(200);
    const lines = rig.log.filter((one) => one.includes("tls_no_certificate"));
    expect(lines).toHaveLength(3);
    expect(JSON.parse(lines[0]!)).toMatchObject({ response_code: 0, listener: "in" });
    await rig.advance(60_000);
    const late = rig.client(PROXY, callerOf("shop.example"));
    await rig.world.clock.until(() => late.peer.closed, 60_000);
    expect(events("handshakes-failed").at(-1)).toEndWith("; 2 more before");
    expect(rig.proxy.stats().listeners[0]!.tls!.failuresTotal["no-certificate"]).toBe(4);
    // Nothing of it became a request.
    expect(rig.upstreams[0]!.requests).toHaveLength(0);
    expect(rig.metric("outrigger_connections_active")).toBe(0);
  });

  test("a session is resumed, and counted", async () => {
    rig.apply(shape());
    const sessions: Uint8Array[] = [];
    const options: TlsClientOptions = {
      ...callerOf("shop.example"),
      sessions: { take: () => sessions.pop() ?? null, keep: (one) => void sessions.push(one) },
    };
    for (let index = 0; index < 3; index++) await ask(options);
    expect(rig.metric("outrigger_tls_handshakes_total", { version: "TLSv1.3" })).toBe(3);
    expect(rig.metric("outrigger_tls_resumptions_total")).toBe(2);
  });
});

describe("certificate files", () => {
  const renewed = testCertificate({
    commonName: "renewed",
    names: ["DNS:shop.example"],
    issuer: authority,
    notAfter: new Date("2030-01-01T00:00:00Z"),
  });
  const subjectOf = async (): Promise<string> => {
    const client = await ask({ ...callerOf("shop.example"), verify: "none" });
    return client.peer.socket!.tls!.peer()!.subject;
  };

  test("a changed file is in force soon, and open connections live on", async () => {
    rig.apply(shape());
    const open = await ask(callerOf("shop.example"));
    expect(rig.metric("outrigger_tls_certificate_not_after_seconds", { certificate: "shop" })).toBe(
      Date.parse("2049-01-01T00:00:00Z") / 1000,
    );
    put("shop", renewed);
    await rig.advance(500);
    expect(await subjectOf()).toBe("CN=renewed");
    expect(rig.metric("outrigger_tls_certificate_not_after_seconds", { certificate: "shop" })).toBe(
      Date.parse("2030-01-01T00:00:00Z") / 1000,
    );
    expect(rig.metric("outrigger_tls_reloads_total", { result: "loaded" })).toBe(1);
    expect(events("certificate-loaded")[0]).toContain("certificate shop (CN=renewed) is in force");
    const again = open.get("/");
    await rig.advance(1_000);
    expect(again.status).toBe(200);
  });

  test("a broken file is told with its reason, once, and the old certificate stays", async () => {
    rig.apply(shape());
    rig.world.files.write(`${FOLDER}/shop.pem`, "not a certificate");
    await rig.advance(30_000);
    expect(await subjectOf()).toBe("CN=shop");
    const [text, ...others] = events("certificate-refused");
    expect(others).toEqual([]);
    expect(text).toBe(
      'listener in: certificate shop: the certificate has no PEM block "BEGIN CERTIFICATE" ' +
        `(${FOLDER}/shop.pem with ${FOLDER}/shop.key, or ${FOLDER}/clients.pem); ` +
        "what was in force stays so",
    );
    expect(rig.metric("outrigger_tls_reloads_total", { result: "refused" })).toBe(1);
    rig.world.files.remove(`${FOLDER}/shop.pem`);
    await rig.advance(30_000);
    expect(events("certificate-refused").at(-1)).toContain(`cannot read ${FOLDER}/shop.pem`);
    put("shop", renewed);
    await rig.advance(30_000);
    expect(await subjectOf()).toBe("CN=renewed");
  });

  test("certificate and key that are written one after the other are no fault", async () => {
    rig.apply(shape());
    rig.world.files.write(`${FOLDER}/shop.pem`, renewed.certificate);
    await rig.advance(600);
    rig.world.files.write(`${FOLDER}/shop.key`, renewed.key);
    await rig.advance(2_000);
    expect(await subjectOf()).toBe("CN=renewed");
    expect(events("certificate-refused")).toEqual([]);
  });

  test("a new file of client CAs is in force for new handshakes", async () => {
    rig.apply(shape({ clientCertificate: "require" }));
    expect((await ask(callerOf("shop.example", caller))).calls[0]!.status).toBe(200);
    rig.world.files.write(`${FOLDER}/clients.pem`, testAuthority("Another CA").certificate);
    await rig.advance(500);
    const refused = rig.client(PROXY, callerOf("shop.example", caller));
    await rig.world.clock.until(() => refused.peer.closed, 60_000);
    expect((refused.peer.error as TlsError).reason).toBe("refused-by-peer");
  });

  test("an expiring certificate is told, once before and once after its end", async () => {
    const endMs = rig.world.clock.wallMs() + 86_400_000;
    put("shop", testCertificate({ commonName: "short", notAfter: new Date(endMs) }));
    rig.apply(shape());
    await rig.advance(3_600_000);
    expect(events("certificate-expires")).toHaveLength(1);
    await rig.advance(86_400_000);
    const texts = events("certificate-expires");
    expect(texts).toHaveLength(2);
    expect(texts[1]).toContain("certificate shop has expired at 2026-");
  });

  test("files that cannot be used refuse a Snapshot, which names them", async () => {
    const refusedFor = (change: () => void): string => {
      change();
      try {
        rig.apply(shape());
      } catch (error) {
        if (error instanceof Failure) return error.message;
      }
      throw new Error("it was not refused");
    };
    const { files } = rig.world;
    expect(refusedFor(() => files.write(`${FOLDER}/wild.key`, shop.key))).toContain(
      "certificate wild: the key is not that of the certificate (CN=wild) " +
        `(${FOLDER}/wild.pem with ${FOLDER}/wild.key`,
    );
    expect(refusedFor(() => files.remove(`${FOLDER}/shop.key`))).toContain(
      `the key of certificate shop: cannot read ${FOLDER}/shop.key: there is no such file`,
    );
    expect(rig.world.net.listeners).toBe(1);
    put("shop", shop);
    put("wild", wild);
    rig.apply(shape());
    expect(await subjectOf()).toBe("CN=shop");
  });

  test("a new Snapshot turns a listener to TLS and back; what it leaves alone is not read again", async () => {
    rig.apply({});
    const plain = rig.client();
    const first = plain.get("/");
    await rig.advance(100);
    rig.apply(shape());
    expect(await subjectOf()).toBe("CN=shop");
    const second = plain.get("/");
    await rig.advance(100);
    expect([first.status, second.status]).toEqual([200, 200]);
    const watchers = rig.world.files.watchers;
    rig.apply(shape({}, { version: "other" }));
    expect(rig.world.files.watchers).toBe(watchers);
    rig.apply({});
    expect(rig.world.files.watchers).toBe(0);
    expect((await rig.ask("/")).status).toBe(200);
  });
});
