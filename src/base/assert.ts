/** A broken belief about our own code: always a bug here, never bad input. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** @throws AssertionError `bug: <message>` where the condition does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(`bug: ${message}`);
}
