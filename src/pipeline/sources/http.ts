import { resolve } from "node:path";
import { gunzip } from "../../base/gzip.ts";
import type { Timer, TlsError } from "../../base/world.ts";
import { bulkAnswer, readBulkRequest } from "../../codec/bulk_request.ts";
import { HttpServer, jsonAnswer } from "../../http/server.ts";
import type { ServerAnswer, ServerRequest } from "../../http/server.ts";
import { choice, duration, integer, object, size, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Source, SourceContext, SourceDefinition } from "../component.ts";
import { EventBatch, addLines } from "../event_batch.ts";
import { listenField, readListen } from "../listen/address.ts";
import type { ListenAddress } from "../listen/address.ts";
import { HttpToken } from "../listen/http_token.ts";
import { KeptOpen } from "../listen/kept_open.ts";
import type { Opened } from "../listen/kept_open.ts";
import { ListenerTls, checkTls, tlsField } from "../listen/tls.ts";
import { elasticAnswer, elasticError, isElasticPath } from "../listen/elastic_api.ts";

const SCHEMES = ["http", "https", "unix"] as const;

const config = object({
  listen: listenField(SCHEMES, "http://127.0.0.1:8080")
    .about(
      "`http` or `https` with an address, or `unix:` with a path. Without a host it is 127.0.0.1: what others may send to has" +
        " to be written out, as `http://0.0.0.0:8080`.",
    )
    .example("http://127.0.0.1:8080"),
  tls: tlsField.about("For `https:`; needed there.").optional(),
  format: choice(["auto", "json", "ndjson", "lines"])
    .about(
      "`json` is an object or a list of objects, `ndjson` an object a line. `auto` goes by the" +
        " content type: application/json, application/x-ndjson; all else is lines. `_bulk` is" +
        " understood with each of them.",
    )
    .default("auto"),
  acknowledge: choice(["accepted", "delivered"])
    .about(
      "When the answer comes: once the pipeline holds the events (a kill may lose them, unless" +
        " their sinks have buffers on disk), or once each has found its end: delivered, dropped by" +
        " a rule or in the dead letters.",
    )
    .default("accepted"),
  deliveryTimeout: duration({ min: "100ms", max: "10m" })
    .about("With `acknowledge: delivered`: then the answer is 503, and senders send again.")
    .default("30s"),
  tokenFile: text()
    .about(
      "File with a secret. Senders show it as `Authorization: Bearer SECRET`, or as the API key or" +
        " password of an Elasticsearch client.",
    )
    .example("secrets/ingest")
    .optional(),
  indexField: text().about("Field for the index that a `_bulk` item names.").optional(),
  idField: text().about("Field for the id that a `_bulk` item names.").optional(),
  maxBodyBytes: size({ min: "1KiB", max: "256MiB" })
    .about("Bound of a body, and of what a compressed one unfolds to.")
    .default("10MiB"),
  maxItems: integer({ min: 1, max: 1_000_000 })
    .about("Events in one request.")
    .default(50_000),
  maxLineBytes: size({ min: "64B", max: "1MiB" })
    .about("A longer line goes on as several events.")
    .default("64KiB"),
  maxConnections: integer({ min: 1, max: 10_000 })
    .about("Further ones are refused.")
    .default(100),
  elasticsearchVersion: text({ pattern: /^\d+\.\d+\.\d+$/, expected: 'a version such as "8.17.0"' })
    .about("What Elasticsearch clients are told: some refuse servers older than themselves.")
    .default("8.17.0"),
}).checkOf(["listen", "tls"], checkTls("https"));

type Config = Infer<typeof config>;

const TIME = "2026-11-21T09:15:18Z";

