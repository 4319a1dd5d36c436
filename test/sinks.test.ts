/** Sinks against what is on the other side for real: TLS servers, rsyslog, a disk, a scraper. */
import { afterAll, afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { testAuthority, testCertificate } from "../src/base/contract/certificates.ts";
import { parsePrometheusText } from "../src/codec/prometheus_text.ts";
import { Place } from "./kit/outrigger.ts";
import type { Started } from "./kit/outrigger.ts";
import { withPart } from "./kit/parts.ts";
import { untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft, stillRunning } from "./kit/processes.ts";

setDefaultTimeout(60_000);

const LINES = 3000;
const authority = testAuthority("Sink CA");
const server = testCertificate({
  commonName: "search",
  names: ["DNS:localhost", "IP:127.0.0.1"],
  issuer: authority,
});
const client = testCertificate({ commonName: "shipper", issuer: authority });

let place: Place;

beforeEach(() => {
  place = new Place();
  place.write("ca.pem", authority.certificate);
  place.write("other.pem", testAuthority("Other CA").certificate);
  place.write("client.pem", client.certificate);
  place.write("client.key", client.key);
});

afterEach(() => place.end());

afterAll(killLeft);

/** Follows in.log, which has LINES lines, into one sink. */
function start(sink: object, ...flags: readonly string[]): Started {
  writeFileSync(place.path("in.log"), ALL.map((line) => `${line}\n`).join(""));
  const file = place.write(
    "pipeline.yaml",
    JSON.stringify({
      ...{ apiVersion: "outrigger.dev/v1alpha1", kind: "Pipeline", metadata: { name: "out" } },
      spec: { sources: { app: { file: { include: ["in.log"] } } }, sinks: { out: sink } },
    }),
  );
  return place.start("pipeline", file, ...flags);
}

const ALL = Array.from({ length: LINES }, (_, n) => `line ${n} of the app`);
const sorted = (texts: readonly string[]): string[] => [...texts].sort();

describe("https", () => {
  /** Wants a certificate of its callers, and keeps what they send. */
  function listen(take: (path: string, body: string) => Response) {
    return Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls: {
        cert: server.certificate,
        key: server.key,
        ca: authority.certificate,
        requestCert: true,
        rejectUnauthorized: true,
      },
      fetch: async (request) => take(new URL(request.url).pathname, await request.text()),
    });
  }

  const tls = { ca: "ca.pem", certificate: "client.pem", key: "client.key" };

  test("http: batches reach a TLS server that asks who we are; another's server gets none", async () => {
    const got: string[] = [];
    const hook = listen((_, body) => {
      got.push(...(JSON.parse(body) as { message: string }[]).map(({ message }) => message));
      return new Response("");
    });
    try {
      const url = `https://localhost:${hook.port}/in`;
      const backoff = { base: "20ms", max: "50ms" };
      // A server that our roots did not sign is not spoken to, and nothing is given up for it.
      const wary = start({ http: { url, tls: { ...tls, ca: "other.pem" }, backoff } });
      await untilTrue("it is refused", () => wary.output().includes("tried again until it works"));
      wary.kill("SIGTERM");
      await wary.ended;
      expect(got).toEqual([]);
      start({ http: { url, tls, backoff } });
      await untilTrue("all of them", () => got.length >= LINES);
      expect(sorted(got)).toEqual(sorted(ALL));
    } finally {
      await hook.stop(true);
    }
  });

  test("elasticsearch: documents arrive over TLS, each once", async () => {
    const got: string[] = [];
    const search = listen((path, body) => {
      expect(path).toBe("/_bulk");
      const documents = body.split("\n").filter((_, i) => i % 2 === 1);
      got.push(...documents.map((one) => (JSON.parse(one) as { message: string }).message));
      const items = documents.map(() => ({ create: { status: 201 } }));
      return Response.json({ took: 1, errors: false, items });
    });
    try {
      const url = `https://127.0.0.1:${search.port}`;
      start({ elasticsearch: { url, index: "logs", tls, compress: "none" } });
      await untilTrue("all of them", () => got.length >= LINES);
      expect(sorted(got)).toEqual(sorted(ALL));
    } finally {
      await search.stop(true);
    }
  });
});

