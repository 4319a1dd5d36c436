import type { Event } from "../../api/event.ts";
import { choice, object, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { SinkContext, SinkDefinition } from "../component.ts";
import { eventJson } from "../event_json.ts";
import { HTTP_URL, HttpTarget, retryAfterMs, targetFields } from "../http_target.ts";
import type { Send } from "../sender.ts";
import { Sender, senderFields } from "../sender.ts";

const config = object({
  url: text({ pattern: HTTP_URL, expected: 'a URL such as "https://hooks.example/events"' })
    .about("Where events are posted.")
    .example("http://127.0.0.1:9000/hook"),
  body: choice(["array", "lines", "single"])
    .about("A JSON array, JSON lines, or one event a request.")
    .default("array"),
  order: choice(["any", "kept"])
    .about(
      "`kept`: one request at a time, in the order in which events came, and nothing newer before" +
        " one that has to be sent again. `maxInFlight` means nothing then.",
    )
    .default("any"),
  ...targetFields,
  ...senderFields,
});

type Config = Infer<typeof config>;

export const http: SinkDefinition<Config> = {
  name: "http",
  summary: "Posts batches of events as JSON to a URL.",
  status: "beta",
  security:
    "Headers may come from the environment or a file and are never shown. An answer of 429, 5xx or" +
    " 401, 403, 404, 408 is tried again; any other 4xx goes to the dead letters and is never tried" +
    " again. An answer that got lost makes a resend: the receiver may see events twice.",
  isRemote: true,
  config,
  examples: [
    {
      title: "One array of two events",
      config: { url: "http://127.0.0.1:9000/hook" },
      lines: ["one", "two"],
      requests: [
        { url: "http://127.0.0.1:9000/hook", body: '[{"message":"one"},{"message":"two"}]' },
      ],
    },
    {
      title: "JSON lines",
      config: { url: "http://127.0.0.1:9000/hook", body: "lines" },
      lines: ["one", "two"],
      requests: [
        { url: "http://127.0.0.1:9000/hook", body: '{"message":"one"}\n{"message":"two"}\n' },
      ],
    },
  ],
  create: (settings, context) => {
    const { body, batch } = settings;
    const bounds = body === "single" ? { ...batch, maxEvents: 1 } : batch;
    const own = { ...settings, batch: bounds, inOrder: settings.order === "kept" };
    return new Sender(own, context, settings.url, sender(settings, context));
  },
};

/** Somebody has to put it right, or the server is late: until then nothing may be lost. */
const LATER = new Set([401, 403, 404, 408, 425, 429]);

function sender(settings: Config, context: SinkContext): Send {
  const { url, body, timeout } = settings;
  const target = new HttpTarget(settings, timeout, context);
  const type = body === "lines" ? "application/x-ndjson" : "application/json";
  return async (events) => {
    const answer = await target.post(url, type, Buffer.from(bodyOf(events, body)));
    const { status } = answer;
    if (status >= 200 && status < 300) return { kind: "delivered" };
    const reason = `status ${status}: ${answer.body.slice(0, 200)}`;
    if (status === 413 && events.length > 1) return { kind: "divide", reason };
    if (status >= 400 && status < 500 && !LATER.has(status)) {
      return { kind: "each", outcomes: events.map(() => ({ refused: reason })) };
    }
    const afterMs = retryAfterMs(answer, context.world.clock.wallMs());
    return { kind: "retry", reason, ...(afterMs === undefined ? {} : { afterMs }) };
  };
}

function bodyOf(events: readonly Event[], kind: Config["body"]): string {
  if (kind === "single") return eventJson(events[0]!);
  if (kind === "array") return `[${events.map(eventJson).join(",")}]`;
  let lines = "";
  for (const event of events) lines += `${eventJson(event)}\n`;
  return lines;
}
