/**
 * The value of the first cookie of that name in a Cookie header (RFC 6265, 5.4), or null. Several
 * lines of the header are joined by ", ", which no cookie's value holds.
 */
export function cookieOf(header: string, name: string): string | null {
  if (!header.includes(name)) return null;
  for (const pair of header.split(/;|, /)) {
    const equals = pair.indexOf("=");
    if (equals >= 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return null;
}
