/**
 * Seeds that every test run tries. One that ever failed joins them, with a comment that says what
 * it found.
 */
export const PROXY_SEEDS: readonly number[] = [
  ...Array.from({ length: 20 }, (_, index) => index + 1),
];

/** Found before the policies that came later were drawn too: they are run without those. */
export const PLAIN_SEEDS: readonly number[] = [
  // A request sent again for a stale connection opened one connection above the limit.
  5003,
  5007,
];
