import { resolve } from "node:path";
import type { Socket, SocketHandler, Timer, UdpSocket } from "../../base/world.ts";
import { parseSyslog } from "../../codec/syslog/parse_syslog.ts";
import { syslogFields } from "../../codec/syslog/message.ts";
import type { SyslogOptions } from "../../codec/syslog/message.ts";
import { timeZone } from "../../codec/time_zone.ts";
import { choice, duration, integer, object, size, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Source, SourceContext, SourceDefinition } from "../component.ts";
import { EventBatch } from "../event_batch.ts";
import { listenField, readListen } from "../listen/address.ts";
import type { ListenAddress } from "../listen/address.ts";
import { KeptOpen } from "../listen/kept_open.ts";
import type { Opened } from "../listen/kept_open.ts";
import { ListenerTls, checkTls, tlsField } from "../listen/tls.ts";
import { kernelDrops } from "../listen/udp_drops.ts";
import { SyslogConnection } from "../listen/syslog_connection.ts";
import type { MessageTaker } from "../listen/syslog_connection.ts";

const SCHEMES = ["udp", "tcp", "tls", "unix"] as const;

const config = object({
  listen: listenField(SCHEMES, "tcp://127.0.0.1:5514")
    .about(
      "`udp`, `tcp` or `tls` with an address, or `unix:` with a path. Without a host it is" +
        " 127.0.0.1: what others may send to has to be written out, as `udp://0.0.0.0:5514`.",
    )
    .example("tcp://127.0.0.1:5514"),
  format: choice(["auto", "rfc5424", "rfc3164", "none"])
    .about(
      "`auto` tells RFC 5424 by its version. `none` leaves the message as one text for a `parse`" +
        " step, and costs the least.",
    )
    .default("auto"),
  timeZone: text({
    expected: 'the name of a time zone such as "Europe/Berlin"',
    check: (name) => (timeZone(name) === null ? "no such zone is known" : null),
  })
    .about("Of times without a zone, as RFC 3164 writes them; UTC without it.")
    .example("Europe/Berlin")
    .optional(),
  framing: choice(["auto", "octet-counting", "newline"])
    .about("How a stream is cut into messages (RFC 6587); `auto` decides for each of them.")
    .default("auto"),
  tls: tlsField.about("For `tls:`; needed there.").optional(),
  mode: text({ pattern: /^0?[0-7]{3}$/, expected: 'permission bits such as "0660"' })
    .about("Of a unix socket's file.")
    .default("0600"),
  maxMessageBytes: size({ min: "480B", max: "1MiB" })
    .about("A longer message is cut. RFC 5424 asks receivers for 2048 bytes.")
    .default("64KiB"),
  maxConnections: integer({ min: 1, max: 50_000 })
    .about("Further ones are refused.")
    .default(1000),
  idleTimeout: duration({ min: "1s", max: "7d" })
    .about("A connection on which nothing came for so long is closed.")
    .default("1h"),
  receiveBuffer: size({ min: "64KiB", max: "256MiB" })
    .about("UDP: what the system may hold for us; it may give less.")
    .default("4MiB"),
}).checkOf(["listen", "tls"], checkTls("tls"));

type Config = Infer<typeof config>;

/** Datagrams wait for others, and for no longer than the current turn of the loop. */
const MAX_DATAGRAMS = 500;
const DROPS_POLL_MS = 10_000;

export const syslog: SourceDefinition<Config> = {
  name: "syslog",
  summary: "Receives syslog, RFC 5424 and RFC 3164, by UDP, TCP, TLS or a unix socket.",
  status: "beta",
  security:
    "Listens on the loopback address unless another is written out. Messages, connections and" +
    " their idle time are bounded. Syslog over UDP and TCP says nothing of who sends: use TLS with" +
    " `clientCertificate: require` on a network that others share.",
  config,
  examples: [
    {
      title: "RFC 5424 and RFC 3164 on one port, counted and by lines",
      config: { listen: "tcp://127.0.0.1:5514" },
      sent: [
        {
          by: "tcp",
          port: 5514,
          data:
            "<165>1 2003-10-11T22:14:15.003Z web-1 app 12 ID47 - started\n" +
            "46 <34>Oct 11 22:14:15 web-1 su: 'su root' failed",
        },
      ],
      messages: ["started", "'su root' failed"],
    },
    {
      title: "Datagrams, left as they came",
      config: { listen: "udp://127.0.0.1:5514", format: "none" },
      sent: [{ by: "udp", port: 5514, data: "<13>Oct 11 22:14:15 app: one\n" }],
      messages: ["<13>Oct 11 22:14:15 app: one"],
    },
  ],
  create: (settings, context) => new SyslogSource(settings, context),
};

/** Of no moment. */
const NO_OPTIONS: SyslogOptions = { format: "auto", nowMs: NaN };

