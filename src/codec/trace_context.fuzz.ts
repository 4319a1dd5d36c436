import { chance, fuzzUntil, garbled, oneOf } from "./testdata/fuzzing.ts";
import { HeaderBlock, hashName, isFieldValue } from "./headers.ts";
import { ALL_FORMATS, TraceContext } from "./trace_context.ts";

/**
 * Trace contexts that callers send, mutated. Whatever comes: nothing throws, ids are ids, and what
 * we pass on is read again as the same trace.
 */

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const VALUES: Readonly<Record<string, readonly string[]>> = {
  traceparent: [`00-${TRACE}-${SPAN}-01`, `cc-${TRACE}-${SPAN}-00-more`],
  tracestate: ["a=1,b@c=2", "rojo=00f067aa0ba902b7"],
  b3: [`${TRACE}-${SPAN}-1-${SPAN}`, `${SPAN}-${SPAN}-d`, "0"],
  "x-b3-traceid": [TRACE, SPAN],
  "x-b3-spanid": [SPAN],
  "x-b3-sampled": ["1", "0", "true"],
  "x-b3-flags": ["1", "0"],
};
const SPECIAL = [..."0123456789abcdefABCDEFgG-=,; \t\xff", "00-", "ff-", "-01", "0".repeat(32), "--"];

/** Runs until `Date.now()` passes `deadlineMs`, once at least; throws with seed and input. */
export function fuzz(seed: number, deadlineMs: number): Promise<{ runs: number }> {
  return fuzzUntil(seed, deadlineMs, fuzzOnce);
}

/** Some headers; the same seed makes the same ones. */
export function fuzzOnce(seed: number): void {
  const below = chance(seed);
  const fields: [string, string][] = [];
  for (let count = 1 + below(5); count > 0; count--) {
    const name = oneOf(Object.keys(VALUES), below);
    const values = VALUES[name]!;
    const value = below(3) === 0 ? oneOf(values, below) : garbled(values, below, SPECIAL);
    if (isFieldValue(value)) fields.push([name, value.trim()]);
  }
  try {
    check(fields);
  } catch (error) {
    throw new Error(`seed ${seed}: ${JSON.stringify(fields)}`, { cause: error });
  }
}

function check(fields: readonly (readonly [string, string])[]): void {
  const context = new TraceContext();
  const headers = blockOf(fields);
  context.read(headers, ALL_FORMATS);
  if (!context.hasIds) return;
  const { traceId } = context;
  if (!/^[0-9a-f]{32}$/.test(traceId) || /^0+$/.test(traceId)) throw new Error(`id ${traceId}`);
  const passed: [string, string][] = [];
  headers.forEach((name, value) => passed.push([name, value]));
  const again = new TraceContext();
  again.read(blockOf(passed), ALL_FORMATS);
  if (!again.hasIds || again.traceId !== traceId) throw new Error(`passed on as ${again.traceId}`);
}

/** As the codec would have placed them. */
function blockOf(fields: readonly (readonly [string, string])[]): HeaderBlock {
  const headers = new HeaderBlock();
  headers.reset(Buffer.from(fields.map(([name, value]) => `${name}: ${value}\r\n`).join(""), "latin1"));
  let at = 0;
  for (const [name, value] of fields) {
    const valueAt = at + name.length + 2;
    const end = valueAt + value.length;
    headers.place(hashName(name.toLowerCase()), at, at + name.length, valueAt, end, end + 2);
    at = end + 2;
  }
  return headers;
}
