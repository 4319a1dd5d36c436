/**
 * The value of the first cookie of that name in a Cookie header (RFC 6265, 5.4), or null. Several
 * lines of the header are joined by ", ", which no cookie's value holds.
 */
export function cookieOf(header: string, name: string): string | null {
  for (let at = header.indexOf(name); at >= 0; at = header.indexOf(name, at + 1)) {
    if (!startsPair(header, at)) continue;
    let equals = at + name.length;
    while (header[equals] === " ") equals++;
    if (header[equals] === "=") return valueFrom(header, equals + 1);
  }
  return null;
}

function startsPair(header: string, at: number): boolean {
  let before = at - 1;
  while (header[before] === " ") before--;
  return before < 0 || header[before] === ";" || (header[before] === "," && before < at - 1);
}

function valueFrom(header: string, start: number): string {
  const semicolon = header.indexOf(";", start);
  const value = semicolon < 0 ? header.slice(start) : header.slice(start, semicolon);
  const comma = value.indexOf(", ");
  return (comma < 0 ? value : value.slice(0, comma)).trim();
}
