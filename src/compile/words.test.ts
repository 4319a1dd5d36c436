import { expect, test } from "bun:test";
import * as words from "./words.ts";

test("durations are in the largest unit that leaves few digits", () => {
  const texts = [0, 250, 1000, 1500, 60_000, 90_000, 7_200_000].map(words.durationText);
  expect(texts).toEqual(["0 ms", "250 ms", "1 s", "1.5 s", "1 min", "90 s", "2 h"]);
});

test("ratios are percents without the digits of binary fractions", () => {
  expect([0.25, 0.001, 0.07, 1].map(words.percentText)).toEqual(["25%", "0.1%", "7%", "100%"]);
});

test("one is one", () => {
  expect(words.countText(1, "try", "tries")).toBe("1 try");
  expect(words.countText(2, "try", "tries")).toBe("2 tries");
  expect(words.countText(2, "probe")).toBe("2 probes");
});

test("an IPv6 address stands in brackets", () => {
  expect(words.hostPortText({ host: "::1", port: 80 })).toBe("[::1]:80");
  expect(words.hostPortText({ host: "127.0.0.1", port: 80 })).toBe("127.0.0.1:80");
});

test("several backends have their shares", () => {
  const one = [{ cluster: "api", weight: 7 }];
  expect(words.backendsText(one)).toBe("api");
  const two = [...one, { cluster: "next", weight: 1 }];
  expect(words.backendsText(two)).toBe("api 87.5%, next 12.5%");
});
