import { expect, test } from "bun:test";
import { Networks, networkProblem, parseAddress } from "./ip_address.ts";

test.each([
  ["0.0.0.1", 0xffff_0000_0001n],
  ["203.0.113.7", 0xffff_cb00_7107n],
  ["::ffff:203.0.113.7", 0xffff_cb00_7107n],
  ["::", 0n],
  ["::1", 1n],
  ["2001:db8::7", 0x2001_0db8_0000_0000_0000_0000_0000_0007n],
  ["1:2:3:4:5:6:7:8", 0x0001_0002_0003_0004_0005_0006_0007_0008n],
  ["1::", 0x0001_0000_0000_0000_0000_0000_0000_0000n],
] as const)("%s is an address", (text, value) => expect(parseAddress(text)).toBe(value));

test.each([
  "", "1.2.3", "1.2.3.256", "1.2.3.04", "1.2.3.4:80", "localhost", "1:2:3:4:5:6:7", ":1",
  "1:2:3:4:5:6:7:8:9", "1::2::3", "::12345", "1:2:3:4:5:6:7::8", "fe80::1%eth0", "[::1]", "1.2.3.4::",
])("%p is none", (text) => expect(parseAddress(text)).toBeNull());

test("an address is in a network, however it is written", () => {
  const office = new Networks(["203.0.113.0/24", "2001:db8::/32", "10.0.0.1"]);
  const has = (text: string) => office.has(parseAddress(text)!);
  expect(["203.0.113.0", "203.0.113.255", "::ffff:203.0.113.9", "2001:db8:1::1", "10.0.0.1"].map(has))
    .toEqual([true, true, true, true, true]);
  expect(["203.0.112.255", "203.0.114.0", "2001:db9::1", "10.0.0.2", "::cb00:7101"].map(has))
    .toEqual([false, false, false, false, false]);
  expect(new Networks(["0.0.0.0/0"]).has(parseAddress("2001:db8::1")!)).toBe(false);
  expect(() => new Networks(["1.2.3.4/33"])).toThrow("not a network");
});

test.each([
  ["203.0.113.0/24", null],
  ["203.0.113.7/24", "set them to 0"],
  ["203.0.113.0/33", "write an address"],
  ["office", "write an address"],
])("%s: %p", (text, problem) => {
  if (problem === null) expect(networkProblem(text)).toBeNull();
  else expect(networkProblem(text)).toContain(problem);
});
