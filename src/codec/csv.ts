/** One record of comma-separated values (RFC 4180), on one line. */

export interface CsvDialect {
  /** One character. */
  readonly delimiter: string;
  readonly quote: string;
}

/** Its values, or null where a quote is not closed, or something stands behind a closing one. */
export function parseCsv(line: string, { delimiter, quote }: CsvDialect): string[] | null {
  const values: string[] = [];
  let at = 0;
  for (;;) {
    if (line[at] !== quote) {
      const end = line.indexOf(delimiter, at);
      values.push(end < 0 ? line.slice(at) : line.slice(at, end));
      if (end < 0) return values;
      at = end + 1;
      continue;
    }
    const found = quotedValue(line, at + 1, quote);
    if (found === null) return null;
    values.push(found.value);
    if (found.next === line.length) return values;
    if (line[found.next] !== delimiter) return null;
    at = found.next + 1;
  }
}

/** From behind an opening quote; a doubled quote is one. `next` is behind the closing one. */
function quotedValue(
  line: string,
  from: number,
  quote: string,
): { readonly value: string; readonly next: number } | null {
  let value = "";
  for (let start = from; ;) {
    const end = line.indexOf(quote, start);
    if (end < 0) return null;
    value += line.slice(start, end);
    if (line[end + 1] !== quote) return { value, next: end + 1 };
    value += quote;
    start = end + 2;
  }
}

/** The record as a line; the inverse of `parseCsv`. */
export function formatCsv(values: readonly string[], { delimiter, quote }: CsvDialect): string {
  const written = values.map((value) => {
    if (!value.includes(delimiter) && !value.includes(quote)) return value;
    return quote + value.replaceAll(quote, quote + quote) + quote;
  });
  return written.join(delimiter);
}
