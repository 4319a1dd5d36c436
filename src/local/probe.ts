import type { HostPort } from "../api/snapshot.ts";
import type { World } from "../base/world.ts";
import type { HttpClient } from "../http/client.ts";

const TIMEOUT_MS = 1_000;

/** Does somebody accept connections there? */
export function probeTcp(world: World, address: HostPort): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = world.clock.after(TIMEOUT_MS, () => {
      dial.abort();
      resolve(false);
    });
    const done = (answer: boolean) => {
      timer.cancel();
      resolve(answer);
    };
    const dial = world.net.connect(address, {
      onOpen: (socket) => {
        socket.close();
        done(true);
      },
      onConnectError: () => done(false),
      onData: () => {},
      onDrain: () => {},
      onEnd: () => {},
      onClose: () => {},
    });
  });
}

/** Does GET answer 200? */
export async function probeHttp(
  client: HttpClient,
  address: HostPort,
  path: string,
): Promise<boolean> {
  try {
    const answer = await client.request({ method: "GET", address, path, timeoutMs: TIMEOUT_MS });
    return answer.status === 200;
  } catch {
    return false;
  }
}
