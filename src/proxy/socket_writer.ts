import { ByteWriter } from "../codec/byte_writer.ts";
import type { Socket } from "../base/world.ts";

/** Room for heads and small bodies; a head is bounded by the listener's `maxHeaderBytes`. */
const SCRATCH_BYTES = 128 * 1024;
/** Up to this a slice is copied behind its head: the copy costs less than a second write. */
const COPY_BYTES = 16 * 1024;

/**
 * The worker's one output buffer. Whoever writes owns it until the next one does or the event that
 * is being handled ends (`flush`): so head and body leave in one write, and a connection needs no
 * buffer of its own.
 */
export class Scratch {
  readonly out = new ByteWriter(SCRATCH_BYTES);
  owner: SocketWriter | null = null;
  /** Bytes of bodies that nobody here refers to any more: the kernel took them, or a copy did. */
  passedBytes = 0;

  /** Every handler of an event ends with this. */
  flush(): void {
    const owner = this.owner;
    if (owner === null) return;
    this.owner = null;
    owner.writeScratch();
  }
}

/** Writes to one socket in order; keeps what the kernel does not take until it drains. */
export class SocketWriter {
  /** Null before the connection opens and after it closed: writes are then dropped. */
  socket: Socket | null = null;
  /** Bytes handed to the kernel. */
  written = 0;
  readonly #scratch: Scratch;
  #pending: Uint8Array[] = [];

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  /** True while the peer reads slower than we write: the source is to be paused. */
  get isBlocked(): boolean {
    return this.#pending.length !== 0;
  }

  /** The buffer with room for `size` bytes, behind what this writer wrote before. */
  begin(size: number): ByteWriter {
    const scratch = this.#scratch;
    if (scratch.owner !== this) {
      scratch.flush();
      scratch.owner = this;
    }
    const out = scratch.out;
    if (out.room < size) {
      this.writeScratch();
      if (out.room < size) out.bytes = new Uint8Array(size * 2);
    }
    return out;
  }

  /** A slice of a body. */
  data(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length <= COPY_BYTES) {
      this.begin(length).copy(bytes, start, end);
      this.#scratch.passedBytes += length;
      return;
    }
    if (this.#scratch.owner === this) this.writeScratch();
    this.#write(bytes, start, length, false);
  }

  /** Only for Scratch. */
  writeScratch(): void {
    const out = this.#scratch.out;
    const length = out.length;
    if (length === 0) return;
    out.length = 0;
    this.#write(out.bytes, 0, length, true);
  }

  #write(bytes: Uint8Array, start: number, length: number, copy: boolean): void {
    const socket = this.socket;
    if (socket === null) return;
    let taken = 0;
    if (this.#pending.length === 0) {
      taken = socket.write(bytes, start, length);
      if (taken < 0) return;
      this.written += taken;
      if (taken === length) {
        if (!copy) this.#scratch.passedBytes += length;
        return;
      }
    }
    const rest = bytes.subarray(start + taken, start + length);
    this.#pending.push(copy ? rest.slice() : rest);
  }

  /** The socket drained. True where nothing is left. */
  drain(): boolean {
    const socket = this.socket;
    if (socket === null) return true;
    while (this.#pending.length !== 0) {
      const bytes = this.#pending[0]!;
      const taken = socket.write(bytes, 0, bytes.length);
      if (taken < 0) {
        this.#pending.length = 0;
        return true;
      }
      this.written += taken;
      if (taken < bytes.length) {
        this.#pending[0] = bytes.subarray(taken);
        return false;
      }
      this.#pending.shift();
    }
    return true;
  }

  /** The connection closed: nothing more can be written. */
  detach(): void {
    if (this.#scratch.owner === this) {
      this.#scratch.owner = null;
      this.#scratch.out.length = 0;
    }
    this.socket = null;
    this.#pending.length = 0;
  }
}
