import type { Stream } from "../stream.ts";
import { reasonOf } from "./flag_reasons.ts";

/** What never became a request. */
export interface RefusedCaller {
  readonly startTime: string;
  readonly status: number;
  readonly flags: string;
  readonly reason: string;
  readonly remoteAddress: string;
}

/**
 * Envoy's default format
 * (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage), and
 * behind it the reason in words. What stands in quotes comes from outside: there quotes and
 * backslashes are escaped, and all that is not printable ASCII is `\xNN`, so that a line is a line
 * and a field a field, whatever was sent. The upstream's service time is not measured: `-`.
 */
export function accessText(stream: Stream, startTime: string, durationMs: number): string {
  const { head } = stream;
  const { headers } = head;
  const request = `${head.method} ${head.target} HTTP/1.${head.minorVersion}`;
  const flags = stream.flags === "" ? "-" : stream.flags;
  const sizes = `${stream.requestBytes} ${stream.responseBytes} ${Math.round(durationMs)} -`;
  const fields = [
    headers.get("x-forwarded-for"),
    headers.get("user-agent"),
    stream.requestId,
    head.host,
    stream.upstreamHost,
    reasonOf(stream.flags, stream.detail),
  ];
  const quotedFields = fields.map(quoted).join(" ");
  return `[${startTime}] ${quoted(request)} ${stream.status} ${flags} ${sizes} ${quotedFields}`;
}

export function refusedText(caller: RefusedCaller): string {
  const { startTime, status, flags, reason, remoteAddress } = caller;
  const none = '"-" "-" "-" "-" "-"';
  const from = `${reason} (from ${remoteAddress})`;
  return `[${startTime}] "- - -" ${status} ${flags} 0 0 0 - ${none} ${quoted(from)}`;
}

// Tilde is the last printable byte of ASCII.
const UNSAFE = /[^ -~]|["\\]/g;

function quoted(text: string | null): string {
  if (text === null || text === "") return '"-"';
  return `"${text.replace(UNSAFE, escaped)}"`;
}

function escaped(character: string): string {
  if (character === '"' || character === "\\") return `\\${character}`;
  const code = character.charCodeAt(0);
  const digits = code.toString(16).toUpperCase();
  return code < 256 ? `\\x${digits.padStart(2, "0")}` : `\\u${digits.padStart(4, "0")}`;
}
