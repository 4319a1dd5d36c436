import { expect, test } from "bun:test";
import { EXIT_CODES, Failure } from "./failure.ts";
import type { FailureKind } from "./failure.ts";

test("each kind of failure has an exit code of its own, apart from success and signals", () => {
  const codes = Object.values(EXIT_CODES);
  expect(new Set(codes).size).toBe(codes.length);
  for (const code of codes) {
    expect(Number.isInteger(code) && code > 0 && code < 256).toBe(true);
  }
  // 126 and 127 are the shell's own; above 128 is death by a signal.
  const kinds = Object.keys(EXIT_CODES) as FailureKind[];
  const high = kinds.filter((kind) => EXIT_CODES[kind] >= 126);
  expect(high).toEqual(["interrupted"]);
});

test("a failure carries its text, its advice and its exit code", () => {
  const failure = new Failure("port-in-use", "port 8080 is in use", "choose another");
  expect(failure).toBeInstanceOf(Error);
  expect(failure).toMatchObject({
    name: "Failure",
    message: "port 8080 is in use",
    advice: "choose another",
    exitCode: 4,
  });
});
