import { assert } from "../assert.ts";
import type { SignalName, Signals } from "../world.ts";

export class SimulatedSignals implements Signals {
  #listeners = new Map<SignalName, Set<() => void>>();

  on(signal: SignalName, run: () => void): () => void {
    assert(signal !== "SIGKILL", "SIGKILL cannot be caught");
    const listener = (): void => run();
    const listeners = this.#listeners.get(signal) ?? new Set();
    this.#listeners.set(signal, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  /** The signal arrives. False where nobody listens: then it has its default effect. */
  raise(signal: SignalName): boolean {
    const listeners = [...(this.#listeners.get(signal) ?? [])];
    for (const listener of listeners) listener();
    return listeners.length > 0;
  }

  get listeners(): number {
    let count = 0;
    for (const listeners of this.#listeners.values()) count += listeners.size;
    return count;
  }
}
