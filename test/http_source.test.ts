/** What sends by HTTP: rsyslog's omelasticsearch, and curl over TLS. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  testAuthority,
  testCertificate,
  type TestCertificate,
} from "../src/base/contract/certificates.ts";
import { Place } from "./kit/outrigger.ts";
import { withPart } from "./kit/parts.ts";
import { untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft, stillRunning } from "./kit/processes.ts";

setDefaultTimeout(120_000);

const LINES = 2000;
const place = new Place();

afterAll(async () => {
  killLeft();
});

await withPart("rsyslog", (rsyslog) => {
  test("rsyslog's Elasticsearch output delivers every message by _bulk", async () => {
    const port = await freePort();
    place.write("secret", "s3cret\n");
    const listen = `listen: "http://127.0.0.1:${port}"`;
    const http = `{ ${listen}, tokenFile: secret, acknowledge: delivered, indexField: index }`;
    const file = place.write(
      "pipeline.yaml",
      [
        "apiVersion: outrigger.dev/v1alpha1",
        "kind: Pipeline",
        "metadata: { name: bulk }",
        `spec: { sources: { in: { http: ${http} } }, sinks: { out: { stdout: {} } } }`,
      ].join("\n"),
    );
    const pipeline = place.start("pipeline", file);
    await untilTrue("it listens", async () => {
      return (await fetch(`http://127.0.0.1:${port}/`)).status === 401;
    });
    const lines = Array.from({ length: LINES }, (_, i) => `line ${i} of the app\n`);
    place.write("in.log", lines.join(""));
    const config = place.write(
      "rsyslog.conf",
      [
        `global(workDirectory="${place.folder}" localHostname="web-1")`,
        'module(load="imfile" mode="inotify")',
        'module(load="omelasticsearch")',
        'template(name="json" type="list" option.jsonf="on") {',
        '  property(outname="message" name="msg" format="jsonf") }',
        `input(type="imfile" File="${place.path("in.log")}" Tag="app:")`,
        `action(type="omelasticsearch" server="127.0.0.1" serverport="${port}" template="json"`,
        '  searchIndex="logs" searchType="" bulkmode="on" uid="elastic" pwd="s3cret"',
        '  action.resumeRetryCount="-1" queue.type="LinkedList" queue.dequeueBatchSize="100")',
        "",
      ].join("\n"),
    );
    const pid = place.path("rsyslog.pid");
    const daemon = place.startProgram([rsyslog, "-n", "-f", config, "-i", pid]);
    const events = (): { message: string; index: string }[] =>
      pipeline
        .output()
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as { message: string; index: string });
    await untilTrue("every message", () => events().length >= LINES, 30_000).catch(() => {});
    daemon.kill("SIGTERM");
    const { stderr } = await daemon.ended;
    pipeline.kill("SIGTERM");
    expect((await pipeline.ended).status).toBe(0);
    const numbers = events().map(({ message }) => Number(/line (\d+) of/.exec(message)?.[1]));
    if (numbers.length !== LINES) console.log(stderr);
    expect(numbers.sort((a, b) => a - b)).toEqual(lines.map((_, i) => i));
    expect(events()[0]!.index).toBe("logs");
  });

});

await withPart("curl", (curl) => {
  test("curl by https: with a certificate that the source trusts, also after both were renewed", async () => {
    const port = await freePort();
    const [authority, senders] = [testAuthority("Log CA"), testAuthority("Senders")];
    const put = (name: string, { certificate, key }: TestCertificate): void => {
      place.write(`${name}.pem`, certificate);
      place.write(`${name}.key`, key);
    };
    const names = ["DNS:logs.example"];
    put("server", testCertificate({ commonName: "first", names, issuer: authority }));
    put("known", testCertificate({ commonName: "web-1", issuer: senders }));
    put("unknown", testCertificate({ commonName: "web-2", issuer: testAuthority("Nobody") }));
    place.write("ca.pem", authority.certificate);
    place.write("senders.pem", senders.certificate);
    const tls = "certificate: server.pem, key: server.key, ca: senders.pem";
    const file = place.write(
      "secure.yaml",
      [
        "apiVersion: outrigger.dev/v1alpha1",
        "kind: Pipeline",
        "metadata: { name: secure }",
        "spec:",
        `  sources: { in: { http: { listen: "https://127.0.0.1:${port}",`,
        `    tls: { ${tls}, clientCertificate: require }, acknowledge: delivered } } }`,
        "  sinks: { out: { stdout: {} } }",
      ].join("\n"),
    );
    const pipeline = place.start("pipeline", file, "--state", place.path("secure-state"));
    const post = async (message: string, own: string | null) => {
      const shown = own === null ? [] : ["--cert", `${own}.pem`, "--key", `${own}.key`];
      const answer = await place.startProgram([
        curl,
        "-sSv",
        ...["--cacert", "ca.pem", "--resolve", `logs.example:${port}:127.0.0.1`],
        ...shown,
        ...["-d", message, "-H", "content-type: text/plain", `https://logs.example:${port}/`],
      ]).ended;
      return { ...answer, subject: /subject: (.*)/.exec(answer.stderr)?.[1] ?? "" };
    };
    await untilTrue("it listens", async () => (await post("one", "known")).status === 0);
    for (const own of [null, "unknown"]) expect((await post("never", own)).status).not.toBe(0);
    put("server", testCertificate({ commonName: "second", names, issuer: authority }));
    await untilTrue("the new one", async () => {
      return (await post("two", "known")).subject.includes("second");
    });
    pipeline.kill("SIGTERM");
    expect((await pipeline.ended).status).toBe(0);
    const lines = pipeline.output().split("\n").filter((line) => line.startsWith("{"));
    const messages = new Set(lines.map((line) => (JSON.parse(line) as { message: string }).message));
    expect([...messages]).toEqual(["one", "two"]);
  });
});

test("nothing that these tests started is left", async () => {
  await place.end();
  expect(await stillRunning()).toEqual([]);
});
