import { resolve } from "node:path";
import type { Event } from "../../api/event.ts";
import type { SocketAddress, UdpSocket, World } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";
import { FACILITIES } from "../../codec/syslog/message.ts";
import type { SyslogData } from "../../codec/syslog/message.ts";
import {
  frameSyslog,
  severityOf,
  writeRfc3164,
  writeRfc5424,
} from "../../codec/syslog/write_syslog.ts";
import { resolveHost } from "../../http/post.ts";
import { choice, duration, object, size, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { SinkContext, SinkDefinition } from "../component.ts";
import { eventTime } from "../elastic_index.ts";
import { eventJson } from "../event_json.ts";
import { pieceEnd } from "../event_batch.ts";
import type { Send, Sent } from "../sender.ts";
import { Sender, senderFields } from "../sender.ts";
import { SyslogStream } from "../syslog_stream.ts";
import { readTargetTls, targetTlsField } from "../target_tls.ts";

const { batch, timeout, backoff, giveUpAfter } = senderFields;

const config = object({
  address: text({ check: addressProblem, expected: 'where to send, such as "tcp://logs:514"' })
    .about("`udp`, `tcp` or `tls` with host and port, or `unix:` with the path of a stream socket.")
    .example("tcp://127.0.0.1:514"),
  format: choice(["rfc5424", "rfc3164"]).default("rfc5424"),
  framing: choice(["octet-counting", "newline"])
    .about("How messages are told apart in a stream (RFC 6587). A newline in one becomes `#012`.")
    .default("octet-counting"),
  facility: choice(FACILITIES)
    .about("Of events that have no field `facility`.")
    .default("user"),
  message: choice(["message", "json"])
    .about("The field `message`, or the whole event as JSON.")
    .default("message"),
  app: text({ maxLength: 48 }).about("Of events that have no field `app`.").optional(),
  host: text({ maxLength: 255 })
    .about("Of events that have no field `host`; this machine's name if not given.")
    .optional(),
  maxMessageBytes: size({ min: "480B", max: "1MiB" })
    .about("A longer message is cut. RFC 5424 asks receivers for 2048 bytes.")
    .default("8KiB"),
  tls: targetTlsField
    .about("For `tls:`. Without `ca` the system's roots are trusted. Read at the start.")
    .default({}),
  settleAfter: duration({ min: "0ms", max: "10s" })
    .about(
      "Receivers answer nothing. An event counts as delivered when the connection still stands so" +
        " long after it was written; what a broken one leaves open is sent again.",
    )
    .default("200ms"),
  batch,
  timeout: timeout.about("A receiver that takes nothing for so long is given up for a new try."),
  backoff,
  giveUpAfter,
});

type Config = Infer<typeof config>;

export const syslog: SinkDefinition<Config> = {
  name: "syslog",
  summary: "Sends events as syslog, RFC 5424 or RFC 3164, by UDP, TCP, TLS or a unix socket.",
  status: "beta",
  security:
    "What a header cannot hold is written as `_`, so that no event can pass for another's host or" +
    " app, and a newline begins no message of its own. UDP and TCP show every event to whoever" +
    " listens on the way: use `tls:` beyond the own machine. By UDP an event counts as delivered" +
    " when the system took it.",
  isRemote: true,
  config,
  examples: [
    {
      title: "RFC 5424 by TCP, each message behind its length",
      config: { address: "tcp://127.0.0.1:5514", app: "shop", host: "web-1" },
      lines: ["one", "two"],
      sent: [
        {
          by: "tcp",
          port: 5514,
          data:
            "51 <14>1 2026-01-01T00:00:00.000Z web-1 shop - - - one" +
            "51 <14>1 2026-01-01T00:00:00.000Z web-1 shop - - - two",
        },
      ],
    },
    {
      title: "RFC 3164 by UDP",
      config: { address: "udp://127.0.0.1:5514", format: "rfc3164", app: "shop" },
      lines: ["one"],
      sent: [{ by: "udp", port: 5514, data: "<14>Jan  1 00:00:00 localhost shop: one" }],
    },
  ],
  create: (settings, context) => {
    const { address } = settings;
    const target = targetOf(settings, context);
    // Requests of one connection are written in their order: many may be under way.
    const bounds = { ...settings, maxInFlight: 64, itemAttempts: 1000 };
    return new ClosingSender(bounds, context, address, target.send, () => target.close());
  },
};

/** It takes its connection along. */
class ClosingSender extends Sender {
  #closeTarget: () => void;

  constructor(
    settings: ConstructorParameters<typeof Sender>[0],
    context: SinkContext,
    whom: string,
    send: Send,
    closeTarget: () => void,
  ) {
    super(settings, context, whom, send);
    this.#closeTarget = closeTarget;
  }

  override close(): void {
    super.close();
    this.#closeTarget();
  }
}

interface Target {
  readonly send: Send;
  close(): void;
}

const ADDRESS = /^(udp|tcp|tls):\/\/(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]@]+)):(\d{1,5})$/;
const UNIX = /^unix:(?:(?:\/\/)?(\/.+)|([^/].*))$/;
/** A path has to fit into `sockaddr_un`. */
const MAX_PATH_BYTES = 107;

