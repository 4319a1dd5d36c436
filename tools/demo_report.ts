/**
 * What both walks through the shop have in common, on this machine and on a cluster: the load, what
 * a stage has to show, and how it is printed.
 */
import type { LoadReport } from "../src/operate/load.ts";

/** Page views a second, and for how long. */
export const RATE = 50;
export const LOAD_SECONDS = 6;
/** A breaker of stage 3 stays open for 5 s, then probes. */
const RECOVERY_SECONDS = 15;

export interface Measured {
  readonly report: LoadReport;
  /** Tries that reached the API, and how many of them it failed. */
  readonly tries: { readonly items: number; readonly failed: number };
  /** Views that were made of the canned answer. */
  readonly canned: number;
}

/** The shop, wherever it runs. */
export interface RunningShop {
  /** The load of every step: the same rate, as a visitor sends it. */
  measure(seconds?: number): Promise<Measured>;
  /** How the API is from now on. */
  setMode(to: "ill" | "down" | "healed"): Promise<void>;
  page(): Promise<string>;
  /** Of the frontend's call: closed, half-open or open. */
  breaker(): Promise<string>;
}

/** What steps did not show. */
const misses: string[] = [];

// ---------------------------------------------------------------- steps

/** Stage 0, which runs. */
export async function showInitial(shop: RunningShop): Promise<Measured> {
  const measured = await shop.measure();
  show("as it is", measured);
  const rate = success(measured);
  expect(
    rate > 0.4 && rate < 0.9,
    `about a third of the views should fail; ${percent(1 - rate)} did`,
  );
  return measured;
}

/** Stage 3, which runs: the API ill, down, healed. */
export async function showResilience(shop: RunningShop, before: Measured): Promise<void> {
  const ill = await shop.measure();
  show("API ill", ill);
  expect(success(ill) > 0.999, `no view should fail; ${percent(1 - success(ill))} did`);
  await shop.setMode("down");
  const down = await shop.measure();
  show("API down", down);
  const per = triesPerView(down);
  say(
    `  the API got ${per.toFixed(2)} tries a view instead of ` +
      `${triesPerView(before).toFixed(2)}: a rest`,
  );
  expect(
    success(down) > 0.999,
    `no view should fail with the API down; ${percent(1 - success(down))} did`,
  );
  expect(per < 0.5, `an open breaker should keep tries away; ${per.toFixed(2)} a view came`);
  await showRecovery(shop);
}

async function showRecovery(shop: RunningShop): Promise<void> {
  await shop.setMode("healed");
  const started = Date.now();
  const closed = await until(RECOVERY_SECONDS, async () => {
    // Half-open it needs requests to probe with.
    await shop.page();
    return (await shop.breaker()) === "closed" ? true : null;
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  say(
    closed === null
      ? "  the breaker did not close"
      : `  healed: the breaker closed after ${seconds} s`,
  );
  const healed = await shop.measure(2);
  show("API healed", healed);
  expect(
    closed !== null && (await shop.page()).includes("<li"),
    "the real items should be back",
  );
  expect(
    healed.tries.failed === 0 && success(healed) === 1,
    "all should be well once it is healed",
  );
}

/** The last words. */
export function conclude(): void {
  say(
    misses.length === 0
      ? "\nEvery step showed its improvement; the programs are the same as at the start."
      : `\n${misses.length} steps did not show their improvement:\n  ${misses.join("\n  ")}`,
  );
}

export function allShown(): boolean {
  return misses.length === 0;
}

// ---------------------------------------------------------------- words

export function show(what: string, measured: Measured): void {
  const { report, tries, canned } = measured;
  const ofThem = canned === 0 ? "" : ` (${canned} with the canned answer)`;
  say(
    `  ${what.padEnd(14)} ${percent(success(measured)).padStart(6)} of ${report.requests} views ` +
      `succeeded${ofThem}, p99 ${report.p99Ms?.toFixed(1) ?? "-"} ms, ` +
      `${tries.items} tries at the API (${tries.failed} failed)`,
  );
}

function success({ report }: Measured): number {
  return report.successRate ?? 0;
}

function triesPerView({ report, tries }: Measured): number {
  return tries.items / report.requests;
}

export function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)}%`;
}

export function say(line: string): void {
  console.log(line);
}

export function expect(shown: boolean, otherwise: string): void {
  if (shown) return;
  misses.push(otherwise);
  say(`  NOT SHOWN: ${otherwise}`);
}

/** Asks again until there is an answer; null after so many seconds. */
export async function until<T>(seconds: number, ask: () => Promise<T | null>): Promise<T | null> {
  const deadline = Date.now() + seconds * 1000;
  do {
    try {
      const found = await ask();
      if (found !== null) return found;
    } catch (error) {
      // Not there yet: the deadline decides.
      if (Date.now() >= deadline) throw error;
    }
    await Bun.sleep(200);
  } while (Date.now() < deadline);
  return null;
}
