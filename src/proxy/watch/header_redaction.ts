import type { HeaderPair, RequestRecord } from "../../api/request_record.ts";
import type { TapShow } from "../../api/tap.ts";
import type { HeaderBlock } from "../../codec/headers.ts";

const REDACTED = "[redacted]";

/** So much of a value is shown, so many fields of a message. */
const MAX_VALUE = 512;
const MAX_FIELDS = 64;

/** What no application keeps a secret in: all other values are shown only with `all`. */
const SAFE: ReadonlySet<string> = new Set([
  ...["accept", "accept-encoding", "accept-language", "accept-ranges", "age", "allow"],
  ...["cache-control", "connection", "content-encoding", "content-language", "content-length"],
  ...["content-range", "content-type", "date", "expect", "expires", "host", "if-modified-since"],
  ...["keep-alive", "last-modified", "max-forwards", "origin", "pragma", "range", "retry-after"],
  ...["server", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "vary", "via"],
  ...["x-request-id", "traceparent", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"],
  ...["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip"],
  ...["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
  ...["access-control-allow-origin", "access-control-allow-methods"],
  ...["access-control-request-method", "strict-transport-security"],
]);

type Headers = NonNullable<RequestRecord["headers"]>["request"];

export function shownBlock(block: HeaderBlock, show: TapShow["headers"]): Headers {
  const pairs: HeaderPair[] = [];
  block.forEach((name, value) => add(pairs, name, value, show));
  return pairs;
}

export function shownFields(
  fields: Readonly<Record<string, string>>,
  show: TapShow["headers"],
): Headers {
  const pairs: HeaderPair[] = [];
  for (const [name, value] of Object.entries(fields)) add(pairs, name, value, show);
  return pairs;
}

function add(pairs: HeaderPair[], name: string, value: string, show: TapShow["headers"]): void {
  if (pairs.length === MAX_FIELDS) return;
  const lower = name.toLowerCase();
  const text = value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}...` : value;
  pairs.push([lower, show === "all" || SAFE.has(lower) ? text : REDACTED]);
}
