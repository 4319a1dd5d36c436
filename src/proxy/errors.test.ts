import { expect, test } from "bun:test";
import { DECISIONS, type FailureCode } from "./errors.ts";

/** Envoy's response flags (its access log documentation; OM in its source), and AC: the adaptive limit's. */
const FLAGS = ["AC", "OM", "NR", "DPE", "UO", "UH", "UF", "UC", "UT", "SI", "UPE", "LR"];

/** Stable: they stand in logs, metrics and alerts. */
const STABLE: Readonly<Record<FailureCode, readonly [status: number, flag: string]>> = {
  "no-route": [404, "NR"],
  overload: [503, "OM"],
  "bad-path": [400, "DPE"],
  "unsupported-method": [405, "DPE"],
  "breaker-open": [503, "UO"],
  "overflow-requests": [503, "UO"],
  "overflow-concurrency": [503, "AC"],
  "overflow-pending": [503, "UO"],
  "no-endpoint": [503, "UH"],
  "connect-failure": [503, "UF"],
  "connect-timeout": [503, "UF"],
  "tls-failure": [503, "UF"],
  reset: [503, "UC"],
  "per-try-timeout": [504, "UT"],
  timeout: [504, "UT"],
  "idle-timeout": [504, "SI"],
  "request-body-timeout": [408, "SI"],
  "answer-not-read": [408, "SI"],
  "malformed-response": [502, "UPE"],
  "filter-error": [500, "LR"],
  "body-too-large": [413, "DPE"],
  "request-too-large": [413, "LR"],
  "response-too-large": [502, "LR"],
};

test("every code has its decision, and it is the documented one", () => {
  const codes = Object.entries(DECISIONS);
  const decided = codes.map(([code, { status, flag }]) => [code, [status, flag]]);
  expect(Object.fromEntries(decided)).toEqual(STABLE);
});

test.each(Object.entries(DECISIONS))("%s is consistent", (_code, decision) => {
  expect(FLAGS).toContain(decision.flag);
  expect(decision.status).toBeGreaterThanOrEqual(400);
  expect(decision.text).toMatch(/^[ -~]+$/);
  // Nothing that was decided here gets better by trying it again.
  if (decision.source === "local") expect(decision.retry).toBeNull();
  if (decision.source === "upstream") expect(decision.fallback).not.toBeNull();
});
