/** A worker's thread that ends without a word when somebody connects to STATE_FOLDER.WORKER. */
import { createBunWorld } from "../../src/base/bun/mod.ts";
import { threadPort } from "../../src/base/bun/threads.ts";
import type { ToWorker } from "../../src/proxy/group/messages.ts";
import { runWorker } from "../../src/proxy/group/worker.ts";

const port = threadPort();
let worker = 0;

runWorker(createBunWorld(), {
  post: (message) => port.post(message),
  onMessage(run) {
    port.onMessage((message) => {
      const order = message as ToWorker;
      if (order.kind === "welcome") worker = order.worker;
      if (order.kind === "call" && order.order.kind === "prepare") {
        listen(order.order.snapshot.bindings.stateFolder);
      }
      run(message);
    });
  },
});

function listen(stateFolder: string): void {
  const unix = `${stateFolder}.${worker}`;
  Bun.listen({ unix, socket: { open: () => process.exit(3), data() {} } });
}
