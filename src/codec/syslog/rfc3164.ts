/**
 * RFC 3164, which describes what is sent and prescribes nothing: `<PRI>TIME HOST TAG: MESSAGE`.
 * Dialects that are read, each with a fixture:
 *
 * - the time of the RFC, also with a year, fractions or a zone; ISO 8601 (rsyslog's forward format,
 *   syslog-ng's `ts-format(iso)`, VMware); Cisco's sequence numbers and `*` or `.` before it;
 * - no host: what the C library and `logger` write to a local socket;
 * - no tag, no time, no priority (a line of a log file);
 * - AIX, `Message forwarded from HOST:`, and `last message repeated N times`.
 */
import { isoTime } from "../time_text.ts";
import type { SyslogMessage, SyslogOptions, SyslogProblem } from "./message.ts";

// "Oct 11 22:14:15", "Oct  1 22:14:15.123", "Oct 11 2024 22:14:15 UTC", "2024 Oct 11 22:14:15".
const STAMP =
  /^(?:(\d{4}) )?([A-Z][a-z]{2})  ?(\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?/;
/** Behind a time: its zone, and the colon that Cisco writes. */
const ZONE = /^ ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?(?: |:(?: |$)|$)/;
const ISO = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,17}/;
/** Cisco: a counter, also with the sender's name before it, then a mark of the clock's state. */
const SEQUENCE = /^(?:(\S{1,255}): )?\d{1,10}: (?=[*.]?(?:[A-Z][a-z]{2} |\d{4} ))/;
const FORWARDED = /^Message forwarded from (\S{1,255}): /;
const TAG = /^([^\s:[\]]{1,128})(?:\[([^\]\s]{0,128})\])?(: ?| (?=\S)|$)/;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A message without a year is at most so far ahead of us. */
const AHEAD_MS = 7 * 86_400_000;
/** As many years back for 29 February; 1900 and 2100 are no leap years. */
const MAX_YEARS_BACK = 8;
/** No header is longer; what follows need not be looked at by patterns. */
const MAX_HEADER = 1024;

/** From behind the priority, which is null where there was none. */
export function parseRfc3164(
  text: string,
  from: number,
  priority: number | null,
  options: SyslogOptions,
): SyslogMessage | SyslogProblem {
  let head = text.slice(from, from + MAX_HEADER);
  let host: string | null = null;
  const start = head.length;
  const cut = (length: number): void => void (head = head.slice(length));
  if (head.charCodeAt(0) === 0x20) cut(1);
  const sequence = SEQUENCE.exec(head);
  if (sequence !== null) {
    host = sequence[1] ?? null;
    cut(sequence[0].length);
  }
  const stamp = readTime(head, options);
  if (stamp === null && priority === null) return "no-header";
  if (stamp !== null) cut(stamp.length);
  const forwarded = FORWARDED.exec(head);
  if (forwarded !== null) {
    host = forwarded[1]!;
    cut(forwarded[0].length);
  } else if (stamp !== null && host === null) {
    host = readHost(head);
    if (host !== null) cut(host.length + 1);
  }
  // Cisco ASA: `TIME HOST : %ASA-6-302013: ...`.
  if (host !== null && head.startsWith(": ")) cut(2);
  const tag = readTag(head, stamp !== null);
  if (tag !== null) cut(tag.length);
  return {
    format: "rfc3164",
    facility: priority === null ? null : priority >> 3,
    severity: priority === null ? null : priority & 7,
    time: stamp?.time ?? null,
    host,
    app: tag?.app ?? null,
    processId: tag?.processId ?? null,
    messageId: null,
    data: null,
    message: text.slice(from + start - head.length),
  };
}

interface Stamp {
  readonly time: string | null;
  /** With what separates it from the rest. */
  readonly length: number;
}

function readTime(head: string, options: SyslogOptions): Stamp | null {
  const first = head.charCodeAt(0);
  // `*` and `.`: Cisco's clock is not set, or lost its source.
  const mark = first === 0x2a || first === 0x2e ? 1 : 0;
  const body = mark === 0 ? head : head.slice(1);
  const iso = ISO.exec(body);
  if (iso !== null) {
    const written = iso[0].replace(/:$/, "");
    const time = isoTime(written);
    return time === null ? null : { time, length: mark + afterSpace(body, iso[0].length) };
  }
  const stamp = STAMP.exec(body);
  if (stamp === null) return null;
  const behind = stamp[0].length;
  const zone = ZONE.exec(body.slice(behind, behind + 16));
  if (zone === null) return null;
  const time = stampTime(stamp, zone[1], options);
  return time === null ? null : { time, length: mark + behind + zone[0].length };
}

function afterSpace(text: string, at: number): number {
  return text.charCodeAt(at) === 0x20 ? at + 1 : at;
}

function stampTime(
  stamp: RegExpExecArray,
  zone: string | undefined,
  options: SyslogOptions,
): string | null {
  const month = MONTHS.indexOf(stamp[2]!);
  const [day, hour, minute, second] = [stamp[3], stamp[5], stamp[6], stamp[7]].map(Number);
  if (month < 0 || day! < 1 || day! > 31 || hour! > 23 || minute! > 59 || second! > 60) return null;
  const toUtcMs = converter(zone, options);
  const at = (year: number): number | null => {
    const date = new Date(Date.UTC(year, month, day, hour, minute, second));
    // 31 February is in March.
    return date.getUTCMonth() === month || second === 60 ? toUtcMs(date.getTime()) : null;
  };
  const written = stamp[1] ?? stamp[4];
  const ms = written === undefined ? withYear(at, options.nowMs) : at(Number(written));
  if (ms === null) return null;
  const fraction = stamp[8];
  const iso = new Date(ms).toISOString();
  return fraction === undefined ? iso : `${iso.slice(0, 20)}${fraction.padEnd(3, "0")}Z`;
}

function converter(
  zone: string | undefined,
  options: SyslogOptions,
): (localMs: number) => number {
  if (zone === undefined) return options.toUtcMs ?? ((localMs) => localMs);
  if (zone === "Z" || zone === "UTC" || zone === "GMT") return (localMs) => localMs;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  const offsetMs = (zone.startsWith("-") ? -minutes : minutes) * 60_000;
  return (localMs) => localMs - offsetMs;
}

/** The last year in which the time is not in the future: December's lines come in January too. */
function withYear(at: (year: number) => number | null, nowMs: number): number | null {
  const next = new Date(nowMs).getUTCFullYear() + 1;
  for (let year = next; year >= next - MAX_YEARS_BACK; year--) {
    const ms = at(year);
    if (ms !== null && ms <= nowMs + AHEAD_MS) return ms;
  }
  return null;
}

/** Null where the tag comes at once. */
function readHost(head: string): string | null {
  const space = head.indexOf(" ");
  if (space <= 0 || space > 255) return null;
  const word = head.slice(0, space);
  if (word.endsWith(":") || word.includes("[")) return null;
  if (word === "last" && head.startsWith("last message repeated ")) return null;
  return word;
}

interface Tag {
  readonly app: string;
  readonly processId: string | null;
  readonly length: number;
}

/** A first word is a tag where a colon or a process id says so. */
function readTag(head: string, isBehindTime: boolean): Tag | null {
  const match = TAG.exec(head);
  if (match === null) return null;
  const [whole, app, processId, end] = match;
  const hasColon = end!.startsWith(":");
  // Without a time "Error: no space" is as likely a message.
  const isTag = isBehindTime ? hasColon || processId !== undefined : processId !== undefined;
  if (!isTag) return null;
  return { app: app!, processId: processId || null, length: whole.length };
}
