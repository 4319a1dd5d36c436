/** rsyslog, syslog-ng and logger send to the syslog source; every message is counted. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import * as fs from "node:fs";
import { testAuthority, testCertificate } from "../src/base/contract/certificates.ts";
import { Place } from "./kit/outrigger.ts";
import type { Started } from "./kit/outrigger.ts";
import { withPart } from "./kit/parts.ts";
import { untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft, stillRunning } from "./kit/processes.ts";

setDefaultTimeout(120_000);

const LINES = 5000;
const authority = testAuthority("Log CA");
const server = testCertificate({
  commonName: "logs",
  names: ["DNS:logs.example", "IP:127.0.0.1"],
  issuer: authority,
});
const sender = testCertificate({ commonName: "sender", names: ["DNS:sender"], issuer: authority });
const receivers: Receiver[] = [];

afterAll(async () => {
  for (const receiver of receivers.splice(0)) await receiver.place.end();
  killLeft();
});

interface Received {
  readonly via: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

interface Wanted {
  readonly by: "udp" | "tcp" | "tls" | "unix";
  readonly more?: string;
}

/** A pipeline with a source for each transport, whose events say by which one they came. */
class Receiver {
  readonly place = new Place();
  readonly ports = new Map<string, number>();
  /** Datagrams that the system threw away, as the books said last. */
  lost = 0;
  #pipeline: Started | null = null;

  constructor() {
    receivers.push(this);
    this.place.write("ca.pem", authority.certificate);
    this.place.write("server.pem", server.certificate);
    this.place.write("server.key", server.key);
    this.place.write("sender.pem", sender.certificate);
    this.place.write("sender.key", sender.key);
  }

  port(name: string): number {
    return this.ports.get(name)!;
  }

  get socket(): string {
    return this.place.path("in.sock");
  }

  async start(wanted: Readonly<Record<string, Wanted>>): Promise<void> {
    const sources: string[] = [];
    const steps: string[] = [];
    for (const [name, { by, more = "" }] of Object.entries(wanted)) {
      const port = await freePort();
      this.ports.set(name, port);
      const listen = by === "unix" ? "unix:in.sock" : `${by}://127.0.0.1:${port}`;
      const files = "certificate: server.pem, key: server.key, ca: ca.pem";
      const tls = by === "tls" ? `, tls: { ${files}, clientCertificate: require }` : "";
      sources.push(`    ${name}: { syslog: { listen: "${listen}"${tls}${more} } }`);
      steps.push(`    - { from: [${name}], enrich: { fields: { via: ${name} } } }`);
    }
    const file = this.place.write(
      "pipeline.yaml",
      [
        "apiVersion: outrigger.dev/v1alpha1",
        "kind: Pipeline",
        "metadata: { name: logs }",
        "spec:",
        "  sources:",
        ...sources,
        "  steps:",
        ...steps,
        "  sinks: { out: { stdout: {} } }",
      ].join("\n"),
    );
    this.#pipeline = this.place.start("pipeline", file, "--admin-socket", this.place.path("a.sock"));
    // All sources listen before it is asked: they are started in one go.
    await untilTrue("the pipeline runs", async () => (await this.metrics()) !== "");
  }

  async metrics(): Promise<string> {
    const answer = await fetch("http://pipeline/metrics", { unix: this.place.path("a.sock") });
    return answer.text();
  }

  received(): Received[] {
    const lines = this.#pipeline!.output().split("\n");
    return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Received);
  }

  /** Waits until so many came, ends the pipeline, and returns all that came by each. */
  async end(counts: Readonly<Record<string, number>>): Promise<ReadonlyMap<string, Received[]>> {
    const expected = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const came = async (): Promise<boolean> => {
      this.lost = lostOf(await this.metrics());
      const lines = this.#pipeline!.output().split("\n").filter((line) => line.startsWith("{"));
      return lines.length + this.lost >= expected;
    };
    // What is missing then is told by who asked.
    await untilTrue(`${expected} messages`, came, 40_000).catch(() => {});
    this.#pipeline!.kill("SIGTERM");
    const { stderr } = await this.#pipeline!.ended;
    expect(stderr).not.toContain("bug");
    return Map.groupBy(this.received(), ({ via }) => via);
  }
}

function lostOf(metrics: string): number {
  const dropped = /events_dropped_total\{[^}]*reason="receive-buffer-full"\} (\d+)/g;
  return [...metrics.matchAll(dropped)].reduce((sum, match) => sum + Number(match[1]), 0);
}

