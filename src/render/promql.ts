/** Small pieces of PromQL. */

/** `{app="frontend",code=~"5.."}` from `["app", "=", "frontend"]` and so on. */
export function selector(
  matchers: readonly (readonly [label: string, operator: "=" | "=~", value: string])[],
): string {
  return `{${matchers.map(([label, operator, value]) => `${label}${operator}${quote(value)}`)}}`;
}

/** A PromQL string: the escapes are Go's, of which JSON's are a part. */
export function quote(value: string): string {
  return JSON.stringify(value);
}

/** A figure without the digits that binary fractions add: 14.4 * 0.001 is 0.0144. */
export function figure(value: number): string {
  return String(Number(value.toPrecision(12)));
}
