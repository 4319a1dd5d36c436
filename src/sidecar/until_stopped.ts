import type { World } from "../base/world.ts";

export interface Stoppable {
  /** Ends in an orderly and bounded way. */
  drain(): Promise<void>;
  /** Ends at once. */
  close(): void;
}

/**
 * Runs until SIGTERM or SIGINT (then it drains and returns 0), or a second one (then it returns at
 * once). `stop` is what else ends it, for example the end of standard input.
 */
export function untilStopped(
  world: World,
  what: Stoppable,
  stop: (run: () => void) => void = () => {},
): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    const listeners: (() => void)[] = [];
    const end = (code: number) => {
      for (const remove of listeners.splice(0)) remove();
      resolve(code);
    };
    const ask = () => {
      if (asked) {
        what.close();
        end(130);
        return;
      }
      asked = true;
      void what.drain().then(() => end(0));
    };
    listeners.push(world.signals.on("SIGTERM", ask), world.signals.on("SIGINT", ask));
    stop(() => {
      if (!asked) ask();
    });
  });
}
