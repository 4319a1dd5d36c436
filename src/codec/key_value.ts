/** Lines of keys and values: logfmt (https://brandur.org/logfmt), and the dialects of other programs. */

export interface KeyValueDialect {
  /** Between a value and the next key; more of it in a row count as one. */
  readonly pairs: string;
  /** Between a key and its value. */
  readonly separator: string;
}

export type KeyValueOptions = KeyValueDialect & {
  /** A word without a separator is a key that is true; else it makes the line unreadable. */
  readonly flags: boolean;
};

export const LOGFMT: KeyValueOptions = { pairs: " ", separator: "=", flags: true };

/**
 * Null where the line has no pair, a quote is not closed, or a word is no pair and flags are off. A
 * key that comes twice has its last value. Values in double quotes have escapes: \" \\ \n \r \t.
 */
export function parseKeyValue(
  line: string,
  { pairs, separator, flags }: KeyValueOptions,
): Record<string, string | true> | null {
  const fields: Record<string, string | true> = {};
  let count = 0;
  let hasPair = false;
  for (let at = 0; at < line.length;) {
    if (line.startsWith(pairs, at)) {
      at += pairs.length;
      continue;
    }
    let keyEnd = line.indexOf(separator, at);
    let wordEnd = line.indexOf(pairs, at);
    if (wordEnd < 0) wordEnd = line.length;
    if (keyEnd < 0 || keyEnd > wordEnd) keyEnd = -1;
    if (keyEnd === at) return null;
    const key = line.slice(at, keyEnd < 0 ? wordEnd : keyEnd).trim();
    if (keyEnd < 0) {
      if (!flags) return null;
      put(fields, key, true);
      at = wordEnd;
    } else {
      hasPair = true;
      const start = keyEnd + separator.length;
      if (line[start] === '"') {
        const end = closingQuote(line, start + 1);
        if (end < 0) return null;
        put(fields, key, unescape(line.slice(start + 1, end)));
        at = end + 1;
      } else {
        const next = line.indexOf(pairs, start);
        at = next < 0 ? line.length : next;
        put(fields, key, line.slice(start, at));
      }
    }
    count += 1;
    if (count > MAX_PAIRS) return null;
  }
  return hasPair ? fields : null;
}

/** A line of more pairs is no log line. */
const MAX_PAIRS = 1000;

function put(fields: Record<string, string | true>, key: string, value: string | true): void {
  if (key !== "__proto__") fields[key] = value;
}

function closingQuote(line: string, from: number): number {
  for (let at = from; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code === 0x22) return at;
    if (code === 0x5c) at += 1;
  }
  return -1;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

function unescape(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\(.)/gs, (_, one: string) => ESCAPES[one] ?? one);
}
