import type { Event } from "../../api/event.ts";
import type { BulkItem } from "../../codec/bulk.ts";
import { bulkActionHead, parseBulkResponse, quoted } from "../../codec/bulk.ts";
import { object, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Count, HttpAnswer, SinkContext, SinkDefinition } from "../component.ts";
import { eventTime, indexTemplate, templateProblem } from "../elastic_index.ts";
import { eventJson } from "../event_json.ts";
import { HTTP_URL, HttpTarget, retryAfterMs, targetFields } from "../http_target.ts";
import type { Outcome, Send } from "../sender.ts";
import { Sender, senderFields } from "../sender.ts";
import { TextBuffer } from "../text_buffer.ts";

const config = object({
  url: text({ pattern: HTTP_URL, expected: 'a URL such as "http://127.0.0.1:9200"' })
    .about("Where the server is, by http:// or https://; `/_bulk` is added.")
    .example("http://127.0.0.1:9200"),
  index: text({ check: templateProblem, expected: 'an index name such as "logs-{{app}}"' })
    .about("`{{field}}` in it is a field of the event, `{{day}}` its day as 2026.11.21.")
    .default("logs-{{app}}"),
  ...targetFields,
  ...senderFields,
});

type Config = Infer<typeof config>;

export const elasticsearch: SinkDefinition<Config> = {
  name: "elasticsearch",
  summary: "Sends events to the bulk API of Elasticsearch or OpenSearch, each document once.",
  status: "beta",
  security:
    "Ids are made from the file and the place in it, so that a resend makes no second document." +
    " What the server refuses for good goes to the dead letters with its reason.",
  isRemote: true,
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
    const url = `${settings.url.replace(/\/+$/, "")}/_bulk`;
    return new Sender(settings, context, url, bulkSender(settings, context, url));
  },
};

function bulkSender(settings: Config, context: SinkContext, url: string): Send {
  const { count, world } = context;
  const index = indexTemplate(settings.index);
  const target = new HttpTarget(settings, settings.timeout, context);
  /** As many as there were requests at once. */
  const free: TextBuffer[] = [];
  const idOf = idWriter();
  let lastIndex = "";
  let head = "";
  const post = async (events: readonly Event[]): Promise<HttpAnswer> => {
    const body = free.pop() ?? new TextBuffer();
    try {
      body.clear();
      for (const event of events) {
        const name = index(event);
        if (name !== lastIndex) head = bulkActionHead(name);
        lastIndex = name;
        addItem(body, head + idOf(event), event);
      }
      return await target.post(url, "application/x-ndjson", body.bytes);
    } finally {
      free.push(body);
    }
  };
  return async (events) => {
    const answer = await post(events);
    const { status } = answer;
    const reason = `status ${status}: ${answer.body.slice(0, 200)}`;
    if (status === 413 || status === 400) return { kind: "divide", reason };
    // 401, 403 and 404 too: somebody has to put it right, and until then nothing may be lost.
    if (status !== 200) {
      const afterMs = retryAfterMs(answer, world.clock.wallMs());
      return { kind: "retry", reason, ...(afterMs === undefined ? {} : { afterMs }) };
    }
    const results = parseBulkResponse(answer.body, events.length);
    if (typeof results === "string") return { kind: "retry", reason: results };
    if (results.every((item) => item.status < 300)) return { kind: "delivered" };
    return { kind: "each", outcomes: results.map((item) => outcomeOf(item, count)) };
  };
}

function outcomeOf({ status, reason }: BulkItem, count: Count): Outcome {
  if (status < 300) return "delivered";
  if (status === 409) {
    // It is there from an earlier try whose answer did not arrive.
    count("duplicates");
    return "delivered";
  }
  const why = reason ?? `status ${status}`;
  if (status === 429) return { retry: why, busy: true };
  return status >= 500 ? { retry: why } : { refused: why };
}

/** `head`: the action, up to behind the id. */
function addItem(body: TextBuffer, head: string, event: Event): void {
  const { fields } = event;
  const json = eventJson(event);
  const action = `${head}}}\n`;
  if (fields !== null && Object.hasOwn(fields, "@timestamp")) {
    body.add(action);
    return body.addLine(json);
  }
  body.add(`${action}{"@timestamp":"${eventTime(event)}"`);
  if (json === "{}") return body.addLine("}");
  // Its members follow: the bracket in front of them becomes a comma.
  const at = body.length;
  body.addLine(json);
  body.replaceByte(at, COMMA);
}

/** As JSON. Behind the stream's name an id has letters, digits and marks that JSON leaves alone. */
function idWriter(): (event: Event) => string {
  let plain = "";
  return (event) => {
    const { stream } = event.origin;
    if (stream !== plain) {
      if (quoted(stream).length !== stream.length + 2) return quoted(event.id);
      plain = stream;
    }
    return `"${event.id}"`;
  };
}

const COMMA = 0x2c;
