import { expect, test } from "bun:test";
import type { FailedRequest } from "../api/request_record.ts";
import { DECISIONS } from "../proxy/errors.ts";
import { failureWords, placeWords } from "./failure_words.ts";

function failed(over: Partial<FailedRequest>): FailedRequest {
  return {
    ...{ timeMs: 0, listener: "inbound", method: "GET", path: "/a", query: "", host: "shop" },
    ...{ route: "/*", cluster: "api", upstream: "10.0.0.1:80", status: 503, flags: [] },
    ...{ detail: "", reason: null, durationMs: 12, tries: [], requestBytes: 0, responseBytes: 0 },
    ...{ requestId: null, traceId: null, key: "f0-1", version: "1", cause: "reset", filter: null },
    ...{ policy: [], breaker: null, answeredBy: "here" as const },
    ...over,
  };
}

test("each way to fail is told in words, with what to do about it", () => {
  const others = ["denied", "rate_limited", "rate_limit_away", "fault_filter_abort", "via_upstream"];
  const more = ["caller-left", "direct_response", "downstream_malformed"];
  const told = new Set<string>();
  for (const cause of [...Object.keys(DECISIONS), ...others, ...more]) {
    const { what, advice } = failureWords(failed({ cause, reason: `reason of ${cause}` }), "front");
    expect([cause, what.length > 10, advice.length > 10]).toEqual([cause, true, true]);
    expect(`${what} ${advice}`).not.toMatch(/undefined|null/);
    told.add(what);
  }
  expect(told.size).toBe(Object.keys(DECISIONS).length + others.length + more.length);
});

test("retries that were used up, and what the caller got instead, are told along", () => {
  const flags = ["UF", "URX"];
  const { what } = failureWords(failed({ cause: "connect-failure", flags, answeredBy: "fallback" }), "a");
  expect(what).toContain("all retries were used (0 tries failed); the caller got the fallback, 503");
});

test("a place says whose line it is: its own, the one around it, or nobody's", () => {
  const origin = { file: "shop.yaml", line: 9, column: 5, field: "spec.calls.api" };
  const pointer = "/policy/clusters/api/limits/maxRequests";
  const from = (place: Parameters<typeof placeWords>[0]) => placeWords(place).from;
  expect(from({ pointer, value: 1, origin, isWritten: true })).toBe(
    "asked for by shop.yaml:9:5 spec.calls.api",
  );
  expect(from({ pointer, value: 1, origin, isWritten: false })).toStartWith(
    "a default, on what shop.yaml:9:5 spec.calls.api asks for: ",
  );
  const inner = { pointer: "/policy/clusters/api", value: null, origin, isWritten: false };
  expect(placeWords(inner)).toEqual({
    what: "/policy/clusters/api",
    from: "follows from shop.yaml:9:5 spec.calls.api",
  });
  expect(from({ ...inner, origin: null })).toBe("no line asks for it: it is a default");
});
