import type { SyslogData } from "./message.ts";

/** What is written; a part that is null is left out as the format has it. */
export interface SyslogParts {
  /** 0 to 23. */
  readonly facility: number;
  /** 0 (emergency) to 7 (debug). */
  readonly severity: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly host: string | null;
  readonly app: string | null;
  readonly processId: string | null;
  readonly messageId: string | null;
  /** RFC 5424 only. */
  readonly data: SyslogData | null;
  readonly message: string;
}

/** `<PRI>1 TIME HOST APP PROCID MSGID DATA MESSAGE` (RFC 5424, section 6), without a line end. */
export function writeRfc5424(parts: SyslogParts): string {
  const { facility, severity, timeMs, host, app, processId, messageId, data, message } = parts;
  const time = new Date(timeMs).toISOString();
  const head = `<${facility * 8 + severity}>1 ${time} ${word(host, 255)} ${word(app, 48)}`;
  return `${head} ${word(processId, 128)} ${word(messageId, 32)} ${dataText(data)} ${message}`;
}

/** `<PRI>TIME HOST TAG[PID]: MESSAGE` (RFC 3164, section 4), the time in UTC. */
export function writeRfc3164(parts: SyslogParts): string {
  const { facility, severity, timeMs, host, app, processId, message } = parts;
  const [, date, month, , clock] = new Date(timeMs).toUTCString().split(" ");
  const day = String(Number(date)).padStart(2, " ");
  // Receivers end the tag at whatever is no letter or digit; 32 is the RFC's bound (4.1.3).
  const tag = app === null ? "-" : word(app, 32).replace(/[[\]:]/g, "_");
  const id = processId === null ? "" : `[${word(processId, 32).replace(/[[\]:]/g, "_")}]`;
  // There is no sign for "not known", and rsyslog takes `-` for the tag.
  const from = word(host ?? "localhost", 255);
  const head = `<${facility * 8 + severity}>${month} ${day} ${clock} ${from}`;
  return `${head} ${tag}${id}: ${message}`;
}

/** RFC 6587: behind its length in bytes (3.4.1), or before a line end (3.4.2). */
export function frameSyslog(written: string, framing: "octet-counting" | "newline"): Buffer {
  if (framing === "octet-counting") {
    const length = Buffer.byteLength(written);
    return Buffer.from(`${length} ${written}`);
  }
  return Buffer.from(`${escapeLine(written)}\n`);
}

/** What would end a message: as `#` and three octal digits, which is how rsyslog writes it. */
function escapeLine(written: string): string {
  if (!/[\n\r\0]/.test(written)) return written;
  return written.replace(/[\n\r\0]/g, (character) => {
    return `#${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
  });
}

/** PRINTUSASCII of a bounded length, or `-` for nothing. */
function word(text: string | null, maxLength: number): string {
  if (text === null || text === "") return "-";
  return text.slice(0, maxLength).replace(/[^\x21-\x7e]/g, "_");
}

function dataText(data: SyslogData | null): string {
  const elements = Object.entries(data ?? {});
  if (elements.length === 0) return "-";
  return elements
    .map(([id, parameters]) => {
      const pairs = Object.entries(parameters).map(
        ([name, value]) => ` ${dataName(name)}="${value.replace(/["\\\]]/g, "\\$&")}"`,
      );
      return `[${dataName(id)}${pairs.join("")}]`;
    })
    .join("");
}

/** SD-NAME (RFC 5424, 6.3.2). */
function dataName(name: string): string {
  return word(name, 32).replace(/[="\]]/g, "_");
}

/** By the words that logs use for it; null for one that is none of them. */
export function severityOf(level: string): number | null {
  return SEVERITIES[level.toLowerCase()] ?? null;
}

const SEVERITIES: Readonly<Record<string, number>> = Object.assign(Object.create(null), {
  emerg: 0,
  emergency: 0,
  panic: 0,
  alert: 1,
  crit: 2,
  critical: 2,
  fatal: 2,
  err: 3,
  error: 3,
  severe: 3,
  warn: 4,
  warning: 4,
  notice: 5,
  info: 6,
  information: 6,
  informational: 6,
  debug: 7,
  trace: 7,
});
