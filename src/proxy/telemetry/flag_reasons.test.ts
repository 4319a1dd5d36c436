import { expect, test } from "bun:test";
import { DECISIONS } from "../errors.ts";
import { FLAG_REASONS, reasonOf } from "./flag_reasons.ts";

test("every failure's flag has words", () => {
  for (const { flag } of Object.values(DECISIONS)) expect(Object.keys(FLAG_REASONS)).toContain(flag);
});

test("flags become a sentence, in their order", () => {
  expect(reasonOf("")).toBe(null);
  expect(reasonOf("UF,URX")).toBe("cannot connect upstream; no retry is left");
});

test("S2-12 flags that several failures share say which one it was; those of earlier tries do not", () => {
  const reasons: Readonly<Record<string, readonly [flags: string, reason: string]>> = {
    "breaker-open": ["UO", "the callee's circuit breaker is open"],
    "overflow-requests{api}": [
      "UO",
      "the callee has as many requests in flight as its limit allows",
    ],
    "fallback_overflow{overflow-pending}": [
      "UO",
      "as many requests wait for a connection as the callee's limit allows",
    ],
    "per-try-timeout": [
      "UF,UT,URX",
      "cannot connect upstream; the upstream did not answer within the time of a try; no retry is left",
    ],
    "last_good_timeout{timeout}": ["UT", "the upstream did not answer within the route's time"],
    "connect-timeout": ["UF", "the connection to the upstream was not made in time"],
    "tls-failure": [
      "UF",
      "the upstream's TLS or certificate is not as expected, or it refuses ours",
    ],
    via_upstream: ["UF", "cannot connect upstream"],
    "bad-path": ["DPE", "the path cannot be normalised"],
    downstream_malformed: ["DPE", "the caller's request is malformed"],
  };
  for (const [detail, [flags, reason]] of Object.entries(reasons)) {
    expect([detail, reasonOf(flags, detail)]).toEqual([detail, reason]);
  }
  // Every failure has words of its own, or is the only one with its flag.
  const words = Object.entries(DECISIONS).map(([code, { flag }]) => `${flag} ${reasonOf(flag, code)}`);
  const same = words.filter((one, index) => words.indexOf(one) !== index);
  expect(same).toEqual([]);
});
