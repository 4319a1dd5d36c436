/** One syslog message, RFC 5424 or RFC 3164, from its text or bytes. */
import type { SyslogMessage, SyslogOptions, SyslogProblem } from "./message.ts";
import { parseRfc3164 } from "./rfc3164.ts";
import { parseRfc5424 } from "./rfc5424.ts";

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const ZERO = 0x30;
const NINE = 0x39;
const LESS = 0x3c;
const GREATER = 0x3e;
/** Local 7, debug. */
const MAX_PRIORITY = 191;

/**
 * A word says why it is none. Bytes are read as UTF-8; what is none becomes U+FFFD. Lenient where
 * senders are known to differ, see the files of each format: what can be shown is never refused.
 */
export function parseSyslog(
  input: string | Uint8Array,
  options: SyslogOptions,
): SyslogMessage | SyslogProblem {
  const text = trimEnd(typeof input === "string" ? input : decode(input));
  if (text === "") return "empty";
  const priority = readPriority(text);
  if (typeof priority === "string") return priority;
  const { next, value } = priority;
  if (options.format !== "rfc3164") {
    const parsed = value === null ? null : parseRfc5424(text, next, value);
    if (parsed !== null) return parsed;
    if (options.format === "rfc5424") return value === null ? "no-header" : "bad-header";
  }
  return parseRfc3164(text, next, value, options);
}

function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

/** Line ends and NUL, which some senders put behind a message (RFC 6587, 3.4.2). */
function trimEnd(text: string): string {
  let end = text.length;
  for (; end > 0; end--) {
    const code = text.charCodeAt(end - 1);
    if (code !== NEWLINE && code !== CARRIAGE_RETURN && code !== 0) break;
  }
  return end === text.length ? text : text.slice(0, end);
}

interface Priority {
  /** Null where the text does not begin with `<`. */
  readonly value: number | null;
  /** Behind it. */
  readonly next: number;
}

const NO_PRIORITY: Priority = { value: null, next: 0 };

/** One to three digits in angle brackets; some write them with zeros in front. */
function readPriority(text: string): Priority | SyslogProblem {
  if (text.charCodeAt(0) !== LESS) return NO_PRIORITY;
  let value = 0;
  for (let at = 1; at <= 4; at++) {
    const code = text.charCodeAt(at);
    if (code === GREATER && at > 1) {
      return value > MAX_PRIORITY ? "bad-priority" : { value, next: at + 1 };
    }
    if (!(code >= ZERO && code <= NINE)) break;
    value = value * 10 + code - ZERO;
  }
  return "bad-priority";
}
