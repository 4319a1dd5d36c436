import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  formatCpu,
  formatDuration,
  formatPercent,
  formatSize,
  parseCpu,
  parseDuration,
  parsePercent,
  parseSize,
} from "./units.ts";

const RUNS = { seed: 1, numRuns: 300 };

describe("durations", () => {
  test.each([
    ["250ms", 250],
    ["2s", 2000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["30d", 2_592_000_000],
    ["1m30s", 90_000],
    ["1.5s", 1500],
    ["0s", 0],
  ])("%s is %d ms", (text, ms) => expect(parseDuration(text)).toBe(ms));
  test.each(["", "2", "s", "2 s", "2S", "-2s", "1e3s", "2w", ".5s", "2s "])(
    "%p is none",
    (text) => {
      expect(parseDuration(text)).toBeNull();
    },
  );
  test("what is formatted is read back", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), (ms) => parseDuration(formatDuration(ms)) === ms),
      RUNS,
    );
  });
});

describe("percentages", () => {
  test.each([
    ["25%", 0.25],
    ["99.9%", 0.999],
    ["99.999%", 0.99999],
    ["0%", 0],
    ["150%", 1.5],
  ])("%s is %d, without a rounding error", (text, ratio) => expect(parsePercent(text)).toBe(ratio));
  test.each(["", "%", "25", "25 %", "-1%", "1e1%"])("%p is none", (text) => {
    expect(parsePercent(text)).toBeNull();
  });
  test("formatting gives back what was written", () => {
    for (const text of ["25%", "99.9%", "99.999%", "0.1%", "33.3%"]) {
      expect(formatPercent(parsePercent(text)!)).toBe(text);
    }
  });
});

describe("sizes", () => {
  test.each([
    ["256Mi", 268_435_456],
    ["1GiB", 1_073_741_824],
    ["64KB", 64_000],
    ["1k", 1000],
    ["1G", 1_000_000_000],
    ["512B", 512],
    ["1.5Ki", 1536],
  ])("%s is %d bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes));
  test.each(["", "64", "64kib", "64 Ki", "Ki", "-1Ki", "9999999Ti"])("%p is none", (text) => {
    expect(parseSize(text)).toBeNull();
  });
  test("what is formatted is read back", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 45), (bytes) => parseSize(formatSize(bytes)) === bytes),
      RUNS,
    );
  });
});

describe("CPU", () => {
  test.each([
    ["250m", 250],
    ["0.5", 500],
    ["2", 2000],
    ["0.001", 1],
  ])("%s is %d thousandths of a core", (text, milli) => expect(parseCpu(text)).toBe(milli));
  test.each(["", "m", "1.5m", "0.0001", "-1"])("%p is none", (text) => {
    expect(parseCpu(text)).toBeNull();
  });
  test("what is formatted is read back", () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), (milli) => parseCpu(formatCpu(milli)) === milli),
      RUNS,
    );
  });
});
