import { expect, test } from "bun:test";
import type { Thread } from "../world.ts";
import { BunThreads } from "./threads.ts";

const ENTRY = new URL("./testdata/thread.ts", import.meta.url).href;

/** A thread, what it said, and why it ended. */
function start() {
  const said: unknown[] = [];
  let wake = (): void => {};
  let thread: Thread;
  const exit = new Promise<string>((resolve) => {
    thread = new BunThreads(ENTRY).start({
      onMessage(message) {
        said.push(message);
        wake();
      },
      onExit: resolve,
    });
  });
  const answers = async (count: number): Promise<unknown[]> => {
    while (said.length < count) await new Promise<void>((resolve) => (wake = resolve));
    return said;
  };
  return { thread: thread!, exit, answers };
}

test("messages arrive in order, also those from before it listened; memory is shared", async () => {
  const { thread, exit, answers } = start();
  const memory = new SharedArrayBuffer(4);
  for (let index = 0; index < 5; index++) thread.post({ add: index, memory });
  expect(await answers(5)).toEqual([0, 1, 2, 3, 4]);
  expect(new Int32Array(memory)[0]).toBe(10);
  thread.terminate();
  expect(await exit).toContain("status 0");
  thread.post({ add: 1, memory });
});

test("one that ends, throws or never comes back is heard of", async () => {
  const [ended, thrown, stuck] = [start(), start(), start()];
  ended.thread.post({ exit: 7 });
  expect(await ended.exit).toContain("status 7");
  thrown.thread.post({ fail: "it broke" });
  expect(await thrown.exit).toContain("it broke");
  stuck.thread.post({ loop: true });
  expect(await stuck.answers(1)).toEqual(["looping"]);
  stuck.thread.terminate();
  expect(await stuck.exit).toContain("status");
});
