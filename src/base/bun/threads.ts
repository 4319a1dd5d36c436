import { isMainThread } from "node:worker_threads";
import type { Thread, ThreadHandler, ThreadPort, Threads } from "../world.ts";

/** Threads of this process: Bun's Workers, each with its own event loop and heap. */
export class BunThreads implements Threads {
  /** @param entry the module that a thread runs, as a URL; it calls `threadPort` */
  constructor(private readonly entry: string | null) {}

  start(handler: ThreadHandler): Thread {
    if (this.entry === null) throw new Error("this program has no entry for threads");
    return new BunThread(new Worker(this.entry), handler);
  }
}

class BunThread implements Thread {
  #worker: Worker;
  #isOver = false;

  constructor(worker: Worker, handler: ThreadHandler) {
    this.#worker = worker;
    let cause = "";
    worker.onmessage = (event: MessageEvent) => {
      if (!this.#isOver) handler.onMessage(event.data);
    };
    worker.onerror = (event: ErrorEvent) => {
      cause = event.message;
    };
    worker.addEventListener("close", (event) => {
      if (this.#isOver) return;
      this.#isOver = true;
      const { code } = event as unknown as { readonly code: number };
      handler.onExit(cause === "" ? `it ended with status ${code}` : cause);
    });
  }

  post(message: unknown): void {
    if (!this.#isOver) this.#worker.postMessage(message);
  }

  terminate(): void {
    this.#worker.terminate();
  }
}

/** The thread's own end. Called once, in the thread's entry. */
export function threadPort(): ThreadPort {
  if (isMainThread) throw new Error("the main thread has no port");
  return {
    post: (message) => postMessage(message),
    onMessage(run) {
      self.onmessage = (event: MessageEvent) => run(event.data);
    },
  };
}
