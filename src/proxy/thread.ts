import type { ThreadPort, World } from "../base/world.ts";

/**
 * What a further thread of the program runs: the first message says what it is. Only that is
 * loaded.
 */
export function runThread(world: World, port: ThreadPort): void {
  const early: unknown[] = [];
  let take: ((message: unknown) => void) | null = null;
  const own: ThreadPort = {
    post: (message) => port.post(message),
    onMessage(run) {
      take = run;
      for (const message of early.splice(0)) run(message);
    },
  };
  port.onMessage((message) => {
    if (take !== null) return take(message);
    early.push(message);
    if (early.length === 1) void start(world, own, message);
  });
}

async function start(world: World, port: ThreadPort, first: unknown): Promise<void> {
  const { kind } = first as { readonly kind: "welcome" | "watch-filters" };
  if (kind === "welcome") {
    const { runWorker } = await import("./group/worker.ts");
    runWorker(world, port);
  } else {
    const { runWatchdog } = await import("./typescript/watchdog.ts");
    runWatchdog(world, port);
  }
}
