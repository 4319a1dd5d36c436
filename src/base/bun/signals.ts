import { assert } from "../assert.ts";
import type { SignalName, Signals } from "../world.ts";

export class BunSignals implements Signals {
  on(signal: SignalName, run: () => void): () => void {
    assert(signal !== "SIGKILL", "SIGKILL cannot be caught");
    const listener = (): void => run();
    process.on(signal, listener);
    return () => {
      process.off(signal, listener);
    };
  }
}