/** The numbers of the lines, each as often as it came. */
function numbersOf(received: readonly Received[] | undefined): number[] {
  return (received ?? []).map(({ message }) => Number(/(\d+) of the app/.exec(message)?.[1]));
}

const ALL = Array.from({ length: LINES }, (_, i) => i);
const sorted = (numbers: number[]): number[] => numbers.sort((a, b) => a - b);
const inputText = (count: number): string =>
  Array.from({ length: count }, (_, i) => `line ${i} of the app\n`).join("");

await withPart("rsyslog", (rsyslog) => {
  test("rsyslog: by TCP, counted and by lines, by TLS, in both formats; none lost, none doubled", async () => {
    const receiver = new Receiver();
    const { place } = receiver;
    await receiver.start({
      old: { by: "tcp" },
      iso: { by: "tcp" },
      new: { by: "tcp" },
      secure: { by: "tls" },
      datagrams: { by: "udp" },
    });
    place.write("in.log", inputText(LINES));
    const forward = (name: string, template: string, more: string): string =>
      `action(type="omfwd" target="127.0.0.1" port="${receiver.port(name)}" ${more}` +
      ` template="${template}" queue.type="LinkedList" action.resumeRetryCount="-1")`;
    const tls =
      'StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name"' +
      ' StreamDriverPermittedPeers="logs.example"';
    const config = place.write(
      "rsyslog.conf",
      [
        `global(workDirectory="${place.folder}" localHostname="web-1"`,
        ` DefaultNetstreamDriverCAFile="${place.path("ca.pem")}"`,
        ` DefaultNetstreamDriverCertFile="${place.path("sender.pem")}"`,
        ` DefaultNetstreamDriverKeyFile="${place.path("sender.key")}")`,
        'module(load="imfile" mode="inotify")',
        `input(type="imfile" File="${place.path("in.log")}" Tag="app:" Severity="warning"`,
        ' Facility="local3")',
        forward("old", "RSYSLOG_TraditionalForwardFormat", 'protocol="tcp"'),
        forward("iso", "RSYSLOG_ForwardFormat", 'protocol="tcp"'),
        forward("new", "RSYSLOG_SyslogProtocol23Format", 'protocol="tcp" TCP_Framing="octet-counted"'),
        forward("secure", "RSYSLOG_SyslogProtocol23Format", `protocol="tcp" ${tls}`),
        forward("datagrams", "RSYSLOG_ForwardFormat", 'protocol="udp"'),
        "",
      ].join("\n"),
    );
    const pid = place.path("rsyslog.pid");
    const daemon = place.startProgram([rsyslog, "-n", "-f", config, "-i", pid]);
    const each = { old: LINES, iso: LINES, new: LINES, secure: LINES, datagrams: LINES };
    const found = await receiver.end(each);
    daemon.kill("SIGTERM");
    const { stderr } = await daemon.ended;
    for (const name of ["old", "iso", "new", "secure"]) {
      const numbers = sorted(numbersOf(found.get(name)));
      if (numbers.length !== LINES) console.log(stderr);
      expect({ name, numbers }).toEqual({ name, numbers: ALL });
      const one = found.get(name)![0]!;
      expect(one).toMatchObject({ level: "warn", facility: "local3", host: "web-1", app: "app" });
      expect(Number.isNaN(Date.parse(String(one["time"])))).toBe(false);
    }
    const datagrams = numbersOf(found.get("datagrams"));
    expect(new Set(datagrams).size).toBe(datagrams.length);
    // What the system's buffer could not hold is lost by UDP itself, and it is counted.
    const lost = LINES - datagrams.length;
    expect(datagrams.length).toBeGreaterThan(0);
    expect(receiver.lost).toBe(lost);
  });
});

