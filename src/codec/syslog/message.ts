/**
 * Syslog messages: what RFC 5424 and RFC 3164 have in common, and the words for their numbers.
 */

export interface SyslogMessage {
  readonly format: "rfc5424" | "rfc3164";
  /** 0 to 23 (RFC 5424, 6.2.1). Null where the message has no priority, as a line of a file. */
  readonly facility: number | null;
  /** 0 (emergency) to 7 (debug). Null as for the facility. */
  readonly severity: number | null;
  /** ISO 8601 in UTC, at least three digits of a second. Null where there is none, or not one. */
  readonly time: string | null;
  readonly host: string | null;
  /** RFC 5424's APP-NAME, RFC 3164's TAG. */
  readonly app: string | null;
  /** A process id as a rule, but any word may stand here. */
  readonly processId: string | null;
  /** RFC 5424 only. */
  readonly messageId: string | null;
  /** By element id, then by parameter name; the last one of a name counts. RFC 5424 only. */
  readonly data: SyslogData | null;
  /** Without a byte order mark and without line ends behind it. */
  readonly message: string;
}

export type SyslogData = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Why a text is no syslog message: a word for counters and for `parse_error`. */
export type SyslogProblem =
  | "empty"
  /** Neither a priority nor a time at its beginning. */
  | "no-header"
  /** Above 191, or not a number. */
  | "bad-priority"
  /** Asked for RFC 5424, and its header does not hold. */
  | "bad-header";

export interface SyslogOptions {
  /** `auto` tells RFC 5424 by its version behind the priority. */
  readonly format: "auto" | "rfc5424" | "rfc3164";
  /** Wall-clock time, milliseconds since 1970: RFC 3164 writes no year. */
  readonly nowMs: number;
  /**
   * From a local time, as milliseconds since 1970 if it were UTC, to UTC: RFC 3164 writes no zone.
   * UTC where it is not given.
   */
  readonly toUtcMs?: (localMs: number) => number;
}

/** RFC 5424, table 1, by the names that rsyslog and syslog-ng use. */
export const FACILITIES = [
  "kern",
  "user",
  "mail",
  "daemon",
  "auth",
  "syslog",
  "lpr",
  "news",
  "uucp",
  "cron",
  "authpriv",
  "ftp",
  "ntp",
  "security",
  "console",
  "solaris-cron",
  "local0",
  "local1",
  "local2",
  "local3",
  "local4",
  "local5",
  "local6",
  "local7",
] as const;

/** RFC 5424, table 2, in the words that levels have elsewhere in a pipeline. */
const LEVELS = [
  "emerg",
  "alert",
  "crit",
  "error",
  "warn",
  "notice",
  "info",
  "debug",
] as const;

/** `daemon` for 3; null for null and for what is no facility. */
export function facilityName(facility: number | null): string | null {
  return facility === null ? null : (FACILITIES[facility] ?? null);
}

/** `error` for 3; null for null and for what is no severity. */
export function levelName(severity: number | null): string | null {
  return severity === null ? null : (LEVELS[severity] ?? null);
}

/** The fields of an event; what the message does not have is left out. */
export function syslogFields(message: SyslogMessage): Record<string, unknown> {
  const { time, severity, facility, host, app, processId, messageId, data } = message;
  const fields: Record<string, unknown> = {};
  if (time !== null) fields["time"] = time;
  if (severity !== null) fields["level"] = LEVELS[severity];
  if (facility !== null) fields["facility"] = FACILITIES[facility];
  if (host !== null) fields["host"] = host;
  if (app !== null) fields["app"] = app;
  if (processId !== null) fields["process_id"] = processId;
  if (messageId !== null) fields["message_id"] = messageId;
  if (data !== null) fields["data"] = data;
  fields["message"] = message.message;
  return fields;
}
