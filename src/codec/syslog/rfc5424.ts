/**
 * RFC 5424, section 6: `<PRI>1 TIME HOST APP PROCID MSGID DATA MESSAGE`.
 *
 * Read more widely than written there: fields may be longer than its bounds, the time may be any
 * that `isoTime` knows, and structured data may be missing, as Heroku's drains leave it out; what
 * begins like data and is none belongs to the message.
 */
import { isoTime } from "../time_text.ts";
import type { SyslogData, SyslogMessage } from "./message.ts";

const BOM = 0xfeff;
const SPACE = 0x20;
const QUOTE = 0x22;
const DASH = 0x2d;
const EQUALS = 0x3d;
const OPEN = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE = 0x5d;

/** From behind the priority. Null where it is not in this format. */
export function parseRfc5424(text: string, from: number, priority: number): SyslogMessage | null {
  // Version 1 is the only one there is.
  if (text.charCodeAt(from) !== 0x31 || text.charCodeAt(from + 1) !== SPACE) return null;
  const timeAt = from + 2;
  const hostAt = nextField(text, timeAt);
  const appAt = nextField(text, hostAt);
  const processAt = nextField(text, appAt);
  const messageIdAt = nextField(text, processAt);
  if (messageIdAt < 0) return null;
  let dataAt = text.indexOf(" ", messageIdAt);
  // Neither data nor a message: against the grammar, and still all that there is.
  if (dataAt < 0) dataAt = text.length;
  const messageId = field(text, messageIdAt, dataAt + 1);
  const time = field(text, timeAt, hostAt);
  const found = readData(text, dataAt + 1);
  return {
    format: "rfc5424",
    facility: priority >> 3,
    severity: priority & 7,
    time: time === null ? null : isoTime(time),
    host: field(text, hostAt, appAt),
    app: field(text, appAt, processAt),
    processId: field(text, processAt, messageIdAt),
    messageId,
    data: found.data,
    message: found.next >= text.length ? "" : text.slice(messageStart(text, found.next)),
  };
}

/** Behind the next space; -1 where there is none, or nothing before it. */
function nextField(text: string, from: number): number {
  if (from < 0) return -1;
  const space = text.indexOf(" ", from);
  return space <= from ? -1 : space + 1;
}

/** `-` means that the sender does not know it. */
function field(text: string, start: number, next: number): string | null {
  const end = next - 1;
  if (end - start === 1 && text.charCodeAt(start) === DASH) return null;
  return end <= start ? null : text.slice(start, end);
}

function messageStart(text: string, at: number): number {
  return text.charCodeAt(at) === BOM ? at + 1 : at;
}

interface Data {
  readonly data: SyslogData | null;
  /** Where the message begins. */
  readonly next: number;
}

function readData(text: string, from: number): Data {
  const first = text.charCodeAt(from);
  if (first === DASH) {
    const behind = text.charCodeAt(from + 1);
    if (behind === SPACE) return { data: null, next: from + 2 };
    if (from + 1 >= text.length) return { data: null, next: text.length };
  }
  if (first !== OPEN) return { data: null, next: from };
  const data: Record<string, Record<string, string>> = {};
  let at = from;
  while (text.charCodeAt(at) === OPEN) {
    const end = readElement(text, at, data);
    if (end < 0) return { data: null, next: from };
    at = end;
  }
  if (at < text.length && text.charCodeAt(at) !== SPACE) return { data: null, next: from };
  return { data, next: at + 1 };
}

/** `[ID NAME="VALUE" ...]`, from its bracket; returns what is behind it, or -1. */
function readElement(
  text: string,
  from: number,
  data: Record<string, Record<string, string>>,
): number {
  const idEnd = nameEnd(text, from + 1);
  if (idEnd === from + 1) return -1;
  const parameters: Record<string, string> = {};
  let at = idEnd;
  while (text.charCodeAt(at) === SPACE) {
    const start = at + 1;
    // Some senders leave a space before the closing bracket.
    if (text.charCodeAt(start) === CLOSE) {
      at = start;
      break;
    }
    const end = nameEnd(text, start);
    if (end === start || text.charCodeAt(end) !== EQUALS) return -1;
    if (text.charCodeAt(end + 1) !== QUOTE) return -1;
    const close = quoteEnd(text, end + 2);
    if (close < 0) return -1;
    put(parameters, text.slice(start, end), unescape(text, end + 2, close));
    at = close + 1;
  }
  if (text.charCodeAt(at) !== CLOSE) return -1;
  put(data, text.slice(from + 1, idEnd), parameters);
  return at + 1;
}

/** Also where the name is `__proto__`: it must not change what objects are. */
function put<T>(into: Record<string, T>, name: string, value: T): void {
  if (name !== "__proto__") into[name] = value;
  else Object.defineProperty(into, name, { value, enumerable: true, configurable: true });
}

/** SD-NAME: printable, and none of `=`, space, `]`, `"` (RFC 5424, 6.3.2). */
function nameEnd(text: string, from: number): number {
  let at = from;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code <= SPACE || code === EQUALS || code === CLOSE || code === QUOTE) break;
    if (code === OPEN || code === 0x7f) break;
  }
  return at;
}

function quoteEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at += 1;
  }
  return -1;
}

/** `\"`, `\\` and `\]`; before all else a backslash is one (RFC 5424, 6.3.3). */
function unescape(text: string, from: number, to: number): string {
  const raw = text.slice(from, to);
  return raw.includes("\\") ? raw.replace(/\\(["\\\]])/g, "$1") : raw;
}
