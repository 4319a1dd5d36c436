/** TLS that ends in the sidecar and at the gateway, against OpenSSL and curl. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import {
  testAuthority,
  testCertificate,
  type TestCertificate,
} from "../src/base/contract/certificates.ts";
import { parsePrometheusText, sumOfSamples } from "../src/codec/prometheus_text.ts";
import type { ProxyEvent, ProxyStats } from "../src/api/stats.ts";
import { scrape } from "./kit/admin.ts";
import { Place } from "./kit/outrigger.ts";
import { partOf } from "./kit/parts.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft } from "./kit/processes.ts";
import { sayHello } from "./kit/raw_tls.ts";

setDefaultTimeout(60_000);

const authority = testAuthority("Shop CA");
const clients = testAuthority("Client CA");
const shop = testCertificate({
  commonName: "shop",
  names: ["DNS:shop.example"],
  issuer: authority,
});
const wild = testCertificate({
  commonName: "wild",
  names: ["DNS:*.api.example"],
  issuer: authority,
});
const caller = testCertificate({
  commonName: "caller",
  names: ["URI:spiffe://example/caller"],
  issuer: clients,
});
const stranger = testCertificate({ commonName: "stranger", issuer: testAuthority("Nobody") });

/** Answers with what it was asked, as it came: without TLS. */
const ECHO =
  "require('node:http').createServer((q, r) => r.end(JSON.stringify({ url: q.url, " +
  "encrypted: q.socket.encrypted === true, headers: q.headers })))" +
  ".listen(Number(process.env.PORT), '127.0.0.1')";

const [openssl, curl] = [await partOf("openssl"), await partOf("curl")];
const place = new Place();
let port: number;
let gatewayPort: number;

beforeAll(async () => {
  if (openssl === null || curl === null) return;
  [port, gatewayPort] = [await freePort(), await freePort()];
  put("shop", shop);
  put("wild", wild);
  put("caller", caller);
  put("stranger", stranger);
  place.write("ca.pem", authority.certificate);
  place.write("clients.pem", clients.certificate);
  const app = (name: string, lines: readonly string[]): Promise<string> => appFile(name, lines);
  const files = [
    await app("front", [
      `port: ${port}`,
      "tls:",
      "  certificates:",
      "    - { certificate: shop.pem, key: shop.key }",
      "    - { certificate: wild.pem, key: wild.key }",
      "  clientCertificate: request",
      "  clientCa: clients.pem",
      "  forwardClientCertificate: true",
      "  handshakeTimeout: 500ms",
    ]),
    await app("back", [`port: ${await freePort()}`, 'ingress: [{ host: "*" }]']),
    place.write(
      "mesh.yaml",
      [
        "apiVersion: outrigger.dev/v1alpha1",
        "kind: Mesh",
        "metadata: { name: test, namespace: test }",
        "spec:",
        "  gateway:",
        `    port: ${gatewayPort}`,
        "    tls:",
        "      certificates: [{ certificate: shop.pem, key: shop.key }]",
        "      minVersion: 1.3",
        "      clientCertificate: require",
        "      clientCa: clients.pem",
        "",
      ].join("\n"),
    ),
  ];
  await place.up(...files);
});

afterAll(async () => {
  await place.end();
  killLeft();
});

async function appFile(name: string, lines: readonly string[]): Promise<string> {
  const text = [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    `metadata: { name: ${name}, namespace: test }`,
    "spec:",
    `  run: { command: [node, -e, ${JSON.stringify(ECHO)}], port: ${await freePort()} }`,
    '  env: { PORT: "{{run.port}}" }',
    "  sidecar: { accessLog: json }",
    ...lines.map((line) => `  ${line}`),
    "",
  ];
  return place.write(`${name}.yaml`, text.join("\n"));
}

function put(name: string, { certificate, key }: TestCertificate): void {
  place.write(`${name}.pem`, certificate);
  writeFileSync(place.path(`${name}.key`), key, { mode: 0o600 });
}

interface Output {
  readonly status: number;
  readonly text: string;
}

