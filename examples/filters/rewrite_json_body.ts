/**
 * Speaks two versions of an interface: callers send and get `fullName`, the app knows `first` and
 * `last`. Both bodies are rewritten on the way.
 */
import type { Filter } from "outrigger/filter";

const rewriteJsonBody: Filter = {
  onRequest(request) {
    // The answer's body is to be read here, so the app must not compress it.
    request.headers.remove("accept-encoding");
  },
  onRequestBody(body, request, ctx) {
    if (!isJson(request.headers.get("content-type"))) return;
    const note = parse(body);
    if (note === null) return ctx.respond(400, { "content-type": "text/plain" }, "this is no JSON\n");
    if (typeof note["fullName"] !== "string") return;
    const { fullName, ...rest } = note;
    const [first = "", ...others] = (fullName as string).split(" ");
    return JSON.stringify({ first, last: others.join(" "), ...rest });
  },
  onResponseBody(body, response) {
    if (!isJson(response.headers.get("content-type"))) return;
    const note = parse(body);
    if (note === null || typeof note["first"] !== "string") return;
    const { first, last = "", ...rest } = note;
    // What it was the checksum of is another body.
    response.headers.remove("etag");
    return JSON.stringify({ fullName: `${first} ${last}`.trim(), ...rest });
  },
};

function isJson(type: string | null): boolean {
  return type !== null && /^application\/(?:[\w.-]+\+)?json\b/i.test(type);
}

/** Null where the bytes are no JSON object. */
function parse(body: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

export default rewriteJsonBody;
