import { NetError } from "../world.ts";
import type { Socket, SocketHandler, TlsState } from "../world.ts";
import type { SimulatedClock } from "./clock.ts";
import type { LinkFaults } from "./faults.ts";
import type { SimulatedRandom } from "./random.ts";

/** What both ends of a connection need of the network around them. */
export interface Wire {
  readonly clock: SimulatedClock;
  readonly random: SimulatedRandom;
  /** The link as it is now: faults may change at run time. */
  faults(): LinkFaults;
  isCut(): boolean;
  /** Calls the owner; an error of the owner's is reported and ends the socket. */
  call(socket: SimulatedSocket, run: () => void): void;
  trace(text: string): void;
  closed(socket: SimulatedSocket): void;
}

/** How often a segment is tried again while the hosts cannot reach each other. */
const RETRANSMIT_MS = 200;

type Segment = Uint8Array | "fin";

/** One end of a simulated connection. What it sends waits in the peer's `#arrived`. */
export class SimulatedSocket implements Socket {
  handler: SocketHandler | null = null;
  peer!: SimulatedSocket;
  closed = false;
  tls: TlsState | null = null;
  /** Takes nothing of the owner's until the handshake has ended. */
  isHandshaking = false;
  #wire: Wire;
  /** Sent by us, neither read by the peer's owner nor lost. */
  #unreadBytes = 0;
  #lastArrivalAt = 0;
  /** What could not reach the peer yet; whatever is sent later waits behind it. */
  #held: (() => void)[] = [];
  #weEnded = false;
  #wasShort = false;
  #drainPlanned = false;

  #arrived: Segment[] = [];
  #paused = false;
  #deliveryPlanned = false;
  #peerEnded = false;

  constructor(
    wire: Wire,
    readonly name: string,
    readonly localAddress: string,
    readonly localPort: number,
    readonly remoteAddress: string,
    readonly remotePort: number,
  ) {
    this.#wire = wire;
  }

  /** The owner is there: from now on it hears of what happens. */
  open(handler: SocketHandler): void {
    this.handler = handler;
    this.#wire.trace(`${this.name} open`);
    this.#wire.call(this, () => handler.onOpen(this));
    this.#planDelivery();
  }

  // ------------------------------------------------------------ sending

