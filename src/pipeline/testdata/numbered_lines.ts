/** Lines that tell which of them is missing, and a log that they are written to. */
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import { append } from "./harness.ts";

export const LOG = "/logs/app.log";

export function lines(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `line ${from + i} ${"x".repeat(100)}`);
}

export function write(world: SimulatedWorld, count: number, from = 0): void {
  append(world, LOG, lines(count, from).map((line) => `${line}\n`).join(""));
}
