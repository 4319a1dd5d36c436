import { createServer } from "node:net";

/** Below what systems hand out by themselves, and away from those that `up` picks. */
const FIRST = 11_000;
const COUNT = 8_000;
let next = (process.pid * 37) % COUNT;

/** A port that nobody listens on, another one each time. */
export async function freePort(): Promise<number> {
  for (let step = 0; step < 200; step += 1) {
    next = (next + 1) % COUNT;
    if (await isFree(FIRST + next)) return FIRST + next;
  }
  throw new Error(`no free port between ${FIRST} and ${FIRST + COUNT}`);
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
