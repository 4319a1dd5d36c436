import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Socket } from "../base/world.ts";
import { Scratch, SocketWriter } from "./socket_writer.ts";

/** A kernel that takes what the test allows. */
class FakeSocket implements Socket {
  readonly remoteAddress = "";
  readonly remotePort = 0;
  readonly localAddress = "";
  readonly localPort = 0;
  readonly tls = null;
  taken = "";
  writes = 0;
  room = Number.POSITIVE_INFINITY;
  isClosed = false;

  write(bytes: Uint8Array, start: number, length: number): number {
    this.writes++;
    if (this.isClosed) return -1;
    const count = Math.min(length, this.room);
    this.room -= count;
    this.taken += Buffer.from(bytes.slice(start, start + count)).toString("latin1");
    return count;
  }
  pause(): void {}
  resume(): void {}
  shutdown(): void {}
  close(): void {}
  terminate(): void {}
}

function writerOn(scratch: Scratch): { writer: SocketWriter; socket: FakeSocket } {
  const writer = new SocketWriter(scratch);
  const socket = new FakeSocket();
  writer.socket = socket;
  return { writer, socket };
}

const text = (writer: SocketWriter, words: string): void => writer.begin(words.length).text(words);
const data = (writer: SocketWriter, words: string): void => {
  const bytes = Buffer.from(`..${words}.`, "latin1");
  writer.data(bytes, 2, bytes.length - 1);
};

test("a head and a small body leave in one write, at the end of the event", () => {
  const scratch = new Scratch();
  const { writer, socket } = writerOn(scratch);
  text(writer, "head ");
  data(writer, "body");
  expect(socket.writes).toBe(0);
  scratch.flush();
  expect([socket.taken, socket.writes]).toEqual(["head body", 1]);
  scratch.flush();
  expect(socket.writes).toBe(1);
});

test("a large body goes out behind its head without a copy, its bytes in order", () => {
  const scratch = new Scratch();
  const { writer, socket } = writerOn(scratch);
  const large = "x".repeat(300_000);
  text(writer, "head");
  data(writer, large);
  text(writer, "tail");
  scratch.flush();
  expect(socket.taken).toBe(`head${large}tail`);
});

test("who writes next flushes the one before", () => {
  const scratch = new Scratch();
  const [a, b] = [writerOn(scratch), writerOn(scratch)];
  text(a.writer, "a1");
  text(b.writer, "b1");
  expect([a.socket.taken, b.socket.taken]).toEqual(["a1", ""]);
  text(a.writer, "a2");
  scratch.flush();
  expect([a.socket.taken, b.socket.taken]).toEqual(["a1a2", "b1"]);
});

test("what the kernel does not take waits, is a copy of its own, and goes first", () => {
  const scratch = new Scratch();
  const [slow, other] = [writerOn(scratch), writerOn(scratch)];
  slow.socket.room = 3;
  text(slow.writer, "abcdef");
  scratch.flush();
  expect([slow.socket.taken, slow.writer.isBlocked]).toEqual(["abc", true]);
  // The buffer is used again meanwhile.
  text(other.writer, "zzzzzz");
  scratch.flush();
  text(slow.writer, "ghi");
  scratch.flush();
  expect(slow.socket.taken).toBe("abc");
  slow.socket.room = 2;
  expect(slow.writer.drain()).toBe(false);
  slow.socket.room = 99;
  expect(slow.writer.drain()).toBe(true);
  expect([slow.socket.taken, slow.writer.isBlocked]).toEqual(["abcdefghi", false]);
  expect(slow.writer.written).toBe(9);
});

test("a head larger than the buffer has room all the same", () => {
  const scratch = new Scratch();
  const { writer, socket } = writerOn(scratch);
  const large = "h".repeat(400_000);
  text(writer, "a");
  text(writer, large);
  scratch.flush();
  expect(socket.taken).toBe(`a${large}`);
});

test("a closed socket takes nothing and holds nothing", () => {
  const scratch = new Scratch();
  const { writer, socket } = writerOn(scratch);
  socket.room = 1;
  text(writer, "abc");
  scratch.flush();
  socket.isClosed = true;
  expect(writer.drain()).toBe(true);
  expect(writer.isBlocked).toBe(false);
  text(writer, "more");
  writer.detach();
  const other = writerOn(scratch);
  text(other.writer, "clean");
  scratch.flush();
  expect([socket.taken, other.socket.taken]).toEqual(["a", "clean"]);
});

test("whatever two writers write and the kernels take, each gets its own bytes in order", () => {
  const step = fc.record({
    who: fc.nat(1),
    what: fc.constantFrom("text", "data", "large", "flush", "room", "drain"),
    size: fc.integer({ min: 1, max: 40 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const scratch = new Scratch();
      const both = [writerOn(scratch), writerOn(scratch)];
      const expected = ["", ""];
      let letter = 0;
      for (const { who, what, size } of steps) {
        const { writer, socket } = both[who]!;
        const count = what === "large" ? 20_000 : size;
        const words = String.fromCharCode(97 + (letter++ % 26)).repeat(count);
        if (what === "room") socket.room = size;
        else if (what === "drain") writer.drain();
        else if (what === "flush") scratch.flush();
        else {
          expected[who] += words;
          (what === "text" ? text : data)(writer, words);
        }
      }
      scratch.flush();
      both.forEach(({ writer, socket }, who) => {
        expect(expected[who]!.startsWith(socket.taken)).toBe(true);
        socket.room = Number.POSITIVE_INFINITY;
        writer.drain();
        expect(socket.taken).toBe(expected[who]!);
        expect(writer.written).toBe(expected[who]!.length);
      });
    }),
    { seed: 1, numRuns: 300 },
  );
});