class SyslogSource implements Source, MessageTaker {
  #config: Config;
  #zone: Pick<SyslogOptions, "toUtcMs">;
  /** For the frames of all connections: events are made of fields, and keep no bytes. */
  readonly #joined = { bytes: NO_BYTES };
  /** Of the messages of this moment. */
  #options: SyslogOptions = NO_OPTIONS;
  #tls: ListenerTls | null = null;
  readonly #context: SourceContext;
  readonly #where: ListenAddress<(typeof SCHEMES)[number]>;
  readonly #keptOpen: KeptOpen;
  readonly #connections = new Set<SyslogConnection>();
  /** Sockets can be read once: each run is a stream of its own, each connection a part of it. */
  readonly #run: string;
  #opened = 0;
  /** Datagrams of this turn. */
  #batch: EventBatch | null = null;
  #offset = 0;
  #turn: Timer | null = null;
  #stopped = false;

  constructor(settings: Config, context: SourceContext) {
    const { world, instance, name, report } = context;
    this.#config = settings;
    this.#zone = zoneOf(settings);
    this.#context = context;
    this.#where = readListen(settings.listen, SCHEMES);
    this.#run = `${instance}.${name}.${world.clock.wallMs().toString(36)}`;
    const open = (): Opened | Promise<Opened> =>
      this.#where.scheme === "udp" ? this.#openUdp() : this.#openStream();
    this.#keptOpen = new KeptOpen(world, this.#where.written, open, report);
  }

  start(): void {
    this.#keptOpen.start();
  }

