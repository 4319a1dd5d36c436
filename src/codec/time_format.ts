/** Times in formats that a user spells: `dd/MMM/yyyy HH:mm:ss zone`, in the letters of Unicode's TR35. */
import { timeZone } from "./time_zone.ts";
import type { TimeZone } from "./time_zone.ts";

export interface TimeFormat {
  /**
   * ISO 8601 in UTC with three digits of a second at least, or null. `local` reads a time that says
   * no zone; UTC where it is null.
   */
  parse(text: string, nowMs: number, local: TimeZone | null): string | null;
}

interface Read {
  year: number | null;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  fraction: string;
  isPm: boolean | null;
  offsetMinutes: number | null;
  zone: TimeZone | null;
  /** Seconds since 1970. */
  epochMs: number | null;
  isWrong: boolean;
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

interface Token {
  readonly pattern: string;
  readonly put: (read: Read, text: string) => void;
}

const TOKENS: Readonly<Record<string, Token>> = {
  yyyy: { pattern: "\\d{4}", put: (read, text) => void (read.year = Number(text)) },
  yy: { pattern: "\\d{2}", put: (read, text) => void (read.year = 2000 + Number(text)) },
  MMM: { pattern: "[A-Za-z]{3}", put: putMonthName },
  MM: { pattern: "\\d{2}", put: (read, text) => void (read.month = Number(text)) },
  M: { pattern: "\\d{1,2}", put: (read, text) => void (read.month = Number(text)) },
  dd: { pattern: "\\d{2}", put: (read, text) => void (read.day = Number(text)) },
  d: { pattern: " ?\\d{1,2}", put: (read, text) => void (read.day = Number(text)) },
  EEE: { pattern: "[A-Za-z]{3}", put: () => {} },
  HH: { pattern: "\\d{2}", put: (read, text) => void (read.hour = Number(text)) },
  H: { pattern: "\\d{1,2}", put: (read, text) => void (read.hour = Number(text)) },
  hh: { pattern: "\\d{2}", put: putHalfDayHour },
  h: { pattern: "\\d{1,2}", put: putHalfDayHour },
  a: { pattern: "[AaPp]\\.?[Mm]\\.?", put: (read, text) => void (read.isPm = /^p/i.test(text)) },
  mm: { pattern: "\\d{2}", put: (read, text) => void (read.minute = Number(text)) },
  ss: { pattern: "\\d{2}", put: (read, text) => void (read.second = Number(text)) },
  S: { pattern: "\\d{1,9}", put: (read, text) => void (read.fraction = text) },
  Z: { pattern: "Z|[+-]\\d{2}:?\\d{2}", put: putOffset },
  VV: { pattern: "[A-Za-z][A-Za-z0-9_+/-]{1,40}", put: putZone },
  unix: { pattern: "\\d{1,10}(?:\\.\\d{1,9})?", put: (read, text) => putEpoch(read, text, 1000) },
  unixMs: { pattern: "\\d{1,13}", put: (read, text) => putEpoch(read, text, 1) },
};

/** Longest first. */
const NAMES = Object.keys(TOKENS).sort((a, b) => b.length - a.length);

export const TIME_FORMAT_LETTERS =
  "yyyy yy MMM MM M dd d EEE HH H hh h a mm ss S (any digits of a second) Z (+0100) VV (Europe/Berlin)";

/** Or what is wrong with it, as a text. */
export function compileTimeFormat(format: string): TimeFormat | string {
  let source = "";
  const puts: Token["put"][] = [];
  for (let at = 0; at < format.length;) {
    if (format[at] === "'") {
      const end = format.indexOf("'", at + 1);
      if (end < 0) return "the quote ' does not end";
      source += escapeRegex(end === at + 1 ? "'" : format.slice(at + 1, end));
      at = end + 1;
      continue;
    }
    const name = NAMES.find((one) => format.startsWith(one, at));
    if (name === undefined) {
      const character = format[at]!;
      if (/[A-Za-z]/.test(character))
        return `"${character}" is no letter of a time: ${TIME_FORMAT_LETTERS}`;
      source += escapeRegex(character);
      at += 1;
      continue;
    }
    // `SSS` is as many digits as there are.
    at += name === "S" ? /^S+/.exec(format.slice(at))![0].length : name.length;
    source += `(${TOKENS[name]!.pattern})`;
    puts.push(TOKENS[name]!.put);
  }
  if (puts.length === 0) return `it names no part of a time: ${TIME_FORMAT_LETTERS}`;
  const pattern = new RegExp(`^${source}$`);
  return { parse: (text, nowMs, local) => parseBy(pattern, puts, text, nowMs, local) };
}

function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function parseBy(
  pattern: RegExp,
  puts: readonly Token["put"][],
  text: string,
  nowMs: number,
  local: TimeZone | null,
): string | null {
  const match = text.length > 100 ? null : pattern.exec(text);
  if (match === null) return null;
  const read: Read = {
    year: null,
    month: 1,
    day: 1,
    hour: 0,
    minute: 0,
    second: 0,
    fraction: "",
    isPm: null,
    offsetMinutes: null,
    zone: null,
    epochMs: null,
    isWrong: false,
  };
  for (const [i, put] of puts.entries()) put(read, match[i + 1]!);
  const utcMs = read.isWrong ? null : (read.epochMs ?? utcOf(read, nowMs, local));
  if (utcMs === null || !Number.isFinite(utcMs) || Math.abs(utcMs) > 8.64e15) return null;
  const digits = read.fraction.length >= 3 ? read.fraction : read.fraction.padEnd(3, "0");
  if (read.epochMs !== null) return new Date(utcMs).toISOString();
  return `${new Date(utcMs).toISOString().slice(0, -5)}.${digits}Z`;
}

function utcOf(read: Read, nowMs: number, local: TimeZone | null): number | null {
  const { month, day, minute, second, isPm } = read;
  const hour = isPm === null ? read.hour : (read.hour % 12) + (isPm ? 12 : 0);
  if (hour > 23 || minute > 59 || second > 60) return null;
  const year = read.year ?? lastYear(month, day, nowMs);
  const date = Date.UTC(year, month - 1, day);
  const made = new Date(date);
  if (year < 1000 || made.getUTCMonth() !== month - 1 || made.getUTCDate() !== day) return null;
  const localMs = date + ((hour * 60 + minute) * 60 + second) * 1000;
  if (read.offsetMinutes !== null) return localMs - read.offsetMinutes * 60_000;
  return (read.zone ?? local)?.toUtcMs(localMs) ?? localMs;
}

const DAY_MS = 86_400_000;

/** A time without a year is the last such one, up to a day ahead of our clock. */
function lastYear(month: number, day: number, nowMs: number): number {
  const year = new Date(nowMs + DAY_MS).getUTCFullYear();
  return Date.UTC(year, month - 1, day) <= nowMs + DAY_MS ? year : year - 1;
}

function putMonthName(read: Read, text: string): void {
  read.month = MONTHS.indexOf(text.toLowerCase()) + 1;
  if (read.month === 0) read.isWrong = true;
}

function putHalfDayHour(read: Read, text: string): void {
  read.hour = Number(text);
  read.isPm ??= false;
  if (read.hour < 1 || read.hour > 12) read.isWrong = true;
}

function putOffset(read: Read, text: string): void {
  const minutes = text === "Z" ? 0 : Number(text.slice(1, 3)) * 60 + Number(text.slice(-2));
  read.offsetMinutes = text.startsWith("-") ? -minutes : minutes;
}

/** Events name few zones; making one costs 50 us and more. */
const zones = new Map<string, TimeZone | null>();
const MAX_ZONES = 64;

function putZone(read: Read, text: string): void {
  let zone = zones.get(text);
  if (zone === undefined) {
    if (zones.size >= MAX_ZONES) zones.clear();
    zones.set(text, (zone = timeZone(text)));
  }
  if (zone === null) read.isWrong = true;
  else read.zone = zone;
}

function putEpoch(read: Read, text: string, unitMs: number): void {
  read.epochMs = Math.round(Number(text) * unitMs);
}
