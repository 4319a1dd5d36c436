import { parseCef } from "./cef.ts";
import { parseClf, parseClfTime } from "./clf.ts";
import { parseContainerLine } from "./container_log.ts";
import { formatCsv, parseCsv } from "./csv.ts";
import { type Below, chance, fuzzUntil, garbled, oneOf } from "./testdata/fuzzing.ts";
import { LOGFMT, parseKeyValue } from "./key_value.ts";
import { parseHaproxy, parseNginxError } from "./server_logs.ts";
import { compileTimeFormat } from "./time_format.ts";
import { isoTime } from "./time_text.ts";

/**
 * Log lines of every format, mutated. Whatever comes: nothing throws, nothing takes long, what is
 * read is no longer than what came, and a time is a time.
 */

const LINES = [
  '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326',
  '::1 - - [01/Jan/2026:00:00:00 +0000] "GET /\\x22 HTTP/1.1" 404 - "http://a/" "curl/8 (\\"x\\")"',
  "CEF:0|Security|threatmanager|1.0|100|worm \\| stopped|10|src=10.0.0.1 msg=a\\=b c dst=2.1.2.2",
  'a,"b ""c""",,d;e',
  'level=info msg="it is \\"done\\"" took=2ms flag path=/a=b',
  "2026-11-21T15:00:00.123456789Z stdout P part of a line",
  '{"log":"hello\\n","stream":"stderr","time":"2026-11-21T15:00:00.1Z"}',
  '2026/11/21 15:00:00 [error] 31#31: *1 open() "/a" failed (2: No such file), client: 1.2.3.4, server: a, request: "GET / HTTP/1.1", host: "a"',
  "10.0.0.1:5000 [21/Nov/2026:15:00:00.123] web~ api/s1 0/0/1/2/3 200 512 - - ---- 1/1/0/0/0 0/0 {a|b} \"GET / HTTP/1.1\"",
  "2026-11-21 15:00:00,123 +0100",
  "21 Nov 2026 3:00 pm Europe/Berlin",
];
const SPECIAL = [
  ..."\"'\\=|,;:[]{}<>-+ \t\0\r\n%#0159zZäé\u{1f600}\ud800",
  '""', "\\\"", "\\", "\\x", " - ", "=\"", "99999999999999999999", "2026-02-30T25:61:61Z", "  ",
];
const FORMATS = ["yyyy-MM-dd HH:mm:ss,SSS Z", "dd MMM yyyy h:mm a VV", "dd/MMM/yyyy:HH:mm:ss Z"].map(
  (format) => {
    const compiled = compileTimeFormat(format);
    if (typeof compiled === "string") throw new Error(compiled);
    return compiled;
  },
);
/** So much longer than the line may what is read be: names of fields, decoded JSON escapes. */
const OVERHEAD = 4_000;
/** A line of so many characters is read within this: a regular expression that runs away is not. */
const MAX_MS = 500;

/** Runs until `Date.now()` passes `deadlineMs`, once at least; throws with seed and input. */
export function fuzz(seed: number, deadlineMs: number): Promise<{ runs: number }> {
  return fuzzUntil(seed, deadlineMs, fuzzOnce);
}

/** One line, read as everything; the same seed makes the same one. */
export function fuzzOnce(seed: number): void {
  const below = chance(seed);
  let line = garbled(LINES, below, SPECIAL);
  // A long run of what a pattern may take for itself in several ways.
  if (below(10) === 0) line += oneOf(SPECIAL, below).repeat(1 + below(3_000)) + oneOf(LINES, below);
  const started = performance.now();
  try {
    readAll(line, below);
  } catch (error) {
    throw new Error(`seed ${seed}: ${JSON.stringify(line)}`, { cause: error });
  }
  const took = performance.now() - started;
  if (took > MAX_MS) throw new Error(`seed ${seed}: ${took} ms for ${JSON.stringify(line)}`);
}

function readAll(line: string, below: Below): void {
  const found: unknown[] = [
    parseClf(line, "clf"),
    parseClf(line, "combined"),
    parseCef(line),
    parseKeyValue(line, LOGFMT),
    parseContainerLine(line, "auto"),
    parseNginxError(line),
    parseHaproxy(line),
  ];
  for (const one of found) {
    if (JSON.stringify(one ?? null).length > 8 * line.length + OVERHEAD) {
      throw new Error(`more was read than came: ${JSON.stringify(one)}`);
    }
  }
  const dialect = { delimiter: oneOf([",", ";", "\t"], below), quote: '"' };
  const values = parseCsv(line, dialect);
  if (values !== null) {
    const again = parseCsv(formatCsv(values, dialect), dialect);
    if (JSON.stringify(again) !== JSON.stringify(values)) throw new Error("CSV is not read again");
  }
  for (const time of [isoTime(line), ...FORMATS.map((one) => one.parse(line, 0, null))]) {
    if (time !== null && Number.isNaN(Date.parse(time))) throw new Error(`${time} is no time`);
  }
  const clf = parseClfTime(line);
  if (clf !== null && !Number.isFinite(clf)) throw new Error(`${clf} is no time`);
}
