/**
 * An open-loop client: sends requests at a fixed rate whatever the answers do, over a set of
 * keep-alive connections, and prints how long each took as JSON `{"sent", "failed", "latenciesUs":
 * [...]}`. The time of a request runs from when it was due, so that one that waits for a free
 * connection counts its wait; the client's own lateness in waking up (its timer has a grain of 1
 * ms) is not the proxy's and is left out.
 *
 *   bun bench/paced_client.ts PORT HOST PATH RATE SECONDS CONNECTIONS
 */
const [port, host, path, rate, seconds, connections] = process.argv.slice(2);
const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: */*\r\n\r\n`);
const intervalMs = 1000 / Number(rate);
const total = Math.round(Number(rate) * Number(seconds));
/**
 * Looks, 20 ms apart, after which what is still out has failed. Counted and not timed: a machine
 * that stands still for a while is not the proxy's.
 */
const MAX_LOOKS = 250;
/** More that wait for a connection have failed. */
const MAX_WAITING = 1000;

interface Connection {
  readonly socket: Bun.Socket;
  dueAt: number;
  head: string;
  /** Bytes of the answer's body that are yet to come; -1 while its head is. */
  missing: number;
}

const free: Connection[] = [];
const waiting: number[] = [];
const latenciesUs: number[] = [];
let failed = 0;
let sent = 0;

function send(connection: Connection, dueAt: number): void {
  connection.dueAt = dueAt;
  connection.missing = -1;
  connection.head = "";
  connection.socket.write(request, 0, request.length);
}

function received(connection: Connection, bytes: Buffer): void {
  if (connection.missing < 0) {
    connection.head += bytes.toString("latin1");
    const end = connection.head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(connection.head);
    if (length === null || !connection.head.startsWith("HTTP/1.1 200")) {
      throw new Error(`unexpected answer: ${connection.head.slice(0, end)}`);
    }
    connection.missing = Number(length[1]) - (connection.head.length - end - 4);
  } else connection.missing -= bytes.length;
  if (connection.missing > 0) return;
  latenciesUs.push(Math.round((performance.now() - connection.dueAt) * 1000));
  const next = waiting.shift();
  if (next === undefined) free.push(connection);
  else send(connection, next);
}

async function open(): Promise<void> {
  let connection: Connection;
  await Bun.connect({
    hostname: "127.0.0.1",
    port: Number(port),
    socket: {
      open(socket) {
        connection = { socket, dueAt: 0, head: "", missing: 0 };
        free.push(connection);
      },
      data: (_socket, bytes) => received(connection, bytes),
      close() {
        const at = free.indexOf(connection);
        if (at >= 0) free.splice(at, 1);
        else failed++;
      },
      error() {},
    },
  });
}

for (let n = 0; n < Number(connections); n++) await open();
const started = performance.now();
let looks = 0;
await new Promise<void>((resolve) => {
  const tick = (): void => {
    const now = performance.now();
    while (sent < total && started + sent * intervalMs <= now) {
      sent++;
      // The least recently used one, so that all of them stay in use.
      const connection = free.shift();
      if (connection !== undefined) send(connection, now);
      else if (waiting.length < MAX_WAITING) waiting.push(now);
      else failed++;
    }
    if (sent < total) setTimeout(tick, started + sent * intervalMs - performance.now());
    else if (latenciesUs.length === total || ++looks > MAX_LOOKS) resolve();
    else setTimeout(tick, 20);
  };
  tick();
});
failed = sent - latenciesUs.length;
process.stdout.write(`${JSON.stringify({ sent, failed, latenciesUs })}\n`, () => process.exit(0));

export {};