export const http: SourceDefinition<Config> = {
  name: "http",
  summary: "Takes events by HTTP: JSON, lines, and the bulk API of Elasticsearch.",
  status: "beta",
  security:
    "Listens on the loopback address unless another is written out; then use https, with tokenFile" +
    " or `clientCertificate: require`. Requests that a web page sends (with an Origin) are refused." +
    " Bodies, unfolded ones too, events in one request and connections are bounded.",
  config,
  examples: [
    {
      title: "A list of JSON objects",
      config: { listen: "http://127.0.0.1:8080" },
      sent: [
        request("/", "application/json", `[{"time":"${TIME}","n":1},{"time":"${TIME}","n":2}]`),
      ],
      events: [
        { time: TIME, n: 1 },
        { time: TIME, n: 2 },
      ],
    },
    {
      title: "The bulk API, with the index kept",
      config: { listen: "http://127.0.0.1:8080", indexField: "index" },
      sent: [request("/_bulk", "application/x-ndjson", '{"create":{"_index":"logs"}}\n{"n":1}\n')],
      events: [{ n: 1, index: "logs" }],
    },
    {
      title: "Lines",
      config: { listen: "http://127.0.0.1:8080" },
      sent: [request("/", "text/plain", "one\ntwo\n")],
      messages: ["one", "two"],
    },
  ],
  create: (settings, context) => new HttpSource(settings, context),
};

function request(path: string, type: string, body: string) {
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  return { by: "tcp", port: 8080, data: `${head.join("\r\n")}\r\n\r\n${body}` } as const;
}

const NO_BYTES = Buffer.alloc(0);
const RETRY_SECONDS = "1";

/** What a request holds, read and not emitted. */
interface Content {
  readonly batch: EventBatch;
  /** Places in the stream that it takes. */
  readonly length: number;
}

function boundsOf({ maxConnections, maxBodyBytes }: Config) {
  return { maxConnections, maxBodyBytes };
}

class HttpSource implements Source {
  #config: Config;
  readonly #context: SourceContext;
  readonly #keptOpen: KeptOpen;
  #token: HttpToken | null;
  /** A request can be read once: each run is a stream of its own. */
  readonly #run: string;
  readonly #waiting = new Set<Timer>();
  readonly #address: ListenAddress<(typeof SCHEMES)[number]>["address"];
  #server: HttpServer | null = null;
  #tls: ListenerTls | null = null;
  #offset = 0;
  #stopped = false;

  constructor(settings: Config, context: SourceContext) {
    const { world, folder, instance, name, report } = context;
    this.#config = settings;
    this.#context = context;
    this.#run = `${instance}.${name}.${world.clock.wallMs().toString(36)}`;
    this.#token = this.#tokenOf(settings);
    const { address, written } = readListen(settings.listen, SCHEMES);
    this.#address = "path" in address ? { path: resolve(folder, address.path) } : address;
    this.#keptOpen = new KeptOpen(world, written, () => this.#open(), report);
  }

  start(): void {
    this.#keptOpen.start();
  }

  /** Senders were told to come again. */
  resume(): void {}

