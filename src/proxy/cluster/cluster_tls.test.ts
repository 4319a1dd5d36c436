import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  testAuthority,
  testCertificate,
  type TestCertificate,
} from "../../base/contract/certificates.ts";
import type { TlsServerOptions } from "../../base/world.ts";
import { Rig } from "../../sim/rig.ts";
import { RETRY, type SnapshotShape, upstreamAt } from "../../sim/snapshots.ts";
import { reply, SimUpstream } from "../../sim/upstream.ts";

const FOLDER = "/home/app/certs";
const authority = testAuthority("Shop CA");
const clients = testAuthority("Client CA");
const names = ["DNS:api.example"];
const api = testCertificate({ commonName: "api", names, issuer: authority });
const other = testCertificate({ commonName: "x", names: ["DNS:x.example"], issuer: authority });
const foreign = testCertificate({ commonName: "api", names, issuer: clients });
const expired = testCertificate({
  ...{ commonName: "api", names, issuer: authority },
  notAfter: new Date("2025-06-01T00:00:00Z"),
});
const front = testCertificate({ commonName: "front", issuer: clients });
const next = testCertificate({ commonName: "front-2", issuer: clients });

let rig: Rig;

beforeEach(() => {
  rig = new Rig(null);
  const { files } = rig.world;
  files.makeFolder(FOLDER);
  files.write(`${FOLDER}/ca.pem`, authority.certificate);
  putClient(front);
});

afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

function putClient({ certificate, key }: TestCertificate): void {
  rig.world.files.write(`${FOLDER}/front.pem`, certificate);
  rig.world.files.write(`${FOLDER}/front.key`, key);
}

/** An upstream that speaks TLS by a certificate, and may want one of its caller. */
function secureUpstream(
  index: number,
  { certificate, key }: TestCertificate,
  more: Partial<TlsServerOptions> = {},
): SimUpstream {
  const { host, port } = upstreamAt(index);
  const world = rig.world.at(host);
  const context = world.net.tlsContext({ certificate, key, ca: clients.certificate });
  const tls = { contextFor: () => context, ...more };
  const answer = (request: { peer: { send(text: string): void } }): void =>
    request.peer.send(reply(200, `u${index}`));
  const upstream = new SimUpstream(world, host, port, answer, tls);
  rig.upstreams.push(upstream);
  return upstream;
}

const CLIENT = { certificate: `${FOLDER}/front.pem`, key: `${FOLDER}/front.key` };

function shape(more: SnapshotShape["cluster"] = {}, client: typeof CLIENT | null = null): SnapshotShape {
  const tls = { serverName: "api.example", minVersion: "1.2" as const };
  const tlsFiles = { ca: `${FOLDER}/ca.pem`, client };
  return { accessLog: "json", cluster: { tls, tlsFiles, ...more } };
}

/** Of the access log, which is written in lots. */
async function lastLine() {
  await rig.advance(2_000);
  return JSON.parse(rig.log.findLast((line) => line.includes("response_code"))!);
}

test("a call goes by TLS to a callee whose certificate is for its name, and is resumed", async () => {
  const upstream = secureUpstream(1, api);
  rig.apply(shape());
  expect(await rig.ask()).toEqual({ status: 200, body: "u1" });
  expect(rig.metric("outrigger_upstream_tls_handshakes_total", { cluster: "app" })).toBe(1);
  for (const peer of upstream.open) peer.close();
  await rig.advance(10);
  expect((await rig.ask()).status).toBe(200);
  expect(rig.metric("outrigger_upstream_tls_handshakes_total")).toBe(2);
  expect(rig.metric("outrigger_upstream_tls_resumptions_total")).toBe(1);
});

const REFUSALS: readonly (readonly [string, TestCertificate, RegExp])[] = [
  ["expired", expired, /untrusted-peer: .*CERT_HAS_EXPIRED/],
  ["signed by another", foreign, /untrusted-peer: .*(?:VERIFY|UNABLE|SELF_SIGNED)/],
  ["for another name", other, /untrusted-peer: .*ALTNAME_INVALID/],
];

