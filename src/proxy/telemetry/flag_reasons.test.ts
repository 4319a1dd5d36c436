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
