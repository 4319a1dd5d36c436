/**
 * Types for a step that is written in TypeScript; `import type { Step } from "outrigger/pipeline"`.
 *
 *   const step: Step = (event, ctx) => {
 *     if (typeof event.price !== "number") return ctx.drop("no-price");
 *     return { ...event, total: event.price * 1.19 };
 *   };
 *   export default step;
 */

/** An event's fields: what JSON can hold. The function may change it, and return it or another. */
export type StepEvent = Record<string, any>;

/** What a step may ask; it is good for the event that came with it. */
export interface StepContext {
  /** The source's name in its pipeline. */
  readonly source: string;
  /** The file's path, the peer's address; empty where there is none. */
  readonly path: string;
  /** When the bytes were read: milliseconds since 1970. */
  readonly receivedMs: number;
  /** Adds to a counter of this step, which metrics show. */
  count(name: string, n?: number): void;
  /** The event ends here, counted under the reason: `return ctx.drop("too-old")`. */
  drop(reason: string): null;
}

/** One event, several (in this order), or none. */
export type StepResult = StepEvent | readonly StepEvent[] | null;

/**
 * The default export of the file. An error that it throws, or that its promise rejects with, sends
 * the event where the step's `onError` says.
 */
export type Step = (event: StepEvent, ctx: StepContext) => StepResult | Promise<StepResult>;