async function run(command: readonly string[], input = ""): Promise<Output> {
  const child = Bun.spawn([...command], {
    cwd: place.folder,
    stdin: Buffer.from(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, error] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { status: await child.exited, text: `${out}${error}` };
}

const REQUEST = "GET /x HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";

/** A request by `openssl s_client`, which stays until the answer is whole. */
function client(...flags: string[]): Promise<Output> {
  const names = flags.some((flag) => flag.endsWith("servername"));
  const name = names ? [] : ["-servername", "shop.example"];
  const where = ["-connect", `127.0.0.1:${port}`, ...name, "-CAfile", "ca.pem"];
  return run([openssl!, "s_client", "-ign_eof", ...where, ...flags], REQUEST);
}

function ask(...flags: string[]): Promise<Output> {
  return askAt(port, ...flags);
}

function askAt(where: number, ...flags: string[]): Promise<Output> {
  const address = `shop.example:${where}:127.0.0.1`;
  const common = ["-sS", "--max-time", "20", "--cacert", "ca.pem", "--resolve", address];
  return run([curl!, ...common, ...flags, `https://shop.example:${where}/x`]);
}

async function metric(name: string, labels: Record<string, string> = {}): Promise<number> {
  return sumOfSamples(parsePrometheusText(await scrape(place, "test/front")), name, labels);
}

async function events(kind: ProxyEvent["kind"]): Promise<readonly string[]> {
  const { admin } = await place.process("test/front/sidecar");
  const answer = await fetch("http://sidecar/stats", { unix: admin!.socket });
  const stats = (await answer.json()) as ProxyStats;
  return stats.events.filter((event) => event.kind === kind).map(({ text }) => text);
}

describe.skipIf(openssl === null || curl === null)("TLS", () => {
  test("S2-2 https in, plaintext to the app on localhost", async () => {
    const { status, text } = await ask();
    expect(status).toBe(0);
    const told = JSON.parse(text) as { encrypted: boolean; headers: Record<string, string> };
    expect(told.encrypted).toBe(false);
    expect(told.headers).toMatchObject({ "x-forwarded-proto": "https", host: `shop.example:${port}` });
    expect(told.headers["x-forwarded-client-cert"]).toBeUndefined();
  });

  test("S1-17 the app has none of it: certificates, versions and client identity are the sidecar's", async () => {
    const { text } = await ask("--cert", "caller.pem", "--key", "caller.key");
    const told = JSON.parse(text) as { headers: Record<string, string> };
    expect(told.headers["x-forwarded-client-cert"]).toMatch(
      /^Hash=[0-9a-f]{64};Subject="CN=caller";URI=spiffe:\/\/example\/caller$/,
    );
    const log = await until("the access log has the caller's name", async () => {
      const { stdout } = await place.outrigger("logs");
      return stdout.includes('"downstream_peer_subject":"CN=caller"') ? stdout : null;
    });
    expect(log).toContain('"downstream_tls_version":"TLSv1.3"');
    expect((await ask("--cert", "stranger.pem", "--key", "stranger.key")).status).not.toBe(0);
    expect(await metric("outrigger_tls_handshake_failures_total", { reason: "untrusted-peer" })).toBe(1);
  });

  test("S2-2 TLS 1.2 and 1.3 are taken, older versions refused", async () => {
    for (const [flag, version] of [
      ["-tls1_2", "TLSv1.2"],
      ["-tls1_3", "TLSv1.3"],
    ] as const) {
      const { text } = await client(flag);
      expect(text).toContain(`New, ${version}, Cipher is`);
      expect(text).toContain("HTTP/1.1 200 OK");
      expect(text).toContain("Verify return code: 0 (ok)");
    }
    for (const flag of ["-tls1", "-tls1_1"]) {
      const { text } = await client(flag, "-cipher", "DEFAULT@SECLEVEL=0");
      expect(text).toContain("Cipher is (NONE)");
      expect(text).not.toContain("200 OK");
    }
    // 70 is protocol_version.
    const old = await sayHello(port, { ciphers: [0xc009, 0xc02b], version: 0x0302 });
    expect(old.alert).toBe(70);
    expect(await metric("outrigger_tls_handshake_failures_total", { reason: "no-common-version" })).toBe(3);
  });

  test("S2-2 a certificate is chosen by name: exact, wildcard, and the first for others", async () => {
    const subject = async (...flags: string[]): Promise<string> => {
      const { text } = await client(...flags);
      return /subject=CN ?= ?(\S+)/.exec(text)?.[1] ?? text;
    };
    expect(await subject("-servername", "shop.example")).toBe("shop");
    expect(await subject("-servername", "eu.api.example")).toBe("wild");
    expect(await subject("-servername", "elsewhere.example")).toBe("shop");
    expect(await subject("-noservername")).toBe("shop");
  });

  test("ALPN agrees on http/1.1; HTTP/2 alone is refused, as it is not there", async () => {
    expect((await client("-alpn", "h2,http/1.1")).text).toContain("ALPN protocol: http/1.1");
    const { text } = await client("-alpn", "h2");
    expect(text).toContain("no application protocol");
    expect(text).not.toContain("200 OK");
  });

  test("S2-2 sessions are resumed, under 1.2 and 1.3", async () => {
    for (const flag of ["-tls1_2", "-tls1_3"]) {
      const file = `session${flag}`;
      expect((await client(flag, "-sess_out", file)).text).toContain("New, TLSv1.");
      const { text } = await client(flag, "-sess_in", file);
      expect(text).toContain("Reused, TLSv1.");
      expect(text).toContain("200 OK");
    }
    expect(await metric("outrigger_tls_resumptions_total")).toBe(2);
  });

  test("S2-2 the gateway lets nobody in without a good client certificate, and no TLS 1.2", async () => {
    const good = await askAt(gatewayPort, "--cert", "caller.pem", "--key", "caller.key");
    expect(JSON.parse(good.text)).toMatchObject({
      encrypted: false,
      headers: { "x-forwarded-proto": "https", "x-forwarded-for": "127.0.0.1" },
    });
    expect((await askAt(gatewayPort)).text).toContain("certificate required");
    expect((await askAt(gatewayPort, "--cert", "stranger.pem", "--key", "stranger.key")).status).not.toBe(0);
    const old = ["--tls-max", "1.2", "--cert", "caller.pem", "--key", "caller.key"];
    expect((await askAt(gatewayPort, ...old)).text).toContain("protocol version");
  });

  test("plain HTTP on the TLS port is answered 400, in words", async () => {
    const { text } = await run([curl!, "-sS", "-i", `http://127.0.0.1:${port}/`]);
    expect(text).toStartWith("HTTP/1.1 400 Bad Request");
    expect(text).toContain("ask for https://");
    expect(await metric("outrigger_tls_handshake_failures_total", { reason: "not-tls" })).toBe(1);
    expect((await events("handshakes-failed")).some((one) => one.startsWith("not-tls"))).toBe(true);
  });

  test("a handshake that stands still is ended", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { data() {}, close: () => resolve() },
    });
    await promise;
    expect(await metric("outrigger_tls_handshake_failures_total", { reason: "timeout" })).toBe(1);
  });
});

