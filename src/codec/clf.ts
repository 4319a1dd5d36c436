/**
 * Lines of web servers' access logs: the Common Log Format (W3C httpd, "Logging Control") and the
 * combined one (Apache httpd, mod_log_config), as Apache, nginx and others write them.
 */

export interface ClfRecord {
  readonly client: string;
  /** RFC 1413; null where the log has `-`, as for the next ones. */
  readonly ident: string | null;
  readonly user: string | null;
  /** As it stands in the log: `10/Oct/2000:13:55:36 -0700`. */
  readonly time: string;
  /** The request line, its escapes undone. */
  readonly request: string;
  /** Null where the request line is not `METHOD TARGET [PROTOCOL]`. */
  readonly method: string | null;
  readonly target: string | null;
  /** Null also for HTTP/0.9. */
  readonly protocol: string | null;
  readonly status: number;
  /** Of the response's body; null where the log has `-`. */
  readonly bytes: number | null;
  /** Only in the combined format. */
  readonly referer: string | null;
  readonly agent: string | null;
}

// The user may hold spaces (basic authentication allows them), so it ends at ` [`.
const HEAD = /^(\S+) (\S+) (.*?) \[([^\]]{1,64})\] "/;
const TAIL = /^ (\d{3}) (\d+|-)(?: |$)/;
const REQUEST = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\S+)(?: (\S+))?$/;

/** One line without its newline. Null where it is not in the format. */
export function parseClf(line: string, format: "clf" | "combined"): ClfRecord | null {
  const head = HEAD.exec(line);
  if (head === null) return null;
  const request = quoted(line, head[0].length);
  if (request === null) return null;
  const tail = TAIL.exec(line.slice(request.next, request.next + 40));
  if (tail === null) return null;
  let referer: string | null = null;
  let agent: string | null = null;
  if (format === "combined") {
    const first = opened(line, request.next + tail[0].length);
    const second = first === null ? null : opened(line, first.next + 1);
    if (first === null || second === null) return null;
    referer = dash(first.text);
    agent = dash(second.text);
  }
  const parts = REQUEST.exec(request.text);
  return {
    client: head[1]!,
    ident: dash(head[2]!),
    user: dash(head[3]!),
    time: head[4]!,
    request: request.text,
    method: parts?.[1] ?? null,
    target: parts?.[2] ?? null,
    protocol: parts?.[3] ?? null,
    status: Number(tail[1]),
    bytes: tail[2] === "-" ? null : Number(tail[2]),
    referer,
    agent,
  };
}

function dash(text: string): string | null {
  return text === "-" ? null : text;
}

interface Quoted {
  readonly text: string;
  /** Behind the closing quote. */
  readonly next: number;
}

function opened(line: string, at: number): Quoted | null {
  return line.charCodeAt(at) === 0x22 ? quoted(line, at + 1) : null;
}

/** From behind an opening quote to the closing one; a backslash escapes (Apache, nginx). */
function quoted(line: string, from: number): Quoted | null {
  let end = line.indexOf('"', from);
  while (end >= 0 && isEscaped(line, end, from)) end = line.indexOf('"', end + 1);
  if (end < 0) return null;
  const raw = line.slice(from, end);
  return { text: raw.includes("\\") ? unescape(raw) : raw, next: end + 1 };
}

function isEscaped(line: string, at: number, from: number): boolean {
  let slashes = 0;
  for (let i = at - 1; i >= from && line.charCodeAt(i) === 0x5c; i--) slashes += 1;
  return slashes % 2 === 1;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", v: "\v" };

/** Apache writes `\"`, `\\`, `\n` and `\xhh`. Bytes above 0x7f are read as UTF-8 where they are. */
function unescape(raw: string): string {
  const text = raw.replace(/((?:\\x[0-9a-fA-F]{2})+)|\\(.)/gs, (_, hex?: string, one?: string) => {
    if (hex === undefined) return ESCAPES[one!] ?? one!;
    return Buffer.from(hex.replaceAll("\\x", ""), "hex").toString("utf8");
  });
  return text;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/** Of `10/Oct/2000:13:55:36 -0700`. */
const TIME_LENGTH = 26;

/** The month of such a time, 1 to 12, or 0. */
export function clfMonth(text: string): number {
  if (text.length !== TIME_LENGTH || !hasSeparators(text)) return 0;
  return MONTHS.indexOf(text.slice(3, 6)) + 1;
}

/** `10/Oct/2000:13:55:36 -0700` as milliseconds since 1970, or null. */
export function parseClfTime(text: string): number | null {
  // By characters: a regular expression and its groups took four times as long.
  const month = clfMonth(text) - 1;
  if (month < 0) return null;
  const [day, year] = [digitsAt(text, 0, 2), digitsAt(text, 7, 4)];
  const [hour, minute] = [digitsAt(text, 12, 2), digitsAt(text, 15, 2)];
  const second = digitsAt(text, 18, 2);
  const [zoneHours, zoneMinutes] = [digitsAt(text, 22, 2), digitsAt(text, 24, 2)];
  if (day < 1 || year < 0 || hour < 0 || minute < 0 || second < 0) return null;
  if (day > 31 || hour > 23 || minute > 59 || second > 60) return null;
  if (zoneHours < 0 || zoneMinutes < 0) return null;
  const offset = (zoneHours * 60 + zoneMinutes) * (text.charCodeAt(21) === MINUS ? -1 : 1);
  const date = new Date(Date.UTC(year, month, day, hour, minute, second));
  // Years below 100 mean 19xx to Date.UTC, and 31 February is in March.
  if (year < 100) date.setUTCFullYear(year);
  if (second < 60 && date.getUTCDate() !== day) return null;
  return date.getTime() - offset * 60_000;
}

const SLASH = 0x2f;
const COLON = 0x3a;
const SPACE = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;

function hasSeparators(text: string): boolean {
  const sign = text.charCodeAt(21);
  return (
    text.charCodeAt(2) === SLASH &&
    text.charCodeAt(6) === SLASH &&
    text.charCodeAt(11) === COLON &&
    text.charCodeAt(14) === COLON &&
    text.charCodeAt(17) === COLON &&
    text.charCodeAt(20) === SPACE &&
    (sign === PLUS || sign === MINUS)
  );
}

/** So many decimal digits as a number; -1 where one of them is none. */
export function digitsAt(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}