  resume(): void {
    for (const connection of [...this.#connections]) {
      if (!this.isReady) return;
      // Last in the row from now on, so that none starves.
      this.#connections.delete(connection);
      this.#connections.add(connection);
      connection.resume();
    }
  }

  /** Framing and bounds of connections that are open stay as they were. */
  reconfigure(config: unknown): (() => void) | null {
    const settings = config as Config;
    const { listen, mode, receiveBuffer } = this.#config;
    const isSame =
      settings.listen === listen &&
      settings.mode === mode &&
      settings.receiveBuffer === receiveBuffer;
    if (!isSame) return null;
    const takeTls = settings.tls === undefined ? null : this.#tls?.reconfigure(settings.tls);
    return () => {
      takeTls?.();
      this.#config = settings;
      this.#zone = zoneOf(settings);
      this.#options = NO_OPTIONS;
    };
  }

  stop(): void {
    if (this.#stopped) return;
    this.#flush();
    this.#stopped = true;
    this.#keptOpen.close();
    for (const connection of [...this.#connections]) connection.stop();
  }

  close(): void {
    this.stop();
  }

  /** Bytes that came and are held: of unfinished messages, and while sinks push back. */
  lagBytes(): number {
    let bytes = 0;
    for (const connection of this.#connections) bytes += connection.heldBytes;
    return bytes;
  }

  // -------------------------------------------------------------- what connections ask

  get isReady(): boolean {
    return !this.#stopped && this.#context.output.ready;
  }

  batch(stream: string, path: string, chunk: Buffer, offset: number): EventBatch {
    const { name, world } = this.#context;
    const bytes = this.#config.format === "none" ? this.#owned(chunk) : NO_BYTES;
    return new EventBatch(name, stream, path, bytes, offset, world.clock.wallMs(), () => {});
  }

  /** The format may have been another one when the connection came. */
  #owned(chunk: Buffer): Buffer {
    return chunk.buffer === this.#joined.bytes.buffer ? Buffer.from(chunk) : chunk;
  }

  add(batch: EventBatch, chunk: Buffer, start: number, end: number, peer: string): void {
    const { format } = this.#config;
    if (end <= start) return;
    if (format === "none") return batch.add(start, trimmed(chunk, start, end));
    const nowMs = batch.receivedMs;
    const written = chunk.toString("utf8", start, end);
    if (this.#options.nowMs !== nowMs) this.#options = { format, nowMs, ...this.#zone };
    const parsed = parseSyslog(written, this.#options);
    if (parsed === "empty") return;
    let fields: Record<string, unknown>;
    if (typeof parsed === "string") {
      this.#context.count(`unparsed_${parsed}`);
      fields = { message: written.replace(/[\r\n\0]+$/, ""), parse_error: parsed };
    } else fields = syslogFields(parsed);
    if (peer !== "") fields["peer"] = peer;
    batch.addFields(fields, end - start);
  }

  emit(batch: EventBatch): void {
    if (batch.count > 0) this.#context.output.emit(batch);
    if (!this.isReady) for (const connection of this.#connections) connection.pause();
  }

  lost(): void {
    this.#context.output.drop(1, "stopped");
  }

  counted(counter: string, n: number): void {
    this.#context.count(counter, n);
  }

  gone(connection: SyslogConnection, error: Error | null): void {
    this.#connections.delete(connection);
    this.#tls?.ended(error);
  }

  // -------------------------------------------------------------- streams

  #openStream(): Opened {
    const { world, folder, report, count } = this.#context;
    const { address } = this.#where;
    const { mode, tls: files } = this.#config;
    const tls = files === undefined ? null : new ListenerTls(world, files, folder, report, count);
    this.#tls = tls;
    const options = {
      address: "path" in address ? { path: resolve(folder, address.path) } : address,
      ...("path" in address ? { mode: Number.parseInt(mode, 8) } : {}),
      ...(tls === null ? {} : { tls: tls.options }),
    };
    if ("path" in options.address) this.#removeStale(options.address.path);
    const listener = world.net.listen(options, (socket) => this.#accept(socket));
    tls?.watch(listener);
    return {
      close: () => {
        tls?.close();
        listener.stop();
      },
    };
  }

  /** A socket's file outlives a killed process. Anything else stays, and listening fails. */
  #removeStale(path: string): void {
    const { files } = this.#context.world;
    if (files.stat(path)?.kind !== "other") return;
    files.remove(path);
  }

  #accept(socket: Socket): SocketHandler | null {
    const { maxConnections, maxMessageBytes, framing, idleTimeout } = this.#config;
    if (this.#stopped || this.#connections.size >= maxConnections) {
      this.#context.count("connections_refused");
      return null;
    }
    this.#opened += 1;
    const shared = this.#config.format === "none" ? {} : { shared: this.#joined };
    const connection = new SyslogConnection(this, this.#context.world.clock, {
      frames: { framing, maxMessageBytes, ...shared },
      idleTimeoutMs: idleTimeout,
      stream: `${this.#run}.${this.#opened}`,
      peer: socket.remoteAddress,
    });
    this.#connections.add(connection);
    this.#context.count("connections");
    return connection;
  }

  // -------------------------------------------------------------- datagrams

  async #openUdp(): Promise<Opened> {
    const { world } = this.#context;
    const { address } = this.#where;
    if ("path" in address) throw new Error("bug: UDP on a path");
    const { receiveBuffer: receiveBufferBytes } = this.#config;
    const options = { address, receiveBufferBytes };
    const socket = await world.net.udp(options, {
      onMessage: (bytes, from, _port, truncated) => this.#datagram(bytes, from, truncated),
    });
    const look = this.#dropsOf(socket);
    const polling = world.clock.every(DROPS_POLL_MS, look);
    return {
      close: () => {
        polling.cancel();
        look();
        socket.close();
      },
    };
  }

  /** What the system lost because we did not read fast enough: counted, as nobody else tells. */
  #dropsOf(socket: UdpSocket): () => void {
    const { files } = this.#context.world;
    let before = kernelDrops(files, socket.port) ?? 0;
    return () => {
      const now = kernelDrops(files, socket.port);
      if (now === null || now <= before) return;
      this.#context.output.drop(now - before, "receive-buffer-full");
      before = now;
    };
  }

  #datagram(bytes: Uint8Array, from: string, truncated: boolean): void {
    if (this.#stopped || bytes.length === 0) return;
    if (!this.isReady) {
      // Nobody can be held back here.
      this.#context.output.drop(1, "no-room");
      return;
    }
    if (truncated || bytes.length > this.#config.maxMessageBytes) this.counted("long_messages", 1);
    const end = Math.min(bytes.length, this.#config.maxMessageBytes);
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#config.format === "none") {
      const batch = this.batch(`${this.#run}.udp`, from, chunk, this.#offset);
      this.#offset += chunk.length;
      this.add(batch, chunk, 0, end, from);
      return this.emit(batch);
    }
    this.#batch ??= this.batch(`${this.#run}.udp`, "", chunk, this.#offset);
    this.add(this.#batch, chunk, 0, end, from);
    if (this.#batch.count >= MAX_DATAGRAMS) return this.#flush();
    this.#turn ??= this.#context.world.clock.after(0, () => this.#flush());
  }

  #flush(): void {
    this.#turn?.cancel();
    this.#turn = null;
    const batch = this.#batch;
    this.#batch = null;
    if (batch === null) return;
    this.#offset += batch.fieldBytes;
    this.emit(batch);
  }
}

const NO_BYTES = Buffer.alloc(0);

function zoneOf({ timeZone: name }: Config): Pick<SyslogOptions, "toUtcMs"> {
  return name === undefined ? {} : { toUtcMs: timeZone(name)!.toUtcMs };
}

/** Line ends and NUL behind a message. */
function trimmed(chunk: Buffer, start: number, end: number): number {
  let at = end;
  for (; at > start; at--) {
    const code = chunk[at - 1]!;
    if (code !== 10 && code !== 13 && code !== 0) break;
  }
  return at;
}

