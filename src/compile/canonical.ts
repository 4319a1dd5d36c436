/**
 * JSON with one spelling per value: keys sorted by code unit, no spaces, and no `undefined`. It is
 * what hashes are taken of and what decides whether two parts are equal. (RFC 8785 without its
 * rules for exotic numbers, which no Snapshot holds.)
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value));
}

/** The same value with the keys of every object in order, and without undefined members. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const result: Record<string, unknown> = {};
  for (const [key, member] of members) {
    // defineProperty, because assigning to "__proto__" would not make a member.
    Object.defineProperty(result, key, {
      value: sorted(member),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return result;
}

export function sameJson(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