for (const [what, certificate, reason] of REFUSALS) {
  test(`a certificate ${what} is not accepted: UF, tried elsewhere, told why`, async () => {
    secureUpstream(1, certificate);
    rig.apply(shape({ endpoints: [upstreamAt(1)] }));
    expect((await rig.ask()).status).toBe(503);
    const { response_flags, response_code_details } = await lastLine();
    expect([response_flags, response_code_details]).toEqual(["UF", "tls-failure"]);
    expect(rig.metric("outrigger_upstream_tls_failures_total", { reason: "untrusted-peer" })).toBe(1);
    const told = rig.log.find((line) => line.includes("handshakes-failed"))!;
    expect(JSON.parse(told).text).toMatch(reason);
    secureUpstream(2, api);
    const both = shape({ endpoints: [upstreamAt(1), upstreamAt(2)] });
    rig.apply({ ...both, version: "2", route: { retry: { ...RETRY, on: ["connect-failure"] } } });
    for (let round = 0; round < 4; round++) expect((await rig.ask()).body).toBe("u2");
  });
}

test("a callee that speaks no TLS is a failed connect as well", async () => {
  rig.upstream(1);
  rig.apply(shape());
  expect((await rig.ask()).status).toBe(503);
  expect((await lastLine()).response_flags).toBe("UF");
});

test("a client certificate is shown, read again when its files change, and missed where it lacks", async () => {
  const upstream = secureUpstream(1, api, { clientCertificate: "require" });
  rig.apply(shape());
  expect((await rig.ask()).status).toBe(503);
  expect((await lastLine()).response_flags).toBe("UF");
  rig.apply({ ...shape({}, CLIENT), version: "2" });
  expect((await rig.ask()).status).toBe(200);
  const shown = () => upstream.open.map(({ socket }) => socket!.tls!.peer()!.subject);
  expect(shown()).toEqual(["CN=front"]);
  putClient(next);
  await rig.advance(2_000);
  // What is open lives on.
  expect([await rig.ask(), shown()]).toEqual([{ status: 200, body: "u1" }, ["CN=front"]]);
  for (const peer of upstream.open) peer.close();
  await rig.advance(10);
  expect((await rig.ask()).status).toBe(200);
  expect(shown()).toEqual(["CN=front-2"]);
  expect(rig.log.filter((line) => line.includes("certificate-loaded")).length).toBe(1);
  rig.world.files.write(`${FOLDER}/front.key`, "nonsense");
  await rig.advance(30_000);
  expect(rig.log.filter((line) => line.includes("certificate-refused")).length).toBe(1);
  expect((await rig.ask()).status).toBe(200);
});

test("a Snapshot whose files cannot be used is refused, and one with other TLS leaves the pool", async () => {
  const upstream = secureUpstream(1, api);
  rig.apply(shape());
  expect((await rig.ask()).status).toBe(200);
  const missing = { certificate: `${FOLDER}/none.pem`, key: `${FOLDER}/none.key` };
  const refused = () => rig.apply({ ...shape({}, missing), version: "2" });
  expect(refused).toThrow(/TLS to cluster app: .*none\.pem/);
  expect((await rig.ask()).status).toBe(200);
  const wrong = { serverName: "x.example", minVersion: "1.2" as const };
  rig.apply({ ...shape({ tls: wrong }), version: "3" });
  await rig.advance(10);
  expect(upstream.open.length).toBe(0);
  expect((await rig.ask()).status).toBe(503);
});

test("health checks go by TLS too", async () => {
  const upstream = secureUpstream(1, api);
  const health = {
    ...{ path: "/healthz", host: "", intervalMs: 1_000, timeoutMs: 500 },
    ...{ statuses: [200], healthyAfter: 1, unhealthyAfter: 1 },
  };
  rig.apply(shape({ health }));
  await rig.advance(3_000);
  expect(upstream.requests.some(({ target }) => target === "/healthz")).toBe(true);
  expect(rig.log.filter((line) => line.includes("endpoint-unhealthy"))).toEqual([]);
  const { certificate, key } = expired;
  const context = rig.world.net.tlsContext({ certificate, key });
  upstream.setTls({ contextFor: () => context });
  for (const peer of upstream.open) peer.close();
  await rig.advance(3_000);
  expect(rig.log.some((line) => /endpoint-unhealthy.*CERT_HAS_EXPIRED/.test(line))).toBe(true);
  rig.apply({ ...shape({ health: { ...health, path: null } }), version: "2" });
  await rig.advance(3_000);
  expect(rig.log.filter((line) => line.includes("endpoint-unhealthy")).length).toBe(1);
});
