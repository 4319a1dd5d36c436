/** Bounds are for a broken build, which then fails with words: nothing is measured with them. */
const POLL_MS = 25;

/** Asks again until there is an answer; an error counts as none until the bound. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null> | T | null,
  boundMs = 20_000,
): Promise<T> {
  const end = performance.now() + boundMs;
  let last: unknown = null;
  while (performance.now() < end) {
    try {
      const found = await ask();
      if (found !== null) return found;
      last = null;
    } catch (error) {
      last = error;
    }
    await Bun.sleep(POLL_MS);
  }
  throw new Error(`waited ${boundMs / 1000} s in vain: ${what}`, { cause: last });
}

export function untilTrue(
  what: string,
  ask: () => Promise<boolean> | boolean,
  boundMs?: number,
): Promise<true> {
  return until(what, async () => ((await ask()) ? true : null), boundMs);
}