describe.skipIf(openssl === null || curl === null)("what a TLS audit looks for", () => {
  test("S2-2 of all suites that OpenSSL has, only ECDHE with AEAD is taken", async () => {
    const all = "ALL:COMPLEMENTOFALL:eNULL:aNULL@SECLEVEL=0";
    const listed = await run([openssl!, "ciphers", "-tls1_2", all]);
    const suites = listed.text.trim().split(":").filter((one) => !one.startsWith("TLS_"));
    expect(suites.length).toBeGreaterThan(50);
    const taken: string[] = [];
    for (const suite of suites) {
      const { text } = await client("-tls1_2", "-cipher", `${suite}@SECLEVEL=0`);
      if (!text.includes("Cipher is (NONE)")) taken.push(suite);
    }
    expect(taken.sort()).toEqual([
      "ECDHE-ECDSA-AES128-GCM-SHA256",
      "ECDHE-ECDSA-AES256-GCM-SHA384",
      "ECDHE-ECDSA-CHACHA20-POLY1305",
    ]);
  });

  test("S2-2 NULL, anonymous, export, RC4, DES and 3DES suites are refused, and no compression", async () => {
    const broken = {
      "NULL-MD5, NULL-SHA, NULL-SHA256": [0x0001, 0x0002, 0x003b],
      "ECDHE with NULL": [0xc006, 0xc010],
      export: [0x0003, 0x0006, 0x0008, 0x0014],
      RC4: [0x0004, 0x0005, 0xc007, 0xc011],
      "DES and 3DES": [0x0009, 0x000a, 0xc008, 0xc012],
      anonymous: [0x0018, 0x001b, 0x0034, 0xc018, 0xc019],
      "RSA key exchange": [0x002f, 0x0035, 0x009c],
      CBC: [0xc009, 0xc00a, 0xc023, 0xc024],
    };
    for (const [what, ciphers] of Object.entries(broken)) {
      const { alert, cipher } = await sayHello(port, { ciphers });
      // 40 is handshake_failure.
      expect([what, alert, cipher]).toEqual([what, 40, null]);
    }
    const offered = await sayHello(port, { ciphers: [0xc02b], compressions: [1, 0] });
    expect([offered.cipher, offered.compression]).toEqual([0xc02b, 0]);
    expect((await client("-tls1_2")).text).toContain("Compression: NONE");
  });

  test("S2-2 a client can neither renegotiate nor be led to an older version", async () => {
    const where = ["-connect", `127.0.0.1:${port}`, "-servername", "shop.example"];
    const flags = ["-tls1_2", "-CAfile", "ca.pem", "-legacy_renegotiation"];
    const { text } = await run([openssl!, "s_client", ...where, ...flags], "R\n");
    expect(text).toContain("RENEGOTIATING");
    expect(text).toMatch(/no renegotiation|unexpected message|alert/i);
    const fallback = await client("-tls1_2", "-fallback_scsv");
    expect(fallback.text).toContain("inappropriate fallback");
  });
});

