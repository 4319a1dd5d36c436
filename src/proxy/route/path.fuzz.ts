import { chance, fuzzUntil, garbled } from "../../codec/testdata/fuzzing.ts";
import { normalizePath } from "./normalize_path.ts";

/**
 * Paths that readers disagree about. Whatever comes: what is matched and passed on is the same
 * however often it is normalised, has no dot segments and no needless escapes, and stays a path.
 */

const PATHS = [
  "/a/b/../c", "/%2e%2e/%2e/", "//a//", "/a%2fb", "/%41%7e", "/a/./b/.", "/..", "/%zz", "/a%00",
  "/;a=b/c", "/a\\b", "/%c3%a4", "/a%2", "/", "/.hidden/..a/...",
];
const SPECIAL = [..."/.%25eEfF\\;:@ ~\0\xff", "/../", "/./", "%2e", "%2F", "%5c", "%25", "//", ".."];

/** Runs until `Date.now()` passes `deadlineMs`, once at least; throws with seed and input. */
export function fuzz(seed: number, deadlineMs: number): Promise<{ runs: number }> {
  return fuzzUntil(seed, deadlineMs, fuzzOnce);
}

/** One path; the same seed makes the same one. */
export function fuzzOnce(seed: number): void {
  const path = garbled(PATHS, chance(seed), SPECIAL);
  const normal = normalizePath(path);
  if (normal === null) return;
  const fail = (why: string): never => {
    throw new Error(`seed ${seed}: ${JSON.stringify(path)} becomes ${JSON.stringify(normal)}: ${why}`);
  };
  if (!normal.startsWith("/")) fail("no path");
  if (/\/\.\.?(?:\/|$)/.test(normal)) fail("a dot segment");
  if (normalizePath(normal) !== normal) fail("normalised again it is another");
  if (/%(?:4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9ae]|3[0-9]|2[de]|5f)/i.test(normal)) fail("an escape");
  if (normal.length > path.length) fail("longer than it came");
}
