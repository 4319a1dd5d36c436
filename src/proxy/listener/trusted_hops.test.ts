import { expect, test } from "bun:test";
import { TrustedHops } from "./trusted_hops.ts";

test("a connection's other end is in the networks, however its socket writes it", () => {
  const hops = new TrustedHops(["10.0.0.0/8", "2001:db8::1"]);
  for (let time = 0; time < 2; time++) {
    expect(hops.hasPeer("10.1.2.3")).toBe(true);
    expect(hops.hasPeer("::ffff:10.1.2.3")).toBe(true);
    expect(hops.hasPeer("2001:db8:0::1")).toBe(true);
    expect(hops.hasPeer("203.0.113.7")).toBe(false);
    expect(hops.hasPeer("")).toBe(false);
  }
  expect(new TrustedHops([]).hasPeer("10.1.2.3")).toBe(false);
});

test("what is remembered is bounded, and no answer changes with it", () => {
  const hops = new TrustedHops(["10.0.0.0/24"]);
  for (let n = 0; n < 5_000; n++) {
    const address = `10.0.${n >> 8}.${n & 255}`;
    expect(hops.hasPeer(address)).toBe(n < 256);
  }
  expect(hops.hasPeer("10.0.0.7")).toBe(true);
});
