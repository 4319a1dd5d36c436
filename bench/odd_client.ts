/**
 * A client that misbehaves, at a fixed rate: odd requests, garbage, heads that drip, bodies that
 * stop halfway, floods that nobody reads the answers of, resets. Prints what it sent and what it was
 * answered as JSON `{"sent": {KIND: COUNT}, "answered": {STATUS: COUNT}}`, at its end or
 * when its stdin ends.
 *
 *   bun bench/odd_client.ts PORT HOST PATH RATE SECONDS SEED
 */
import { writeSync } from "node:fs";
import { Xoshiro128 } from "../src/base/xoshiro.ts";
import { corpus } from "../test/differential/corpus.ts";

const [port, host, path, rate, seconds, seed] = process.argv.slice(2) as [
  string, string, string, string, string, string,
];
/** More at once and the rate is given up: it is the client that would be slow then. */
const MAX_OPEN = 1_000;
/** Nobody waits longer for an answer. */
const PATIENCE_MS = 1_000;

const random = Xoshiro128.fromSeed(Number(seed));
const below = (limit: number): number => Math.floor(random.next() * limit);
const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
/** So that they are for the benched host, and reach the upstream where they are passed on. */
const odd = corpus().map((one) =>
  bytes(one.bytes.toString("latin1").replaceAll(/Host: a(?=\r\n)/g, `Host: ${host}`)),
);
const get = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const put = `PUT ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000\r\n\r\n`;

type Kind = "odd" | "garbage" | "garbled" | "slow-head" | "half-body" | "flood" | "reset";
/** Half of them are the corpus; those that hold a connection for long are rare. */
const KINDS: readonly Kind[] = [
  ...["odd", "odd", "odd", "odd", "odd", "odd", "odd", "odd", "odd", "odd"],
  ...["garbage", "garbage", "garbage", "garbled", "garbled", "garbled", "reset", "reset"],
  ...["slow-head", "half-body", "flood"],
] as Kind[];

const sent: Record<string, number> = {};
const answered: Record<string, number> = {};
let open = 0;

function garbled(): Buffer {
  const good = bytes(below(2) === 0 ? get : `${put}${"x".repeat(1000)}`);
  for (let edits = 1 + below(4); edits > 0; edits--) good[below(good.length)] = below(256);
  return good;
}

/** What is sent at once; the rest is up to `goOn`. */
function firstBytes(kind: Kind): Buffer {
  switch (kind) {
    case "odd":
      return odd[below(odd.length)]!;
    case "garbage":
      return Buffer.from(Array.from({ length: 1 + below(2_000) }, () => below(256)));
    case "garbled":
      return garbled();
    case "slow-head":
      return bytes("G");
    case "half-body":
      return bytes(put + "x".repeat(below(1_000)));
    case "flood":
      return bytes(get.repeat(50) + "\0garbage");
    case "reset":
      return bytes(get);
  }
}

function goOn(kind: Kind, socket: Bun.Socket): void {
  switch (kind) {
    case "slow-head": {
      const rest = get.slice(1, -2);
      let at = 0;
      const drip = setInterval(() => {
        if (at >= rest.length || socket.readyState < 1) return clearInterval(drip);
        socket.write(rest[at++]!);
      }, 100);
      setTimeout(() => socket.terminate(), 12_000);
      return;
    }
    case "half-body":
      setTimeout(() => socket.terminate(), below(3_000));
      return;
    case "flood":
      socket.pause();
      setTimeout(() => socket.terminate(), PATIENCE_MS);
      return;
    case "reset":
      setTimeout(() => socket.terminate(), below(2));
      return;
    default:
      setTimeout(() => (below(2) === 0 ? socket.end() : socket.terminate()), below(PATIENCE_MS));
  }
}

function misbehave(): void {
  const kind = KINDS[below(KINDS.length)]!;
  sent[kind] = (sent[kind] ?? 0) + 1;
  open++;
  let isFirst = true;
  const gone = (): void => void open--;
  Bun.connect({
    hostname: "127.0.0.1",
    port: Number(port),
    socket: {
      open(socket) {
        socket.write(firstBytes(kind));
        goOn(kind, socket);
      },
      data(_socket, chunk) {
        if (!isFirst) return;
        isFirst = false;
        const status = /^HTTP\/1\.1 (\d{3}) /.exec(chunk.toString("latin1"))?.[1] ?? "other";
        answered[status] = (answered[status] ?? 0) + 1;
      },
      close: gone,
      error() {},
    },
  }).catch(() => {
    answered.refused = (answered.refused ?? 0) + 1;
    open--;
  });
}

function finish(): void {
  writeSync(1, `${JSON.stringify({ sent, answered })}\n`);
  process.exit(0);
}

process.stdin.on("end", finish).resume();
const started = performance.now();
let due = 0;
while (performance.now() - started < Number(seconds) * 1000) {
  const wanted = ((performance.now() - started) / 1000) * Number(rate);
  for (; due < wanted; due++) if (open < MAX_OPEN) misbehave();
  await Bun.sleep(5);
}
finish();