  reconfigure(config: unknown): (() => void) | null {
    const settings = config as Config;
    if (settings.listen !== this.#config.listen) return null;
    const takeTls = settings.tls === undefined ? null : this.#tls?.reconfigure(settings.tls);
    return () => {
      takeTls?.();
      const isOtherToken = settings.tokenFile !== this.#config.tokenFile;
      this.#config = settings;
      if (isOtherToken) this.#token = this.#tokenOf(settings);
      this.#server?.limit(boundsOf(settings));
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#keptOpen.close();
  }

  close(): void {
    this.stop();
    for (const timer of this.#waiting) timer.cancel();
    this.#waiting.clear();
    this.#server?.stop();
  }

  #open(): Opened {
    const { world, folder, report, count } = this.#context;
    const { tls: files } = this.#config;
    const tls = files === undefined ? null : new ListenerTls(world, files, folder, report, count);
    const server = new HttpServer(world, {
      address: this.#address,
      mode: 0o600,
      handle: (one) => this.#answer(one),
      ...(tls === null
        ? {}
        : { tls: tls.options, onTlsError: (error: TlsError) => tls.ended(error) }),
      ...boundsOf(this.#config),
    });
    server.start();
    tls?.watch(server);
    this.#server = server;
    this.#tls = tls;
    return {
      close: () => {
        tls?.close();
        server.stop();
      },
    };
  }

  #tokenOf({ tokenFile }: Config): HttpToken | null {
    const { world, folder, report } = this.#context;
    return tokenFile === undefined ? null : new HttpToken(world, resolve(folder, tokenFile), report);
  }

  #answer(one: ServerRequest): ServerAnswer | Promise<ServerAnswer> {
    const { headers, method, path } = one;
    if (headers.get("origin") !== undefined) return this.#refuse(403, "web pages may not send here");
    if (this.#token?.allows(headers.get("authorization")) === false) {
      const answer = this.#refuse(401, "the token is missing or wrong");
      return { ...answer, headers: { ...answer.headers, "www-authenticate": "Bearer" } };
    }
    if (method === "GET" || method === "HEAD") {
      return elasticAnswer(path, this.#config.elasticsearchVersion);
    }
    if (method !== "POST" && method !== "PUT") return this.#refuse(405, `${method} is not offered`);
    if (this.#stopped || !this.#context.output.ready) {
      this.#context.count("busy_answers");
      const answer = this.#stopped
        ? elasticError(503, "unavailable", "the pipeline stops")
        : elasticError(429, "es_rejected_execution_exception", "the pipeline has no room");
      return { ...answer, headers: { ...answer.headers, "retry-after": RETRY_SECONDS } };
    }
    const body = this.#unfold(one);
    if (!Buffer.isBuffer(body)) return body;
    return isElasticPath(path) ? this.#bulk(one, body) : this.#plain(one, body);
  }

  #unfold({ headers, body }: ServerRequest): Buffer | ServerAnswer {
    const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    if (encoding === "identity" || encoding === "") return bytes;
    if (encoding !== "gzip" && encoding !== "x-gzip") {
      return this.#refuse(415, `content-encoding ${encoding.slice(0, 64)}: only gzip is read`);
    }
    const { maxBodyBytes } = this.#config;
    const unfolded = gunzip(bytes, maxBodyBytes);
    if (unfolded === "not-gzip") return this.#refuse(400, "the body is not gzip");
    if (unfolded !== "too-large") return unfolded;
    return this.#refuse(413, `the body unfolds to more than ${maxBodyBytes} bytes`);
  }

  // -------------------------------------------------------------- JSON and lines

  #plain(one: ServerRequest, body: Buffer): ServerAnswer | Promise<ServerAnswer> {
    const format = this.#formatOf(one);
    const { promise, resolve: done } = Promise.withResolvers<void>();
    const content =
      format === "lines" ? this.#lines(body, done) : this.#objects(format, body, done);
    if (typeof content === "string") return this.#refuse(400, content);
    const { count } = content.batch;
    return this.#emit(content, promise, () => jsonAnswer(200, { accepted: count }));
  }

  #formatOf({ headers }: ServerRequest): "json" | "ndjson" | "lines" {
    const { format } = this.#config;
    if (format !== "auto") return format;
    const type = (headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
    if (type === "application/json") return "json";
    return /^application\/(x-)?(ndjson|jsonl?|json-?lines)$/.test(type) ? "ndjson" : "lines";
  }