  write(bytes: Uint8Array, start: number, length: number): number {
    if (this.closed || this.#weEnded) return -1;
    if (this.isHandshaking) {
      this.#wasShort = true;
      return 0;
    }
    const faults = this.#wire.faults();
    let taken = Math.min(length, Math.max(0, faults.windowBytes - this.#unreadBytes));
    if (taken > 1 && this.#wire.random.chance(faults.partialWrite)) {
      taken = this.#wire.random.integer(1, taken - 1);
    }
    if (taken < length) {
      this.#wasShort = true;
      this.#planDrain();
    }
    if (taken > 0) {
      this.#unreadBytes += taken;
      // `slice` of a Buffer would be a view.
      this.#send(new Uint8Array(bytes.subarray(start, start + taken)));
    }
    return taken;
  }

  /** For messages of a handshake: they need no room in the window. */
  sendWhole(bytes: Uint8Array): void {
    if (this.closed || this.#weEnded) return;
    this.#unreadBytes += bytes.length;
    this.#send(bytes);
  }

  shutdown(): void {
    if (this.closed || this.#weEnded) return;
    this.#weEnded = true;
    this.#send("fin");
    if (this.#peerEnded) this.#release(null);
  }

  close(): void {
    if (this.closed) return;
    // A kernel that still holds unread bytes when a socket is closed sends RST and no FIN.
    if (this.#arrived.some((segment) => segment !== "fin")) this.#sendReset();
    else if (!this.#weEnded) this.#send("fin");
    this.#weEnded = true;
    this.#release(null);
  }

  terminate(): void {
    if (this.closed) return;
    this.#weEnded = true;
    this.#sendReset();
    this.#release(null);
  }

  #send(segment: Segment): void {
    const { clock, random } = this.#wire;
    const faults = this.#wire.faults();
    let delay = random.between(...faults.latencyMs);
    if (random.chance(faults.delayed)) delay += random.between(...faults.delayMs);
    const isLost = segment !== "fin" && random.chance(faults.reset);
    // TCP keeps the order: nothing overtakes what was sent before.
    const at = Math.max(clock.now() + delay, this.#lastArrivalAt);
    this.#lastArrivalAt = at;
    clock.planAt(at, () => this.#arriveAtPeer(segment, isLost));
  }

  #arriveAtPeer(segment: Segment, isLost: boolean): void {
    if (this.#wire.isCut() || this.#held.length > 0) {
      this.#held.push(() => this.#reach(segment, isLost));
      if (this.#held.length === 1) this.#wire.clock.plan(RETRANSMIT_MS, this.#sendHeld);
    } else {
      this.#reach(segment, isLost);
    }
  }

  #sendHeld = (): void => {
    if (this.#wire.isCut()) {
      this.#wire.clock.plan(RETRANSMIT_MS, this.#sendHeld);
      return;
    }
    for (const reach of this.#held.splice(0)) reach();
  };

  #reach(segment: Segment, isLost: boolean): void {
    if (isLost) {
      this.peer.resetByNetwork();
      this.#wire.clock.plan(this.#wire.faults().latencyMs[0], () => this.resetByNetwork());
    } else {
      this.peer.#arrive(segment);
    }
  }

  #sendReset(): void {
    const delay = this.#wire.random.between(...this.#wire.faults().latencyMs);
    this.#wire.clock.plan(delay, () => this.#resetPeer());
  }

  #resetPeer(): void {
    if (this.#wire.isCut()) this.#wire.clock.plan(RETRANSMIT_MS, () => this.#resetPeer());
    else this.peer.resetByNetwork();
  }

  #planDrain(): void {
    if (this.#drainPlanned || this.closed) return;
    this.#drainPlanned = true;
    const delay = this.#wire.random.between(...this.#wire.faults().latencyMs);
    this.#wire.clock.plan(delay, () => {
      this.#drainPlanned = false;
      const isFull = this.#unreadBytes >= this.#wire.faults().windowBytes;
      if (this.closed || !this.#wasShort || isFull || this.handler === null) return;
      this.#wasShort = false;
      this.#wire.call(this, () => this.handler?.onDrain());
    });
  }

  // ------------------------------------------------------------ receiving

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#planDelivery();
  }

  #arrive(segment: Segment): void {
    if (this.closed) {
      // Nobody is here any more: data is answered by RST.
      if (segment !== "fin") this.#sendReset();
      return;
    }
    this.#arrived.push(segment);
    this.#deliver();
  }

  /** Bytes that a handshake read and did not need: the owner gets them first. */
  putBack(bytes: Uint8Array): void {
    if (this.#wasShort) this.#planDrain();
    if (bytes.length === 0) return;
    this.peer.#unreadBytes += bytes.length;
    this.#arrived.unshift(bytes);
    this.#planDelivery();
  }

  #planDelivery(): void {
    if (this.#deliveryPlanned || this.#arrived.length === 0) return;
    this.#deliveryPlanned = true;
    this.#wire.clock.plan(0, () => {
      this.#deliveryPlanned = false;
      this.#deliver();
    });
  }

  /** One segment an event, so that the owner may pause, close or write between two. */
  #deliver(): void {
    if (this.closed || this.#paused || this.#deliveryPlanned || this.handler === null) return;
    const segment = this.#arrived.shift();
    if (segment === undefined) return;
    if (segment === "fin") {
      this.#deliverEnd();
      return;
    }
    const faults = this.#wire.faults();
    let piece = segment;
    if (segment.length > 1 && this.#wire.random.chance(faults.partialRead)) {
      const length = this.#wire.random.integer(1, segment.length - 1);
      piece = segment.slice(0, length);
      this.#arrived.unshift(segment.slice(length));
    }
    this.peer.#peerRead(piece.length);
    this.#wire.trace(`${this.name} data ${piece.length}`);
    this.#wire.call(this, () => this.handler?.onData(piece));
    this.#planDelivery();
  }

  #peerRead(length: number): void {
    this.#unreadBytes -= length;
    if (this.#wasShort) this.#planDrain();
  }

  #deliverEnd(): void {
    this.#peerEnded = true;
    this.#wire.trace(`${this.name} end`);
    this.#wire.call(this, () => this.handler?.onEnd());
    if (this.#weEnded && !this.closed) this.#release(null);
  }

  // ------------------------------------------------------------ ending

  resetByNetwork(): void {
    if (this.closed) return;
    const text = `the connection ${this.name}: reset by the peer (simulated)`;
    this.#release(new NetError("reset", text));
  }

  #release(error: NetError | null): void {
    this.closed = true;
    this.#arrived = [];
    this.#wire.trace(`${this.name} close ${error === null ? "" : error.code}`);
    this.#wire.closed(this);
    const { handler } = this;
    this.handler = null;
    if (handler !== null) this.#wire.call(this, () => handler.onClose(error));
  }
}
