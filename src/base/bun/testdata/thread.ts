/** What threads.test.ts runs in a thread: it does what the messages say. */
import { threadPort } from "../threads.ts";

interface Order {
  readonly add?: number;
  readonly memory?: SharedArrayBuffer;
  readonly exit?: number;
  readonly fail?: string;
  readonly loop?: boolean;
}

const port = threadPort();
port.onMessage((message) => {
  const { add, memory, exit, fail, loop } = message as Order;
  if (exit !== undefined) process.exit(exit);
  if (fail !== undefined) throw new Error(fail);
  if (add !== undefined) {
    Atomics.add(new Int32Array(memory!), 0, add);
    port.post(add);
  }
  if (loop === true) {
    port.post("looping");
    for (;;) {}
  }
});