/** From where one sends to that host. */
function localHost(to: string): string {
  if (to.includes(":")) return to === "::1" ? "::1" : "::";
  return to.startsWith("127.") ? "127.0.0.1" : "0.0.0.0";
}

function addressProblem(written: string): string | null {
  if (/^unix(gram|-dgram|-datagram):/.test(written)) {
    return (
      "datagram sockets of unix cannot be written to from here: use udp://127.0.0.1:514, which" +
      " rsyslog (imudp) and syslog-ng (network) receive, or a unix stream socket"
    );
  }
  if (/^unix:(\/\/)?\/dev\/log$/.test(written)) {
    return (
      "/dev/log is a datagram socket, which cannot be written to from here: use" +
      " udp://127.0.0.1:514, which rsyslog (imudp) and syslog-ng (network) receive"
    );
  }
  const unix = UNIX.exec(written);
  if (unix !== null) {
    const fits = Buffer.byteLength(unix[1] ?? unix[2]!) <= MAX_PATH_BYTES;
    return fits ? null : "the path of a socket is 107 bytes at most";
  }
  const match = ADDRESS.exec(written);
  if (match === null) return "udp:, tcp: or tls: with host and port, or unix: with a path";
  const port = Number(match[4]);
  return port >= 1 && port <= 65_535 ? null : "a port is 1 to 65535";
}

function targetOf(settings: Config, context: SinkContext): Target {
  const { world, folder } = context;
  const unix = UNIX.exec(settings.address);
  const stream = (address: () => Promise<SocketAddress>, serverName: string | null): Target => {
    const tls =
      serverName === null
        ? null
        : {
            context: readTargetTls(settings.tls, context) ?? world.net.tlsContext({}),
            serverName,
          };
    const { settleAfter: settleMs, timeout: stallMs } = settings;
    const connection = new SyslogStream(world, { address, tls, settleMs, stallMs });
    const encode = encoder(settings, context);
    const { framing } = settings;
    return {
      send: (events) =>
        connection.send(Buffer.concat(events.map((one) => frameSyslog(encode(one), framing)))),
      close: () => connection.close(),
    };
  };
  if (unix !== null) {
    const path = resolve(folder, unix[1] ?? unix[2]!);
    return stream(() => Promise.resolve({ path }), null);
  }
  const [, scheme, six, name, digits] = ADDRESS.exec(settings.address)!;
  const hostname = six ?? name!;
  const port = Number(digits);
  if (scheme === "udp") return new UdpTarget(settings, context, hostname, port);
  const address = async () => ({ host: await resolveHost(world, hostname), port });
  return stream(address, scheme === "tls" ? hostname : null);
}

/** A name may get another address. */
const RESOLVE_MS = 30_000;

class UdpTarget implements Target {
  #world: World;
  #hostname: string;
  #port: number;
  #encode: (event: Event) => string;
  #socket: UdpSocket | null = null;
  #host = "";
  #resolvedMs = -Infinity;
  #closed = false;

