import { expect, test } from "bun:test";
import { defaultReason, PLAIN_CALL, PLAIN_SIDECAR } from "./defaults.ts";
import { explain } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

test("the plainest call has no policy", () => {
  expect(PLAIN_CALL).toMatchObject({ timeout: 0, idleTimeout: 0, balance: "round-robin" });
  expect(PLAIN_CALL.retry).toBeUndefined();
  expect(PLAIN_CALL.breaker).toBeUndefined();
  expect(PLAIN_CALL.fallback).toBeUndefined();
  expect(PLAIN_SIDECAR).toMatchObject({ enabled: true, workers: 1 });
});

test("every figure of a Snapshot that nobody wrote has a reason", () => {
  const [, frontend] = snapshotsOf(
    appText("api", 9000) +
      appText("frontend", 8080, ["calls: { api: { retry: {}, breaker: {}, fallback: {} } }"]),
  );
  const unexplained = explain(frontend!)
    .filter(({ value, source }) => typeof value === "number" && source === "derived")
    .map(({ pointer }) => pointer);
  expect(unexplained).toEqual([]);
});

test("a pointer that fits no default has no reason", () => {
  expect(defaultReason("/policy/clusters/api")).toBeNull();
  expect(defaultReason("/policy/clusters/api/limits/maxRequests")).toContain("1024");
});