test("file: rotated, packed and bounded on a real disk; every line is there, in order", async () => {
  const rotate = { maxBytes: "16KiB", keep: 100, compress: "gzip" };
  start({ file: { path: "out/app.log", format: "text", rotate, fsync: "each" } });
  const text = (): string => {
    const names = readdirSync(place.path("out")).filter((name) => !name.endsWith(".part"));
    const plain = (name: string): string => name.replace(/\.gz$/, "");
    names.sort((one, other) => (plain(one) < plain(other) ? -1 : 1));
    // What has a time in its name is older.
    const order = [...names.filter((name) => name !== "app.log"), "app.log"];
    return order
      .map((name) => {
        const bytes = readFileSync(place.path(`out/${name}`));
        return (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
      })
      .join("");
  };
  await untilTrue("all of them", () => text() === ALL.map((line) => `${line}\n`).join(""));
  await untilTrue("the packs", () => {
    const names = readdirSync(place.path("out"));
    return names.length > 2 && names.every((name) => name === "app.log" || name.endsWith(".gz"));
  });
  expect(statSync(place.path("out/app.log")).mode & 0o777).toBe(0o600);
});

test("prometheus: scraped by HTTP from a pipeline that runs alone", async () => {
  const port = await freePort();
  const metrics = { lines_total: { kind: "counter" } };
  start({ prometheus: { metrics } }, "--metrics", `127.0.0.1:${port}`);
  await untilTrue("all of them", async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    const { families, problems } = parsePrometheusText(await answer.text());
    expect(problems).toEqual([]);
    const own = families.find(({ name }) => name === "lines_total");
    return own?.samples[0]?.value === LINES;
  });
});

test("syslog: by TLS with a client certificate, and by a unix socket, into another pipeline", async () => {
  place.write("server.pem", server.certificate);
  place.write("server.key", server.key);
  const port = await freePort();
  const own = { certificate: "server.pem", key: "server.key", ca: "ca.pem" };
  const file = place.write(
    "receiver.yaml",
    JSON.stringify({
      ...{ apiVersion: "outrigger.dev/v1alpha1", kind: "Pipeline", metadata: { name: "in" } },
      spec: {
        sources: {
          tls: {
            syslog: {
              listen: `tls://127.0.0.1:${port}`,
              tls: { ...own, clientCertificate: "require" },
            },
          },
          unix: { syslog: { listen: "unix:in.sock" } },
        },
        sinks: { out: { stdout: {} } },
      },
    }),
  );
  const receiver = place.start("pipeline", file, "--state", place.path("receiver"));
  const tls = { ca: "ca.pem", certificate: "client.pem", key: "client.key" };
  const addresses = [{ address: `tls://localhost:${port}`, tls }, { address: "unix:in.sock" }];
  for (const [i, address] of addresses.entries()) {
    const sending = start({ syslog: address }, "--state", place.path(`sender-${i}`));
    const lines = (): string[] => receiver.output().split("\n").filter((one) => one.startsWith("{"));
    await untilTrue(`all by ${address.address}`, () => lines().length >= LINES * (i + 1));
    const found = lines().slice(LINES * i);
    expect(found.map((one) => (JSON.parse(one) as { message: string }).message)).toEqual(ALL);
    sending.kill("SIGTERM");
    await sending.ended;
  }
});

await withPart("rsyslog", (rsyslog) => {
  test("syslog: rsyslog receives every message, in both formats and framings, once", async () => {
    for (const [format, framing] of [
      ["rfc5424", "octet-counting"],
      ["rfc3164", "newline"],
    ] as const) {
      const port = await freePort();
      const name = place.path(`${format}.log`);
      const config = place.write(
        "rsyslog.conf",
        [
          `global(workDirectory="${place.folder}")`,
          'module(load="imtcp")',
          'template(name="t" type="string" string="%syslogtag%%msg:::drop-last-lf%\\n")',
          `input(type="imtcp" address="127.0.0.1" port="${port}")`,
          `action(type="omfile" file="${name}" template="t")`,
          "",
        ].join("\n"),
      );
      const pid = place.path(`${format}.pid`);
      const daemon = place.startProgram([rsyslog, "-n", "-f", config, "-i", pid]);
      const syslog = { address: `tcp://127.0.0.1:${port}`, format, framing, app: "shop" };
      const running = start({ syslog }, "--state", place.path(format));
      const lines = (): string[] => {
        const text = readFileSync(name, "utf8");
        return text.split("\n").filter((line) => line.includes("of the app"));
      };
      await untilTrue(`all by ${format}`, () => lines().length >= LINES, 20_000);
      const found = lines().map((line) => /line \d+ of the app/.exec(line)?.[0] ?? line);
      expect(found).toEqual(ALL);
      for (const line of lines()) expect(line).toStartWith("shop");
      running.kill("SIGTERM");
      await running.ended;
      daemon.kill("SIGTERM");
      await daemon.ended;
    }
  });
});

test("nothing that these tests started is left", async () => {
  expect(await stillRunning()).toEqual([]);
});
