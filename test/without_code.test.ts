/** What an app has of TLS, retry, metrics and log shipping where its own code has none of it. */
import { afterAll, afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  testAuthority,
  testCertificate,
  type TestCertificate,
} from "../src/base/contract/certificates.ts";
import { parsePrometheusText, sumOfSamples } from "../src/codec/prometheus_text.ts";
import { scrape } from "./kit/admin.ts";
import { tinyApp } from "./kit/apps.ts";
import { BulkSink } from "./kit/bulk_sink.ts";
import { Place, ROOT } from "./kit/outrigger.ts";
import { untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft } from "./kit/processes.ts";

setDefaultTimeout(60_000);

const authority = testAuthority("Shop CA");
const issued = (commonName: string, ...names: string[]): TestCertificate =>
  testCertificate({ commonName, names, issuer: authority });
const bank = issued("bank", "DNS:bank.example");
const shop = issued("shop", "DNS:shop.example");
const front = issued("front", "DNS:front.example");

let place: Place;
let sink: BulkSink;

beforeEach(() => {
  place = new Place();
  sink = new BulkSink();
  place.write("ca.pem", authority.certificate);
  for (const [name, one] of Object.entries({ shop, front })) {
    place.write(`${name}.pem`, one.certificate);
    place.write(`${name}.key`, one.key);
  }
});

afterEach(async () => {
  await place.end();
  await sink.stop();
});

afterAll(killLeft);

/** Speaks TLS with who shows a certificate of the authority, and fails every other time. */
function startBank() {
  let requests = 0;
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: {
      ...{ cert: bank.certificate, key: bank.key, ca: authority.certificate },
      ...{ requestCert: true, rejectUnauthorized: true },
    },
    fetch: () => new Response("paid\n", { status: requests++ % 2 === 0 ? 503 : 200 }),
  });
}

const QUESTION = { tls: { ca: authority.certificate, serverName: "shop.example" } };

test("S1-17 TLS to callers and callees, retry, metrics and shipped logs, with none of it in the app", async () => {
  const callee = startBank();
  try {
    const [port, own] = [await freePort(), await freePort()];
    const log = place.write("app.log", "");
    const more = [
      "tls: { certificates: [{ certificate: shop.pem, key: shop.key }] }",
      "calls:",
      "  bank:",
      `    endpoints: ["127.0.0.1:${callee.port}"]`,
      "    tls: { serverName: bank.example, ca: ca.pem, certificate: front.pem, key: front.key }",
      "    retry: { attempts: 2 }",
      "logs: [{ file: app.log, parse: json, to: [elasticsearch] }]",
    ];
    const mesh = [
      "---",
      "apiVersion: outrigger.dev/v1alpha1",
      "kind: Mesh",
      "metadata: { name: test }",
      `spec: { sinks: { elasticsearch: { url: "${sink.url}", index: lines } } }`,
    ];
    const app = tinyApp({ name: "one", port, own, calls: "bank", more });
    await place.up(place.write("one.yaml", `${app}${mesh.join("\n")}\n`));
    for (let round = 0; round < 4; round++) {
      const answer = await fetch(`https://127.0.0.1:${port}/call/pay`, QUESTION);
      expect([answer.status, await answer.text()]).toEqual([200, "paid\n"]);
    }
    appendFileSync(log, '{"message":"sold","n":1}\n');
    await untilTrue("the line is shipped", () => sink.documents.length === 1);
    expect(sink.documents[0]).toMatchObject({ message: "sold", n: 1, app: "one" });
    const exposition = parsePrometheusText(await scrape(place, "test/one"));
    const metric = (name: string, labels: Record<string, string> = {}): number =>
      sumOfSamples(exposition, name, labels);
    const inbound = { direction: "inbound", code: "200" };
    expect(metric("outrigger_requests_total", inbound)).toBe(4);
    expect(metric("outrigger_upstream_retries_total", { cluster: "bank" })).toBe(4);
    expect(metric("outrigger_upstream_tls_handshakes_total", { cluster: "bank" })).toBeGreaterThan(0);
    expect(metric("outrigger_tls_handshakes_total")).toBeGreaterThan(0);
    // Its listener with TLS is handed on as others are.
    const { admin } = await place.process("test/one/sidecar");
    const upgraded = await fetch("http://admin/upgrade", { method: "POST", unix: admin!.socket });
    expect(upgraded.status).toBe(200);
    const again = await fetch(`https://127.0.0.1:${port}/call/pay`, QUESTION);
    expect(again.status).toBe(200);
    // The app's whole code.
    const code = readFileSync(join(ROOT, "test", "kit", "tiny_app.cjs"), "utf8");
    expect(code.match(/https|tls|retry|metric|appendFile/i)).toBeNull();
  } finally {
    await callee.stop(true);
  }
});
