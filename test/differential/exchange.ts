import { connect } from "node:net";
import type { Outcome } from "./page.ts";
import type { Standing } from "./proxies.ts";

/** A proxy that has said nothing for so long waits for more. */
const QUIET_MS = 350;

/** Sends bytes on a connection of their own and waits until the proxy has nothing more to say. */
export async function exchange({ port, recorder }: Standing, bytes: Buffer): Promise<Outcome> {
  const answer = await send(port, bytes);
  const recorded = recorder.take();
  const statuses = [...answer.matchAll(/^HTTP\/1\.[01] (\d{3})/gm)].map((match) => Number(match[1]));
  // Heads that reached the upstream: a request is passed on as soon as its head is.
  const passed = recorded.filter((one) => one.includes("\r\n\r\n")).length;
  return { passed, status: statuses[0] ?? 0, recorded };
}

function send(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let timer = setTimeout(finish, QUIET_MS);
    function finish(): void {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    }
    socket.on("connect", () => socket.write(bytes));
    socket.on("data", (more) => {
      text += more.toString("latin1");
      clearTimeout(timer);
      // What follows an answer (a second one, the close) follows at once.
      timer = setTimeout(finish, 30);
    });
    socket.on("end", finish);
    socket.on("error", finish);
  });
}
