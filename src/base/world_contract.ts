import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { filesContract, openFilesContract } from "./contract/files.ts";
import { dialContract, endingContract, netContract, resolveContract } from "./contract/net.ts";
import { tlsContract, tlsFailureContract, tlsPeerContract } from "./contract/tls.ts";
import { udpContract } from "./contract/udp.ts";
import type { World } from "./world.ts";

/** A World under test, and how its time goes by. */
export interface ContractWorld {
  readonly world: World;
  /** An empty folder. */
  readonly folder: string;
  /** Goes on until the condition holds, and fails where it never does. */
  until(condition: () => boolean): Promise<void>;
  /** Everything that was opened is closed. */
  close(): void | Promise<void>;
}

/** What every World must do. Run by world.test.ts against each of them. */
export function worldContract(name: string, create: () => ContractWorld): void {
  describe(name, () => {
    let it: ContractWorld;
    beforeEach(() => {
      it = create();
    });
    afterEach(() => it.close());
    netContract(() => it);
    endingContract(() => it);
    dialContract(() => it);
    resolveContract(() => it);
    tlsContract(() => it);
    tlsPeerContract(() => it);
    tlsFailureContract(() => it);
    udpContract(() => it);
    filesContract(() => it);
    openFilesContract(() => it);
    clockContract(() => it);
  });
}

function clockContract(it: () => ContractWorld): void {
  test("clock: timers come in order, not early, and not once cancelled", async () => {
    const { clock } = it().world;
    const start = clock.now();
    const fired: string[] = [];
    const late: number[] = [];
    const after = (name: string, delayMs: number): void => {
      clock.after(delayMs, () => {
        fired.push(name);
        late.push(clock.now() - start - delayMs);
      });
    };
    after("c", 12);
    after("a", 0);
    after("b", 4.5);
    const cancelled = clock.after(1, () => fired.push("cancelled"));
    cancelled.cancel();
    cancelled.cancel();
    await it().until(() => fired.length === 3);
    expect(fired).toEqual(["a", "b", "c"]);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  });

  test("clock: every comes again and again until it is cancelled, also from inside", async () => {
    const { clock } = it().world;
    let count = 0;
    const timer = clock.every(1, () => {
      count += 1;
      if (count === 3) timer.cancel();
    });
    let isOver = false;
    await it().until(() => count === 3);
    clock.after(5, () => {
      isOver = true;
    });
    await it().until(() => isOver);
    expect(count).toBe(3);
    timer.cancel();
  });

  test("clock: a delay of more than 24.8 days does not come at once", async () => {
    const { clock } = it().world;
    let isDue = false;
    let isOver = false;
    const timer = clock.after(30 * 86_400_000, () => {
      isDue = true;
    });
    clock.after(3, () => {
      isOver = true;
    });
    await it().until(() => isOver);
    expect(isDue).toBe(false);
    timer.cancel();
  });

  test("clock: sleep resolves, and the wall clock is a date", async () => {
    const { clock } = it().world;
    let isAwake = false;
    void clock.sleep(2).then(() => {
      isAwake = true;
    });
    await it().until(() => isAwake);
    expect(clock.wallMs()).toBeGreaterThan(Date.UTC(2025, 0));
    expect(Number.isInteger(clock.wallMs())).toBe(true);
  });

  test("random: numbers are in range, and secure bytes as many as asked for", () => {
    const { random } = it().world;
    const buckets = new Array<number>(10).fill(0);
    for (let index = 0; index < 10_000; index += 1) {
      const value = random.next();
      expect(value >= 0 && value < 1).toBe(true);
      buckets[Math.floor(value * 10)]! += 1;
      const whole = random.uint32();
      expect(Number.isInteger(whole) && whole >= 0 && whole < 2 ** 32).toBe(true);
    }
    // 1,000 each, give or take: six sigma is 180.
    for (const bucket of buckets) expect(Math.abs(bucket - 1_000)).toBeLessThan(200);
    const bytes = random.secureBytes(100_000);
    expect(bytes).toHaveLength(100_000);
    expect(new Set(bytes).size).toBe(256);
  });
}