  constructor(settings: Config, context: SinkContext, hostname: string, port: number) {
    this.#world = context.world;
    this.#hostname = hostname;
    this.#port = port;
    this.#encode = encoder(settings, context);
  }

  readonly send: Send = async (events): Promise<Sent> => {
    const socket = await this.#open();
    const to = { host: this.#host, port: this.#port };
    let sent = 0;
    for (; sent < events.length; sent += 1) {
      if (!socket.send(Buffer.from(this.#encode(events[sent]!)), to)) break;
    }
    if (sent === events.length) return { kind: "delivered" };
    const later = { retry: "the system took no more datagrams", busy: true } as const;
    return { kind: "each", outcomes: events.map((_, i) => (i < sent ? "delivered" : later)) };
  };

  close(): void {
    this.#closed = true;
    this.#socket?.close();
    this.#socket = null;
  }

  async #open(): Promise<UdpSocket> {
    const now = this.#world.clock.now();
    if (now - this.#resolvedMs >= RESOLVE_MS) {
      const host = await resolveHost(this.#world, this.#hostname);
      this.#resolvedMs = now;
      if (host.includes(":") !== this.#host.includes(":")) {
        this.#socket?.close();
        this.#socket = null;
      }
      this.#host = host;
    }
    // Nothing is expected to come back, so nobody else is invited to send.
    const address = { host: localHost(this.#host), port: 0 };
    this.#socket ??= await this.#world.net.udp({ address }, { onMessage: () => {} });
    if (this.#closed) this.#socket.close();
    return this.#socket;
  }
}

/** As the kernel has it; null where it does not say. */
function machineName({ files }: World): string | null {
  try {
    return files.readText("/proc/sys/kernel/hostname").trim() || null;
  } catch (error) {
    if (error instanceof FileError) return null;
    throw error;
  }
}

function encoder(settings: Config, { count, world }: SinkContext): (event: Event) => string {
  const { format, maxMessageBytes, message: what, facility } = settings;
  const write = format === "rfc5424" ? writeRfc5424 : writeRfc3164;
  const own = FACILITIES.indexOf(facility);
  const host = settings.host ?? machineName(world);
  return (event) => {
    const { fields } = event;
    const word = (name: string): string | null => {
      const value = fields?.[name];
      return typeof value === "string" || typeof value === "number" ? String(value) : null;
    };
    const named = FACILITIES.indexOf(word("facility") as never);
    const written = write({
      facility: named < 0 ? own : named,
      severity: severityOf(word("level") ?? "") ?? INFO,
      timeMs: timeOf(event),
      host: word("host") ?? host,
      app: word("app") ?? settings.app ?? null,
      processId: word("process_id"),
      messageId: word("message_id"),
      data: dataOf(fields?.["data"]),
      message: what === "json" ? eventJson(event) : messageOf(event),
    });
    const bytes = Buffer.byteLength(written);
    if (bytes <= maxMessageBytes) return written;
    count("cut_messages");
    const whole = Buffer.from(written);
    return whole.toString("utf8", 0, pieceEnd(whole, 0, whole.length, maxMessageBytes));
  };
}

const INFO = 6;

function timeOf(event: Event): number {
  const ms = Date.parse(eventTime(event));
  return Number.isNaN(ms) ? event.origin.receivedMs : ms;
}

function messageOf(event: Event): string {
  if (event.fields === null) return event.text();
  const { message } = event.fields;
  return typeof message === "string" ? message : eventJson(event);
}

/** As the syslog source has made it: elements, each with parameters. */
function dataOf(value: unknown): SyslogData | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const elements = Object.entries(value).filter(
    (one): one is [string, object] => typeof one[1] === "object" && one[1] !== null,
  );
  return Object.fromEntries(
    elements.map(([id, parameters]) => [
      id,
      Object.fromEntries(Object.entries(parameters).map(([name, one]) => [name, String(one)])),
    ]),
  );
}
