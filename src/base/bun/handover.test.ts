import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket, SocketHandler } from "../world.ts";
import { createBunWorld } from "./mod.ts";

const LOCAL = "127.0.0.1";
const CHILD = join(import.meta.dir, "testdata", "inheriting_child.ts");
const folder = mkdtempSync(join(tmpdir(), "outrigger-handover-"));

/** Says a word to whoever connects, and ends. */
function saying(word: string): () => SocketHandler {
  return () => ({
    onOpen(socket: Socket) {
      socket.write(Buffer.from(word), 0, word.length);
      socket.close();
    },
    onData() {},
    onDrain() {},
    onEnd() {},
    onClose() {},
  });
}

async function wordFrom(where: { port: number } | { unix: string }): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let word = "";
  const socket = {
    data: (_: unknown, bytes: Uint8Array) => void (word += Buffer.from(bytes).toString()),
    close: () => resolve(word),
    connectError: (_: unknown, error: Error) => reject(error),
  };
  const to = "port" in where ? { hostname: LOCAL, port: where.port } : where;
  Bun.connect({ ...to, socket } as Parameters<typeof Bun.connect>[0]).catch(reject);
  return promise;
}

test("a child takes a listener over, and callers that nobody had accepted yet are served", async () => {
  const world = createBunWorld();
  // A port that is free, asked for by its number: another is not handed on.
  const any = world.net.listen({ address: { host: LOCAL, port: 0 } }, saying("any"));
  expect(world.net.handover.listening()).toEqual([]);
  const { port } = any;
  any.stop();
  const listener = world.net.listen({ address: { host: LOCAL, port } }, saying("old"));
  const sockets = world.net.handover.listening();
  expect(sockets.map(({ host, port }) => [host, port])).toEqual([[LOCAL, port]]);
  expect(await wordFrom({ port })).toBe("old");
  let said = "";
  const ended = Promise.withResolvers<number>();
  const child = world.processes.spawn({
    command: [process.execPath, CHILD, LOCAL, String(port)],
    descriptors: sockets.map(({ descriptor }) => descriptor),
    stdout: (bytes) => (said += Buffer.from(bytes).toString()),
    onExit: ({ code }) => ended.resolve(code),
  });
  try {
    // Both hold it; then it is the child's alone, who begins to accept when it likes.
    listener.stop();
    expect(world.net.handover.listening()).toEqual([]);
    expect(await wordFrom({ port })).toBe("new");
  } finally {
    child.kill("SIGTERM");
  }
  await ended.promise;
  expect(said).toBe("listening 1 0\n");
});

test("who stops does not take a successor's unix socket with it", async () => {
  const world = createBunWorld();
  const path = join(folder, "a.sock");
  const old = world.net.listen({ address: { path } }, saying("old"));
  world.files.remove(path);
  const next = world.net.listen({ address: { path } }, saying("new"));
  old.stop();
  expect(await wordFrom({ unix: path })).toBe("new");
  next.stop();
  expect(world.files.stat(path)).toBeNull();
  rmSync(folder, { recursive: true });
});

test("orphans come to who asked for them, and are reaped", async () => {
  const helper = join(import.meta.dir, "testdata", "adopting_process.ts");
  const child = Bun.spawn([process.execPath, helper], { stdout: "pipe" });
  expect(await new Response(child.stdout).text()).toBe("own 5\norphan 7 null\norphan 143 SIGTERM\n");
  expect(await child.exited).toBe(0);
});