  #lines(body: Buffer, done: () => void): Content | string {
    const { maxLineBytes, maxItems } = this.#config;
    // The last line counts without a newline too.
    const whole = body.length === 0 || body[body.length - 1] === 10;
    const chunk = whole ? body : Buffer.concat([body, Buffer.from("\n")]);
    const batch = this.#batch(chunk, done);
    const counts = { empty: 0, long: 0 };
    addLines(batch, 0, chunk.length, { maxLineBytes, longLines: "split" }, counts);
    if (counts.long > 0) this.#context.count("long_lines", counts.long);
    if (batch.count > maxItems) return `${batch.count} lines, at most ${maxItems} are taken`;
    return { batch, length: chunk.length };
  }

  /** All of it or nothing: a sender of half a list would not know what to send again. */
  #objects(format: "json" | "ndjson", body: Buffer, done: () => void): Content | string {
    const batch = this.#batch(NO_BYTES, done);
    const written = body.toString("utf8");
    const texts = format === "json" ? [written] : written.split("\n");
    for (const [i, one] of texts.entries()) {
      if (one.trim() === "") continue;
      const where = format === "json" ? "the body" : `line ${i + 1}`;
      let value: unknown;
      try {
        value = JSON.parse(one);
      } catch {
        return `${where} is not JSON`;
      }
      const items: unknown[] = format === "json" && Array.isArray(value) ? value : [value];
      // What one of many took of the text is not known: in equal parts.
      const sizeBytes = Math.ceil(one.length / Math.max(1, items.length));
      for (const [n, item] of items.entries()) {
        if (!isObject(item)) {
          const which = items.length > 1 ? `item ${n + 1} of ${where}` : where;
          return `${which} is not a JSON object`;
        }
        if (batch.count >= this.#config.maxItems) {
          return `at most ${this.#config.maxItems} events are taken in one request`;
        }
        batch.addFields(item, sizeBytes);
      }
    }
    return { batch, length: batch.fieldBytes };
  }

  // -------------------------------------------------------------- the bulk API

  #bulk(one: ServerRequest, body: Buffer): ServerAnswer | Promise<ServerAnswer> {
    const startedMs = this.#context.world.clock.now();
    const pathIndex = /^\/([^/]+)\/_bulk\/?$/.exec(one.path)?.[1] ?? "";
    const items = readBulkRequest(body, pathIndex, this.#config.maxItems);
    if (typeof items === "string") {
      this.#context.count("refused_400");
      return elasticError(400, "illegal_argument_exception", items);
    }
    const { indexField, idField } = this.#config;
    const { promise, resolve: done } = Promise.withResolvers<void>();
    const batch = this.#batch(NO_BYTES, done);
    for (const { document, index, id, sizeBytes } of items) {
      if (document === null) {
        this.#context.count("refused_items");
        continue;
      }
      if (indexField !== undefined && index !== "") document[indexField] = index;
      if (idField !== undefined && id !== null) document[idField] = id;
      batch.addFields(document, sizeBytes);
    }
    const first = this.#offset;
    return this.#emit({ batch, length: batch.fieldBytes }, promise, () => {
      const ids = (nth: number): string => `${this.#run}-${first.toString(36)}-${nth}`;
      const tookMs = Math.round(this.#context.world.clock.now() - startedMs);
      const brief = one.query.get("filter_path")?.includes("items.*.status") === true;
      const text = bulkAnswer(items, ids, tookMs, brief);
      return elasticAnswer("bulk", this.#config.elasticsearchVersion, text);
    });
  }

  // -------------------------------------------------------------- to the pipeline

  #batch(chunk: Buffer, done: () => void): EventBatch {
    const { name, world } = this.#context;
    return new EventBatch(name, this.#run, "", chunk, this.#offset, world.clock.wallMs(), done);
  }

  #emit(
    { batch, length }: Content,
    settled: Promise<void>,
    answer: () => ServerAnswer,
  ): ServerAnswer | Promise<ServerAnswer> {
    this.#offset += length;
    this.#context.count("requests");
    if (batch.count === 0) return answer();
    this.#context.output.emit(batch);
    if (this.#config.acknowledge === "accepted") return answer();
    const late = Promise.withResolvers<ServerAnswer>();
    const timer = this.#context.world.clock.after(this.#config.deliveryTimeout, () => {
      this.#waiting.delete(timer);
      this.#context.count("delivery_timeouts");
      const what = "not delivered in time: it may still be, and may come twice when sent again";
      late.resolve(elasticError(503, "timeout_exception", what));
    });
    this.#waiting.add(timer);
    const delivered = settled.then(() => {
      timer.cancel();
      this.#waiting.delete(timer);
      return answer();
    });
    return Promise.race([delivered, late.promise]);
  }

  #refuse(status: number, reason: string): ServerAnswer {
    this.#context.count(`refused_${status}`);
    return elasticError(status, "request_refused", reason);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
