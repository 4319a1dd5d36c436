import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { BreakerPolicy } from "../../api/snapshot.ts";
import { breakerMemory, GroupBreaker } from "../group/group_breaker.ts";
import { type Breaker, type BreakerListener, type BreakerState, LocalBreaker } from "./breaker.ts";

const POLICY: BreakerPolicy = {
  errorRate: 0.5,
  minRequests: 4,
  windowMs: 10_000,
  openMs: 5_000,
  halfOpenRequests: 2,
};

type Create = (policy: BreakerPolicy, changed: BreakerListener, firstPass: number) => Breaker;

const alone: Create = (policy, changed, firstPass) =>
  new LocalBreaker(policy, 0, changed, firstPass);

/** Every call comes from another worker; their clocks differ. */
const inGroup: Create = (policy, changed, firstPass) => {
  const memory = breakerMemory(3, firstPass);
  const offsets = [0, 777, -123_456];
  const workers = offsets.map((clockOffsetMs, worker) => {
    return new GroupBreaker(policy, memory, { worker, workers: 3, clockOffsetMs }, changed);
  });
  let turn = 0;
  const next = (): readonly [Breaker, number] => {
    turn = (turn + 1) % 3;
    return [workers[turn]!, offsets[turn]!];
  };
  return {
    get state() {
      return next()[0].state;
    },
    get nextPass() {
      return next()[0].nextPass;
    },
    tryAcquire(nowMs) {
      const [one, offsetMs] = next();
      return one.tryAcquire(nowMs - offsetMs);
    },
    record(pass, nowMs, failed, tookMs) {
      const [one, offsetMs] = next();
      one.record(pass, nowMs - offsetMs, failed, tookMs);
    },
    release: (pass) => next()[0].release(pass),
  };
};