await withPart("syslog-ng", (syslogNg) => {
  test("syslog-ng: BSD and IETF by TCP, TLS and a unix socket; none lost, none doubled", async () => {
    const receiver = new Receiver();
    const { place } = receiver;
    await receiver.start({
      bsd: { by: "tcp" },
      ietf: { by: "tcp" },
      secure: { by: "tls" },
      local: { by: "unix" },
    });
    place.write("in.log", inputText(LINES));
    const tls =
      `tls(ca-file("${place.path("ca.pem")}") cert-file("${place.path("sender.pem")}")` +
      ` key-file("${place.path("sender.key")}") peer-verify(required-trusted))`;
    const address = (name: string): string => `"127.0.0.1" port(${receiver.port(name)})`;
    const config = place.write(
      "syslog-ng.conf",
      [
        "@version: 3.38",
        "options { keep-hostname(yes); stats-freq(0); log-fifo-size(100000); };",
        `source s { file("${place.path("in.log")}" flags(no-parse) program-override("app")`,
        '  host-override("web-1") default-facility(local3) default-severity(warning)); };',
        `destination bsd { network(${address("bsd")} transport("tcp")); };`,
        `destination ietf { syslog(${address("ietf")} transport("tcp")); };`,
        `destination secure { syslog(${address("secure")} transport("tls") ${tls}); };`,
        `destination local { unix-stream("${receiver.socket}"); };`,
        "log { source(s); destination(bsd); destination(ietf); destination(secure);",
        "  destination(local); flags(flow-control); };",
        "",
      ].join("\n"),
    );
    const files = ["-f", config, "-R", place.path("ng.persist"), "-p", place.path("ng.pid")];
    const modules = modulesOf(syslogNg);
    const daemon = place.startProgram([
      syslogNg,
      "-F",
      "--no-caps",
      ...files,
      "-c",
      place.path("ng.ctl"),
      ...(modules === null ? [] : ["--module-path", modules]),
    ]);
    const found = await receiver.end({ bsd: LINES, ietf: LINES, secure: LINES, local: LINES });
    daemon.kill("SIGTERM");
    const { stderr } = await daemon.ended;
    for (const name of ["bsd", "ietf", "secure", "local"]) {
      const numbers = sorted(numbersOf(found.get(name)));
      if (numbers.length !== LINES) console.log(stderr);
      expect({ name, numbers }).toEqual({ name, numbers: ALL });
      const one = found.get(name)![0]!;
      expect(one).toMatchObject({ level: "warn", facility: "local3", host: "web-1", app: "app" });
    }
  });
});

await withPart("logger", (logger) => {
  test("logger: UDP, TCP counted and by lines, a unix socket, in both formats", async () => {
    const receiver = new Receiver();
    const { place } = receiver;
    await receiver.start({ udp: { by: "udp" }, tcp: { by: "tcp" }, unix: { by: "unix" } });
    const count = 100;
    const file = place.write("in.txt", inputText(count));
    const run = async (...flags: string[]): Promise<void> => {
      const common = ["-t", "app", "-p", "local3.warning", "-f", file];
      const { status, stderr } = await place.startProgram([logger, ...flags, ...common]).ended;
      expect([status, stderr]).toEqual([0, ""]);
    };
    const to = (name: string): string[] => ["-n", "127.0.0.1", "-P", String(receiver.port(name))];
    await run(...to("udp"), "-d", "--rfc5424");
    await run(...to("udp"), "-d", "--rfc3164");
    await run(...to("tcp"), "-T", "--rfc5424");
    await run(...to("tcp"), "-T", "--rfc3164");
    await run(...to("tcp"), "-T", "--rfc5424", "--octet-count");
    await run("-u", receiver.socket, "--rfc5424");
    await run("-u", receiver.socket);
    const found = await receiver.end({ udp: 2 * count, tcp: 3 * count, unix: 2 * count });
    for (const [name, times] of [["udp", 2], ["tcp", 3], ["unix", 2]] as const) {
      const numbers = sorted(numbersOf(found.get(name)));
      const each = ALL.slice(0, count).flatMap((n) => Array.from({ length: times }, () => n));
      expect({ name, numbers }).toEqual({ name, numbers: each });
      for (const one of found.get(name)!) {
        expect(one).toMatchObject({ level: "warn", facility: "local3", app: "app" });
      }
    }
  });

  test("nothing that these tests started is left", async () => {
    for (const receiver of receivers.splice(0)) await receiver.place.end();
    expect(await stillRunning()).toEqual([]);
  });
});

/** An unpacked syslog-ng does not find its modules by itself. */
function modulesOf(script: string): string | null {
  const root = /^exec '(.*)\/usr\/sbin\/syslog-ng'/m.exec(fs.readFileSync(script, "utf8"))?.[1];
  if (root === undefined) return null;
  const folder = `${root}/usr/lib/syslog-ng`;
  const version = fs.readdirSync(folder).find((name) => /^\d/.test(name));
  return version === undefined ? null : `${folder}/${version}`;
}
