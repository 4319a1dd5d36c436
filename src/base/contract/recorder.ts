import type { DialHandler, NetError, Socket } from "../world.ts";

/** Writes down what a socket says, and does what the test wants at each event. */
export class Recorder implements DialHandler {
  socket!: Socket;
  readonly events: string[] = [];
  received = 0;
  /** A weighted sum of all bytes: a lost, doubled or swapped byte changes it. */
  checksum = 0;
  error: NetError | null = null;
  openCount = 0;
  onOpenDo: (socket: Socket) => void = () => {};
  onDataDo: (socket: Socket, bytes: Uint8Array) => void = () => {};
  onDrainDo: (socket: Socket) => void = () => {};
  onEndDo: (socket: Socket) => void = () => {};
  onCloseDo: () => void = () => {};

  onOpen(socket: Socket): void {
    this.socket = socket;
    this.openCount += 1;
    this.events.push("open");
    this.onOpenDo(socket);
  }

  onData(bytes: Uint8Array): void {
    this.received += bytes.length;
    let sum = this.checksum;
    for (let at = 0; at < bytes.length; at += 1) sum = (Math.imul(sum, 31) + bytes[at]!) | 0;
    this.checksum = sum;
    this.events.push("data");
    this.onDataDo(this.socket, bytes);
  }

  onDrain(): void {
    this.events.push("drain");
    this.onDrainDo(this.socket);
  }

  onEnd(): void {
    this.events.push("end");
    this.onEndDo(this.socket);
  }

  onClose(error: NetError | null): void {
    this.error = error;
    this.events.push(error === null ? "close" : `close ${error.code}`);
    this.onCloseDo();
  }

  onConnectError(error: NetError): void {
    this.error = error;
    this.events.push(`connect error ${error.code}`);
  }

  get isOver(): boolean {
    return this.events.some((event) => event.startsWith("close"));
  }

  /** Without what depends on how much a kernel takes or gives at once. */
  get story(): string {
    const events = this.events.filter((event) => event !== "drain");
    return events.filter((event, index) => event !== events[index - 1]).join(", ");
  }
}

/** Sends all of it as a real owner would: the rest in onDrain, then `done`. */
export class Sender {
  sent = 0;
  shortWrites = 0;

  constructor(
    readonly bytes: Uint8Array,
    readonly done: (socket: Socket) => void,
  ) {}

  readonly pump = (socket: Socket): void => {
    while (this.sent < this.bytes.length) {
      const length = Math.min(65_536, this.bytes.length - this.sent);
      const taken = socket.write(this.bytes, this.sent, length);
      if (taken < 0) return;
      this.sent += taken;
      if (taken < length) {
        this.shortWrites += 1;
        return;
      }
    }
    this.done(socket);
  };
}

export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) bytes[index] = (index * 7 + (index >> 8)) & 0xff;
  return bytes;
}

export function checksumOf(bytes: Uint8Array): number {
  const recorder = new Recorder();
  recorder.onData(bytes);
  return recorder.checksum;
}

/** What `run` throws. */
export function thrownBy<T extends Error>(run: () => unknown): T {
  try {
    run();
  } catch (error) {
    return error as T;
  }
  throw new Error("nothing was thrown");
}
