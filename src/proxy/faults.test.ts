import { afterEach, describe, expect, test } from "bun:test";
import type { FaultOrder, FaultPolicy } from "../api/fault.ts";
import { Rig } from "../sim/rig.ts";

/** Faults that are switched at run time, on a whole proxy. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const aborts = (status: number): FaultPolicy => {
  return { delay: null, abort: { status, ratio: 1 }, headers: {}, maxHeld: 1 };
};

function order(status: number, more: Partial<FaultOrder> = {}): FaultOrder {
  return { listener: "in", route: null, fault: aborts(status), forMs: null, ...more };
}

const TWO_ROUTES = {
  listeners: {
    in: {
      routes: [
        { name: "all" },
        { name: "a", path: { kind: "prefix" as const, value: "/a" } },
      ],
    },
  },
};

async function statuses(): Promise<number[]> {
  return [(await rig.ask("/")).status, (await rig.ask("/a")).status];
}

describe("a fault at run time", () => {
  test("of a route goes before its listener's, which goes before the file's", async () => {
    const { routes } = TWO_ROUTES.listeners.in;
    const filters = [{ filter: "fault", config: { ...aborts(500) } }];
    const shape = { listeners: { in: { routes: routes.map((one) => ({ ...one, filters })) } } };
    rig = new Rig(shape);
    expect(await statuses()).toEqual([500, 500]);
    rig.proxy.setFault(order(501));
    expect(await statuses()).toEqual([501, 501]);
    rig.proxy.setFault(order(502, { route: "a" }));
    expect(await statuses()).toEqual([501, 502]);
    rig.proxy.setFault(order(504, { route: "a" }));
    expect(await statuses()).toEqual([501, 504]);
    expect(rig.proxy.faults().length).toBe(2);
    expect(rig.proxy.clearFaults("in", "a")).toBe(1);
    expect(await statuses()).toEqual([501, 501]);
    expect(rig.proxy.clearFaults("other", null)).toBe(0);
    expect(rig.proxy.clearFaults("in", null)).toBe(1);
    expect(await statuses()).toEqual([500, 500]);
  });

  test("ends by itself when it was asked to", async () => {
    rig = new Rig();
    rig.upstream();
    rig.proxy.setFault(order(503, { forMs: 60_000 }));
    await rig.advance(20_000);
    expect(rig.proxy.faults()[0]!.remainingMs).toBe(40_000);
    expect((await rig.ask()).status).toBe(503);
    await rig.advance(41_000);
    expect([(await rig.ask()).status, rig.proxy.faults()]).toEqual([200, []]);
    const texts = rig.proxy.stats().events.filter(({ kind }) => kind === "faults-changed");
    expect(texts.map(({ text }) => text)).toEqual([
      "a fault is in force on in",
      "a fault ended by itself",
    ]);
  });

  test("outlives a new Snapshot, as long as its listener and route are in it", async () => {
    rig = new Rig(TWO_ROUTES);
    rig.upstream();
    rig.proxy.setFault(order(503, { route: "a" }));
    rig.apply({ ...TWO_ROUTES, version: "2" });
    expect(await statuses()).toEqual([200, 503]);
    rig.apply({ version: "3", route: { name: "all" } });
    expect([await statuses(), rig.proxy.faults()]).toEqual([[200, 200], []]);
    rig.apply({ ...TWO_ROUTES, version: "4" });
    expect(await statuses()).toEqual([200, 200]);
  });

  test("on a listener or route that is not there is refused, with the names that are", () => {
    rig = new Rig(TWO_ROUTES);
    expect(() => rig.proxy.setFault(order(503, { listener: "out" }))).toThrow("there are: in");
    expect(() => rig.proxy.setFault(order(503, { route: "b" }))).toThrow("there are: all, a");
    expect(rig.proxy.faults()).toEqual([]);
  });
});
