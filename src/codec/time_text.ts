/** Times as logs write them, to ISO 8601 in UTC: `2026-11-21T09:15:18.250Z`. */
import { clfMonth, digitsAt, parseClfTime } from "./clf.ts";

/** Reads a local time, given as milliseconds since 1970 if it were UTC. */
export interface LocalTime {
  toUtcMs(localMs: number): number;
}

const PLAIN =
  /^(\d{4})([-/])(\d\d)\2(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))? ?(Z|[+-]\d\d:?\d\d)?$/;

/**
 * ISO 8601 and RFC 3339 (also with a space, a comma or slashes; without a zone it is UTC), the time
 * of access logs, and seconds or milliseconds since 1970. Null for all else. At least three digits
 * of a second; finer ones are kept. `local` reads a time that says no zone, where it is given.
 */
export function isoTime(value: unknown, local?: LocalTime): string | null {
  if (typeof value === "number") return epochTime(value);
  if (typeof value !== "string" || value.length > 64) return null;
  if (isPlainUtc(value)) return value;
  const clf = clfMonth(value);
  if (clf > 0) return clfTime(value, clf);
  const match = PLAIN.exec(value);
  if (match === null) {
    const server = serverTime(value, local);
    if (server !== null) return server;
    return /^\d{9,13}(\.\d{1,6})?$/.test(value) ? epochTime(Number(value)) : null;
  }
  const [, year, , month, day, hour, minute, second, fraction = "", zone] = match;
  if (!isDate(Number(year), Number(month), Number(day))) return null;
  // 60 is a leap second; 24:00 is not written by any logger.
  if (hour! > "23" || minute! > "59" || second! > "60") return null;
  const digits = fraction.length >= 3 ? fraction : fraction.padEnd(3, "0");
  const asked = zone === undefined && local !== undefined;
  const utc = !asked && (zone === undefined || zone === "Z" || ZERO.test(zone));
  if (utc && second !== "60") {
    return `${year}-${month}-${day}T${hour}:${minute}:${second}.${digits}Z`;
  }
  const parts = [year, month, day, hour, minute, second].map(Number);
  const [y, mo, d, h, mi, s] = parts as [number, number, number, number, number, number];
  const localMs = Date.UTC(y, mo - 1, d, h, mi, s);
  const ms = asked ? local.toUtcMs(localMs) : localMs - zoneMinutes(zone) * 60_000;
  return `${new Date(ms).toISOString().slice(0, 19)}.${digits}Z`;
}

/** Of an access log, whose month is known. */
function clfTime(text: string, month: number): string | null {
  const [day, year] = [digitsAt(text, 0, 2), digitsAt(text, 7, 4)];
  if (!text.endsWith("0000") || !isDate(year, month, day) || !isTime(text, 12)) {
    const ms = parseClfTime(text);
    return ms === null ? null : new Date(ms).toISOString();
  }
  // In UTC: the same digits in another order.
  const two = month < 10 ? `0${month}` : `${month}`;
  return `${text.slice(7, 11)}-${two}-${text.slice(0, 2)}T${text.slice(12, 20)}.000Z`;
}

/** `23:59:59` at the most: leap seconds are for slower ways. */
function isTime(text: string, at: number): boolean {
  const [hour, minute] = [digitsAt(text, at, 2), digitsAt(text, at + 3, 2)];
  const second = digitsAt(text, at + 6, 2);
  return hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59 && second >= 0 && second <= 59;
}

const SECOND = "0000-00-00T00:00:00.";
const Z = 0x5a;

/** `isoTime` returns it as it is: most are so, and this takes a tenth of what the patterns take. */
export function isPlainUtc(text: string): boolean {
  const last = text.length - 1;
  const digits = last - SECOND.length;
  if (digits < 3 || digits > 9 || text.charCodeAt(last) !== Z) return false;
  for (const at of [4, 7, 10, 13, 16, 19]) {
    if (text.charCodeAt(at) !== SECOND.charCodeAt(at)) return false;
  }
  if (digitsAt(text, SECOND.length, digits) < 0) return false;
  if (!isDate(digitsAt(text, 0, 4), digitsAt(text, 5, 2), digitsAt(text, 8, 2))) return false;
  return isTime(text, 11);
}

const ZERO = /^[+-]00:?00$/;
const SERVER = /^(\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?$/;

/** `06/Feb/2009:12:14:14.655`, as HAProxy writes it: without a zone. */
function serverTime(value: string, local: LocalTime | undefined): string | null {
  const match = SERVER.exec(value);
  const localMs = match === null ? null : parseClfTime(`${match[1]} +0000`);
  if (localMs === null) return null;
  const utcMs = local?.toUtcMs(localMs) ?? localMs;
  return `${new Date(utcMs).toISOString().slice(0, 19)}.${(match![2] ?? "").padEnd(3, "0")}Z`;
}

function isDate(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1 || year < 1000) return false;
  if (day <= 28) return true;
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
  return day <= days;
}

function zoneMinutes(zone: string | undefined): number {
  if (zone === undefined || zone === "Z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return zone.startsWith("-") ? -minutes : minutes;
}

/** From 1973 on in seconds, to 2286; above that it is milliseconds. */
function epochTime(value: number): string | null {
  if (value >= 1e8 && value < 1e10) return new Date(Math.round(value * 1000)).toISOString();
  if (value >= 1e11 && value < 1e13) return new Date(Math.round(value)).toISOString();
  return null;
}
