import type { Event } from "../../api/event.ts";
import type { Timer } from "../../base/world.ts";
import { Failure } from "../../base/failure.ts";
import type { BulkItem } from "../../codec/bulk.ts";
import { encodeBulkItem, parseBulkResponse } from "../../codec/bulk.ts";
import { duration, integer, map, object, size, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { HttpAnswer, HttpPost, Sink, SinkContext, SinkDefinition } from "../component.ts";
import type { IndexTemplate } from "../elastic_index.ts";
import { eventTime, indexTemplate, templateProblem } from "../elastic_index.ts";
import { eventJson } from "../event_json.ts";

const config = object({
  url: text({ pattern: /^http:\/\/[^\s?#@]+$/, expected: 'a URL such as "http://127.0.0.1:9200"' })
    .about("Where the server is; `/_bulk` is added. https:// is not possible yet.")
    .example("http://127.0.0.1:9200"),
  index: text({ check: templateProblem, expected: 'an index name such as "logs-{{app}}"' })
    .about("`{{field}}` in it is a field of the event, `{{day}}` its day as 2026.11.21.")
    .default("logs-{{app}}"),
  headers: map(text(), { max: 20 })
    .about("Sent with each request, for example `authorization`. Never shown in logs or metrics.")
    .default({}),
  batch: object({
    maxEvents: integer({ min: 1, max: 100_000 }).default(1000),
    maxBytes: size({ min: "1KiB", max: "100MiB" })
      .about("Of the lines as they were read.")
      .default("4MiB"),
    maxAge: duration({ min: "1ms", max: "10m" }).default("1s"),
  })
    .about("A request is sent when one of these is reached.")
    .default({}),
  maxInFlight: integer({ min: 1, max: 64 }).about("Requests at once.").default(2),
  timeout: duration({ min: "10ms", max: "10m" }).about("Of one request.").default("30s"),
  backoff: object({
    base: duration({ min: "1ms" }).default("200ms"),
    max: duration({ min: "1ms" }).default("30s"),
  })
    .about("Full jitter: the n-th wait is anywhere from 0 to base times 2^n, at most max.")
    .default({}),
  itemAttempts: integer({ min: 1, max: 1000 })
    .about("A document that alone is answered with 5xx goes to the dead letters after so many.")
    .default(20),
});

type Config = Infer<typeof config>;

export const elasticsearch: SinkDefinition<Config> = {
  name: "elasticsearch",
  summary: "Sends events to the bulk API of Elasticsearch or OpenSearch, each document once.",
  status: "beta",
  security:
    "Ids are made from the file and the place in it, so that a resend makes no second document." +
    " What the server refuses for good goes to the dead letters with its reason.",
  config,
  examples: [
    {
      title: "One request of two documents",
      config: { url: "http://127.0.0.1:9200", index: "logs-{{app}}" },
      lines: ["one", "two"],
      requests: [
        {
          url: "http://127.0.0.1:9200/_bulk",
          body:
            '{"create":{"_index":"logs-none","_id":"example-0"}}\n' +
            '{"@timestamp":"2026-01-01T00:00:00.000Z","message":"one"}\n' +
            '{"create":{"_index":"logs-none","_id":"example-4"}}\n' +
            '{"@timestamp":"2026-01-01T00:00:00.000Z","message":"two"}\n',
        },
      ],
    },
  ],
  create: (settings, context) => {
    const { post, name } = context;
    if (post !== null) return new Elasticsearch(settings, context, post);
    throw new Failure("missing-part", `the sink ${name} needs an HTTP client, and there is none`);
  },
};

interface Item {
  readonly event: Event;
  /** Answers of 5xx that this document alone got. */
  failures: number;
  /** Not sent before this moment of the monotonic clock. */
  notBeforeMs: number;
}

class Elasticsearch implements Sink {
  #config: Config;
  #context: SinkContext;
  #post: HttpPost;
  #url: string;
  #index: IndexTemplate;
  /** Documents to be sent again. All of them count against the queue's bound. */
  #again: Item[] = [];
  /** Halves of requests that were too large or malformed, each to be sent as it is. */
  #parts: Item[][] = [];
  #inFlight = 0;
  /** Requests in a row that failed as a whole. */
  #failures = 0;
  #pausedUntilMs = -Infinity;
  #timer: Timer | null = null;
  #timerAtMs = Infinity;
  #draining = false;
  #closed = false;
  #saidDown = false;

  constructor(settings: Config, context: SinkContext, post: HttpPost) {
    this.#config = settings;
    this.#context = context;
    this.#post = post;
    this.#url = `${settings.url.replace(/\/+$/, "")}/_bulk`;
    this.#index = indexTemplate(settings.index);
  }

  wake(): void {
    if (this.#closed) return;
    const now = this.#context.world.clock.now();
    if (now < this.#pausedUntilMs) return this.#wakeAt(this.#pausedUntilMs);
    while (this.#inFlight < this.#config.maxInFlight) {
      const items = this.#next(now);
      if (items === null) return;
      this.#send(items);
    }
  }

  drain(): void {
    this.#draining = true;
    this.wake();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  // -------------------------------------------------------------- what to send

  #next(now: number): Item[] | null {
    const part = this.#parts.shift();
    if (part !== undefined) return part;
    const due = this.#takeDue(now);
    const { queue } = this.#context;
    const { maxEvents, maxBytes, maxAge } = this.#config.batch;
    if (due !== null) {
      // New ones beside them show whether it is the server or the document that fails.
      const room = maxEvents - due.length;
      const events = room > 0 && queue.waiting > 0 ? queue.take(room, maxBytes) : [];
      return [...due, ...events.map(newItem)];
    }
    if (queue.waiting === 0) return null;
    const full = queue.waiting >= maxEvents || queue.waitingBytes >= maxBytes;
    // A thousandth of grace: a timer may come a hair before the age that it was set for.
    const age = queue.ageMs;
    if (!full && !this.#draining && age < maxAge - 0.001) {
      this.#wakeAt(now + maxAge - age);
      return null;
    }
    return queue.take(maxEvents, maxBytes).map(newItem);
  }

  #takeDue(now: number): Item[] | null {
    if (this.#again.length === 0) return null;
    const { maxEvents, maxBytes } = this.#config.batch;
    const due: Item[] = [];
    const later: Item[] = [];
    let bytes = 0;
    let nextMs = Infinity;
    for (const item of this.#again) {
      const fits = due.length < maxEvents && (bytes < maxBytes || due.length === 0);
      if (item.notBeforeMs <= now && fits) {
        due.push(item);
        bytes += item.event.sizeBytes;
      } else {
        later.push(item);
        nextMs = Math.min(nextMs, item.notBeforeMs);
      }
    }
    this.#again = later;
    if (later.length > 0) this.#wakeAt(Math.max(nextMs, now));
    return due.length === 0 ? null : due;
  }

  #wakeAt(atMs: number): void {
    if (this.#timer !== null && this.#timerAtMs <= atMs) return;
    this.#timer?.cancel();
    const { clock } = this.#context.world;
    this.#timerAtMs = atMs;
    this.#timer = clock.after(Math.max(0, atMs - clock.now()), () => {
      this.#timer = null;
      this.wake();
    });
  }

  // -------------------------------------------------------------- sending

  #send(items: Item[]): void {
    const { world, count } = this.#context;
    let body = "";
    for (const { event } of items) {
      body += encodeBulkItem({ index: this.#index(event), id: event.id }, documentOf(event));
    }
    this.#inFlight += 1;
    count("requests");
    let ended = false;
    const end = (run: () => void): void => {
      if (ended || this.#closed) return;
      ended = true;
      timeout.cancel();
      this.#inFlight -= 1;
      run();
      this.wake();
    };
    const { timeout: timeoutMs } = this.#config;
    const timeout = world.clock.after(timeoutMs, () => {
      end(() => this.#failed(items, `no answer within ${timeoutMs} ms`));
    });
    const headers = { ...this.#config.headers, "content-type": "application/x-ndjson" };
    const failed = (error: unknown): void => {
      end(() => this.#failed(items, error instanceof Error ? error.message : String(error)));
    };
    this.#post(this.#url, headers, Buffer.from(body)).then(
      (answer) => end(() => this.#answered(items, answer)),
      failed,
    );
  }

  #answered(items: Item[], answer: HttpAnswer): void {
    const { status, body } = answer;
    if (status === 413 || status === 400) return this.#divide(items, status, body);
    if (status !== 200) {
      // 401, 403 and 404 too: somebody has to put it right, and until then nothing may be lost.
      return this.#failed(items, `status ${status}: ${body.slice(0, 200)}`);
    }
    const results = parseBulkResponse(body, items.length);
    if (typeof results === "string") return this.#failed(items, results);
    this.#sort(items, results);
  }

  #sort(items: readonly Item[], results: readonly BulkItem[]): void {
    const { queue, count } = this.#context;
    const taken: Event[] = [];
    const again: Item[] = [];
    const refused: { item: Item; reason: string }[] = [];
    // Where all fail it is the server: no document is given up for that.
    const progress = results.some(({ status }) => !isTransient(status));
    for (const [i, item] of items.entries()) {
      const { status, reason } = results[i]!;
      if (status < 300) taken.push(item.event);
      else if (status === 409) {
        // It is there from an earlier try whose answer did not arrive.
        count("duplicates");
        taken.push(item.event);
      } else if (isTransient(status) && !this.#isGivenUp(item, status, progress)) again.push(item);
      else refused.push({ item, reason: reason ?? `status ${status}` });
    }
    if (again.length > 0) this.#later(again, progress);
    if (progress) this.#recovered();
    else this.#pause("every document was answered with 429 or 5xx");
    if (taken.length > 0) queue.delivered(taken);
    for (const { item, reason } of refused) queue.refused(item.event, reason);
  }

  #isGivenUp(item: Item, status: number, progress: boolean): boolean {
    if (status === 429 || !progress) return false;
    item.failures += 1;
    return item.failures >= this.#config.itemAttempts;
  }

  #later(items: readonly Item[], alone: boolean): void {
    const { world, count } = this.#context;
    count("item_retries", items.length);
    const now = world.clock.now();
    for (const item of items) {
      item.notBeforeMs = alone ? now + this.#jitter(item.failures) : 0;
      this.#again.push(item);
    }
  }

  /** One of them is too much for the server, or all together are: find out which. */
  #divide(items: Item[], status: number, body: string): void {
    const [only] = items;
    if (items.length === 1) {
      const reason = `status ${status}: ${body.slice(0, 200)}`;
      return this.#context.queue.refused(only!.event, reason);
    }
    this.#context.count("divided_requests");
    const middle = Math.ceil(items.length / 2);
    this.#parts.push(items.slice(0, middle), items.slice(middle));
  }

  #failed(items: readonly Item[], reason: string): void {
    this.#context.count("failed_requests");
    for (const item of items) {
      item.notBeforeMs = 0;
      this.#again.push(item);
    }
    this.#pause(reason);
  }

  #pause(reason: string): void {
    const { world, report } = this.#context;
    this.#failures += 1;
    this.#pausedUntilMs = world.clock.now() + this.#jitter(this.#failures - 1);
    if (!this.#saidDown) report(`${this.#url}: ${reason}; tried again until it works`);
    this.#saidDown = true;
  }

  #recovered(): void {
    this.#failures = 0;
    this.#pausedUntilMs = -Infinity;
    if (this.#saidDown) this.#context.report(`${this.#url} takes documents again`);
    this.#saidDown = false;
  }

  #jitter(failures: number): number {
    const { base, max } = this.#config.backoff;
    const bound = Math.min(max, base * 2 ** Math.min(failures, 30));
    // Never 0: a server that refuses at once must not be asked in a loop.
    return 1 + this.#context.world.random.next() * bound;
  }
}

function newItem(event: Event): Item {
  return { event, failures: 0, notBeforeMs: 0 };
}

/** Neither taken nor refused: it may be taken later. */
function isTransient(status: number): boolean {
  return status === 429 || status >= 500;
}

function documentOf(event: Event): string {
  const json = eventJson(event);
  if (event.fields !== null && Object.hasOwn(event.fields, "@timestamp")) return json;
  const comma = json === "{}" ? "" : ",";
  return `{"@timestamp":"${eventTime(event)}"${comma}${json.slice(1)}`;
}
