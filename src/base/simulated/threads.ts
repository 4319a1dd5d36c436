import { assert } from "../assert.ts";
import type { Thread, ThreadHandler, ThreadPort, Threads } from "../world.ts";
import type { SimulatedClock } from "./clock.ts";

/** Between the sending of a message and its arrival. */
const LATENCY_MS = 0.05;

/**
 * Threads that take turns in one: messages are copied and arrive later, in order; shared memory is
 * shared. What a thread runs is `body`.
 */
export class SimulatedThreads implements Threads {
  body: ((port: ThreadPort) => void) | null = null;
  readonly running = new Set<SimulatedThread>();

  constructor(private readonly clock: SimulatedClock) {}

  start(handler: ThreadHandler): Thread {
    assert(this.body !== null, "no body of a thread was given to this simulation");
    const thread = new SimulatedThread(this.clock, handler, this);
    this.running.add(thread);
    thread.begin(this.body);
    return thread;
  }
}

export class SimulatedThread implements Thread {
  /** Takes no message and does not end: as if in an endless loop. */
  isStuck = false;
  #isOver = false;
  #receive: (message: unknown) => void = () => {};

  constructor(
    private readonly clock: SimulatedClock,
    private readonly handler: ThreadHandler,
    private readonly owner: SimulatedThreads,
  ) {}

  begin(body: (port: ThreadPort) => void): void {
    this.#later(() => {
      body({
        post: (message) => this.#send(message, (copy) => this.handler.onMessage(copy)),
        onMessage: (run) => (this.#receive = run),
      });
    });
  }

  post(message: unknown): void {
    this.#send(message, (copy) => {
      if (!this.isStuck) this.#receive(copy);
    });
  }

  terminate(): void {
    this.#later(() => this.end("it was terminated"));
  }

  /** It dies; what it has open stays open, which a test closes. */
  end(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.owner.running.delete(this);
    this.handler.onExit(reason);
  }

  #send(message: unknown, deliver: (copy: unknown) => void): void {
    const copy = structuredClone(message);
    this.#later(() => deliver(copy));
  }

  #later(run: () => void): void {
    this.clock.plan(LATENCY_MS, () => {
      if (!this.#isOver) run();
    });
  }
}
