import { expect, test } from "bun:test";
import { median, performancePage, quantile, row, table } from "./results.ts";
import { readWrk } from "./wrk.ts";

const about = { id: "http1/bare/1KB/c64", work: "Work.", unit: "us", better: "lower" } as const;

test("a row has the median and the extremes of its rounds", () => {
  const made = row(
    about,
    new Map([
      ["outrigger", [3, 1, 2]],
      ["envoy", [10, 400, 20, 30]],
    ]),
  );
  expect(made.values).toEqual({ outrigger: 2, envoy: 25 });
  expect(made.spread).toEqual({ outrigger: [1, 3], envoy: [10, 400] });
});

test("median and quantile", () => {
  expect([median([1, 2, 9]), median([1, 3])]).toEqual([2, 2]);
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
  expect([0.5, 0.99, 0.999].map((q) => quantile(hundred, q))).toEqual([50, 99, 100]);
});

test("the table says how many times ours the others are", () => {
  const made = row(
    about,
    new Map([
      ["outrigger", [10]],
      ["envoy", [25]],
    ]),
  );
  expect(table([made])).toEqual([
    ["row", "unit", "outrigger", "envoy"],
    ["http1/bare/1KB/c64", "us", "10", "25 (x2.50)"],
  ]);
});

test("the page shows each area with machine and versions", () => {
  const machine = { cpu: "Some CPU", cores: 2, memoryGib: 24, kernel: "6.1" };
  const rows = [row(about, new Map([["outrigger", [10]]]))];
  const versions = { outrigger: "0.1.0" };
  const page = performancePage([
    { area: "http1", date: "2026-11-21", quick: true, machine, versions, rows },
  ]);
  expect(page).toContain("| http1/bare/1KB/c64 | us | 10 |");
  expect(page).toContain(
    "2026-11-21, a quick run; 2 x Some CPU, 24 GiB, Linux 6.1; outrigger 0.1.0.",
  );
});

test("wrk's output counts only where all was well", () => {
  const good = "  49603 requests in 1.00s, 60.16MB read\nRequests/sec:  49353.12\n";
  expect(readWrk("envoy", good)).toEqual({ requests: 49603, requestsPerSecond: 49353.12 });
  expect(() => readWrk("envoy", `${good}  Non-2xx or 3xx responses: 3\n`)).toThrow(
    "through envoy was not clean: Non-2xx",
  );
  expect(() =>
    readWrk("envoy", `${good}  Socket errors: connect 0, read 1, write 0, timeout 0\n`),
  ).toThrow("Socket errors");
  expect(() => readWrk("envoy", "unable to connect")).toThrow("unable to connect");
});