describe.each([
  ["alone", alone],
  ["by turns in three workers", inGroup],
] as const)("%s", (_name, create) => {
  function make(over: Partial<BreakerPolicy> = {}): { breaker: Breaker; changes: BreakerState[] } {
    const changes: BreakerState[] = [];
    const breaker = create({ ...POLICY, ...over }, (to) => changes.push(to), 1);
    return { breaker, changes };
  }

  /** One try at a time that ended so; false where the breaker refused it. */
  function tried(breaker: Breaker, nowMs: number, failed: boolean): boolean {
    const pass = breaker.tryAcquire(nowMs);
    if (pass !== 0) breaker.record(pass, nowMs, failed);
    return pass !== 0;
  }

  function opened(over: Partial<BreakerPolicy> = {}): ReturnType<typeof make> {
    const made = make(over);
    for (let count = 0; count < 4; count++) tried(made.breaker, 0, true);
    expect(made.breaker.state).toBe("open");
    return made;
  }

  describe("closed", () => {
    test("stays so below the least number of tries", () => {
      const { breaker } = make();
      for (let count = 0; count < 3; count++) tried(breaker, 0, true);
      expect(breaker.state).toBe("closed");
      tried(breaker, 0, true);
      expect(breaker.state).toBe("open");
    });

    test("opens at the rate, not below it", () => {
      const { breaker } = make({ minRequests: 10 });
      for (let count = 0; count < 6; count++) tried(breaker, 0, false);
      for (let count = 0; count < 5; count++) tried(breaker, 0, true);
      expect(breaker.state).toBe("closed");
      tried(breaker, 0, true);
      expect(breaker.state).toBe("open");
    });

    test("forgets what is older than the window, a part at a time", () => {
      const { breaker } = make();
      for (let count = 0; count < 3; count++) tried(breaker, 500, true);
      tried(breaker, 9_900, false);
      // The three have left; the good one has not.
      for (const nowMs of [10_500, 10_600]) tried(breaker, nowMs, true);
      expect(breaker.state).toBe("closed");
      tried(breaker, 10_700, true);
      expect(breaker.state).toBe("open");
    });

    test("forgets all after a long silence", () => {
      const { breaker } = make();
      for (let count = 0; count < 3; count++) tried(breaker, 0, true);
      tried(breaker, 1_000_000, true);
      expect(breaker.state).toBe("closed");
    });

    test("what says nothing of the upstream does not count", () => {
      const { breaker } = make();
      for (let count = 0; count < 50; count++) breaker.release(breaker.tryAcquire(0));
      for (let count = 0; count < 3; count++) tried(breaker, 0, true);
      expect(breaker.state).toBe("closed");
    });
  });

  describe("open", () => {
    test("refuses until its time is up, then lets a few probes through", () => {
      const { breaker, changes } = opened();
      expect(breaker.tryAcquire(4_999)).toBe(0);
      const probes = [5_000, 5_000, 5_000].map((nowMs) => breaker.tryAcquire(nowMs));
      expect(probes.map((pass) => pass !== 0)).toEqual([true, true, false]);
      expect(changes).toEqual(["open", "half-open"]);
    });
  });

  describe("half-open", () => {
    test("closes after as many successes", () => {
      const { breaker, changes } = opened();
      tried(breaker, 5_000, false);
      expect(breaker.state).toBe("half-open");
      tried(breaker, 5_001, false);
      expect(changes).toEqual(["open", "half-open", "closed"]);
      // With an empty window.
      for (let count = 0; count < 3; count++) tried(breaker, 5_002, true);
      expect(breaker.state).toBe("closed");
    });

    test("one failure opens it anew, for the whole time", () => {
      const { breaker, changes } = opened();
      tried(breaker, 5_000, false);
      tried(breaker, 5_500, true);
      expect(changes).toEqual(["open", "half-open", "open"]);
      expect(breaker.tryAcquire(10_499)).toBe(0);
      expect(breaker.tryAcquire(10_500)).not.toBe(0);
    });

    test("a probe that says nothing gives its place back", () => {
      const { breaker } = opened({ halfOpenRequests: 1 });
      const probe = breaker.tryAcquire(5_000);
      expect(breaker.tryAcquire(5_000)).toBe(0);
      breaker.release(probe);
      expect(tried(breaker, 5_000, false)).toBe(true);
      expect(breaker.state).toBe("closed");
    });
  });

  test("a pass from before a change of state says nothing of the new one", () => {
    const { breaker } = make({ halfOpenRequests: 1 });
    const early = [breaker.tryAcquire(0), breaker.tryAcquire(0), breaker.tryAcquire(0)];
    for (let count = 0; count < 4; count++) tried(breaker, 0, true);
    breaker.record(early[0]!, 4_000, true);
    const probe = breaker.tryAcquire(5_000);
    breaker.record(early[1]!, 5_001, true);
    breaker.release(early[2]!);
    expect(breaker.state).toBe("half-open");
    expect(breaker.tryAcquire(5_002)).toBe(0);
    breaker.record(probe, 5_003, false);
    expect(breaker.state).toBe("closed");
  });

  test("a pass of the breaker that was replaced says nothing to its successor", () => {
    const { breaker: old } = make();
    const pass = old.tryAcquire(0);
    const breaker = create({ ...POLICY, minRequests: 1 }, () => {}, old.nextPass);
    breaker.record(pass, 0, true);
    expect(breaker.state).toBe("closed");
  });

  test("whatever comes, probes stay within their number, and states follow each other", () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: 3_000 }),
      what: fc.constantFrom("acquire", "good", "bad", "release"),
      which: fc.nat(5),
    });
    const next: Record<BreakerState, readonly BreakerState[]> = {
      closed: ["open"],
      open: ["half-open"],
      "half-open": ["open", "closed"],
    };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { breaker, changes } = make();
        let nowMs = 0;
        const held: { pass: number; changes: number }[] = [];
        for (const { waitMs, what, which } of steps) {
          nowMs += waitMs;
          if (what === "acquire") {
            const pass = breaker.tryAcquire(nowMs);
            if (pass !== 0) held.push({ pass, changes: changes.length });
          } else if (held.length > 0) {
            const { pass } = held.splice(which % held.length, 1)[0]!;
            if (what === "release") breaker.release(pass);
            else breaker.record(pass, nowMs, what === "bad");
          }
          const probes = held.filter((one) => one.changes === changes.length).length;
          if (breaker.state === "half-open") expect(probes).toBeLessThanOrEqual(2);
        }
        let state: BreakerState = "closed";
        for (const to of changes) {
          expect(next[state]).toContain(to);
          state = to;
        }
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});
