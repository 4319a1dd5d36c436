/** The value of the first cookie of that name in a Cookie header (RFC 6265, 5.4), or null. */
export function cookieOf(header: string, name: string): string | null {
  let at = 0;
  while (at < header.length) {
    // "; " between cookies; several lines of the header are joined by ", ".
    let end = header.indexOf(";", at);
    if (end < 0) end = header.length;
    const pair = header.slice(at, end).trim();
    if (pair.startsWith(name) && pair[name.length] === "=") return pair.slice(name.length + 1);
    at = end + 1;
  }
  return null;
}
