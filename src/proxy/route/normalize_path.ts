/**
 * A path as it is compared and passed on (RFC 3986, 6.2.2): unreserved characters decoded, dot
 * segments removed, hexadecimal digits in upper case. An encoded slash stays encoded. Null for what
 * readers disagree about: a bad escape, an encoded NUL, a backslash.
 */
export function normalizePath(path: string): string | null {
  if (!path.startsWith("/") || /\\|%5c|%00/i.test(path)) return null;
  let bad = false;
  const decoded = path.replace(/%(..)?/gs, (escape, digits: string | undefined) => {
    if (digits === undefined || !/^[0-9a-f]{2}$/i.test(digits)) {
      bad = true;
      return escape;
    }
    const char = String.fromCharCode(Number.parseInt(digits, 16));
    return /[A-Za-z0-9\-._~]/.test(char) ? char : escape.toUpperCase();
  });
  return bad ? null : removeDotSegments(decoded);
}

/** RFC 3986, 5.2.4. */
function removeDotSegments(path: string): string {
  if (!path.includes("/.")) return path;
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  segments.forEach((segment, index) => {
    const isLast = index === segments.length - 1;
    if (segment === "..") kept.pop();
    if (segment === "." || segment === "..") {
      if (isLast) kept.push("");
    } else kept.push(segment);
  });
  return `/${kept.join("/")}`;
}