describe.skipIf(openssl === null || curl === null)("certificates that change", () => {
  test("S2-2 ten renewals under load: no request fails, no connection drops", async () => {
    let [isOver, asked] = [false, 0];
    const failed: string[] = [];
    const fresh = async (): Promise<void> => {
      while (!isOver) {
        const { status, text } = await ask();
        asked += 1;
        if (status !== 0 || !text.includes('"url":"/x"')) failed.push(text);
      }
    };
    const kept = async (): Promise<void> => {
      const tls = { ca: authority.certificate, serverName: "shop.example" };
      while (!isOver) {
        const answer = await fetch(`https://127.0.0.1:${port}/x`, { tls }).catch(String);
        asked += 1;
        if (typeof answer === "string") failed.push(answer);
        else if (answer.status !== 200) failed.push(`status ${answer.status}`);
        else await answer.text();
      }
    };
    const loads = [fresh(), fresh(), kept(), kept(), kept()];
    const before = await metric("outrigger_tls_reloads_total", { result: "loaded" });
    for (let count = 1; count <= 10; count += 1) {
      const names = ["DNS:shop.example", "IP:127.0.0.1"];
      put("shop", testCertificate({ commonName: `shop-${count}`, names, issuer: authority }));
      await untilTrue(`renewal ${count} is in force`, async () => {
        return (await metric("outrigger_tls_reloads_total", { result: "loaded" })) >= before + count;
      });
    }
    isOver = true;
    await Promise.all(loads);
    expect(failed).toEqual([]);
    expect(asked).toBeGreaterThan(20);
    expect((await client("-tls1_3")).text).toContain("shop-10");
    expect(await metric("outrigger_tls_reloads_total", { result: "refused" })).toBe(0);
  });

  test("S2-2 a broken new file is told with its reason, and the old certificate stays", async () => {
    const good = readFileSync(place.path("wild.pem"), "utf8");
    place.write("wild.pem", good.replace(/MII../, "AAAAA"));
    const text = await until("the file is refused", async () => {
      return (await events("certificate-refused")).at(-1) ?? null;
    });
    expect(text).toContain("certificate wild: the certificate is broken");
    expect(text).toContain(place.path("wild.pem"));
    expect((await client("-servername", "eu.api.example")).text).toContain("CN = wild");
    const expiry = await metric("outrigger_tls_certificate_not_after_seconds", { certificate: "wild" });
    expect(expiry).toBe(Date.parse("2049-01-01T00:00:00Z") / 1000);
    place.write("wild.pem", good);
  });

  test("a thousand handshakes, good and broken, leave nothing behind", async () => {
    const { pid } = await place.process("test/front/sidecar");
    const open = (): number => readdirSync(`/proc/${pid}/fd`).length;
    const tls = { ca: authority.certificate, serverName: "shop.example" };
    const handshake = (index: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const socket = {
        open: (one: { write(text: string): number; end(): void }) => {
          if (index % 4 === 0) one.write("this is no TLS, nor HTTP\n");
        },
        handshake: (one: { end(): void }) => one.end(),
        data() {},
        close: () => resolve(),
      };
      const plain = { hostname: "127.0.0.1", port, socket };
      Bun.connect(index % 4 === 0 ? plain : { ...plain, tls }).catch(() => resolve());
      return promise;
    };
    const rounds = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index += 10) {
        await Promise.all(Array.from({ length: 10 }, (_none, nth) => handshake(index + nth)));
      }
    };
    const active = (): Promise<number> => metric("outrigger_connections_active");
    // Of `fetch` in the tests before, which keeps its connections.
    const idle = await active();
    await rounds(200);
    await untilTrue("all have left", async () => (await active()) <= idle);
    const [before, handshakes] = [open(), await metric("outrigger_tls_handshakes_total")];
    await rounds(1_000);
    await untilTrue("all have left", async () => (await active()) <= idle);
    expect(await metric("outrigger_tls_handshakes_total")).toBe(handshakes + 750);
    // What asks for these figures has a connection itself.
    expect(open()).toBeLessThanOrEqual(before + 2);
  });
});
