/** How a link between two hosts behaves. Probabilities are from 0 to 1. */
export interface LinkFaults {
  /** One way, per segment: uniform between the two. Segments of a connection keep their order. */
  readonly latencyMs: readonly [low: number, high: number];
  /** Bytes on their way and unread at the receiver, a direction; then `write` takes no more. */
  readonly windowBytes: number;
  /** A segment reaches its reader in several pieces. */
  readonly partialRead: number;
  /** A write takes only a part, though there is room; onDrain follows. */
  readonly partialWrite: number;
  /** Per segment: the connection is reset instead, at both ends. */
  readonly reset: number;
  /** Per segment: it comes later than it should by `delayMs`. */
  readonly delayed: number;
  readonly delayMs: readonly [low: number, high: number];
  /** Per connect: refused, though somebody listens. */
  readonly connectRefused: number;
  /** Per connect: never answered. */
  readonly connectLost: number;
  /** Per datagram: it never arrives. */
  readonly datagramLost: number;
}

/** A network without faults, 0.1 ms away. */
export const CALM: LinkFaults = {
  latencyMs: [0.1, 0.1],
  windowBytes: 256 * 1024,
  partialRead: 0,
  partialWrite: 0,
  reset: 0,
  delayed: 0,
  delayMs: [0, 0],
  connectRefused: 0,
  connectLost: 0,
  datagramLost: 0,
};

/** Everything goes wrong now and then. */
export const ROUGH: LinkFaults = {
  latencyMs: [0.05, 3],
  windowBytes: 16 * 1024,
  partialRead: 0.5,
  partialWrite: 0.3,
  reset: 0.005,
  delayed: 0.05,
  delayMs: [5, 200],
  connectRefused: 0.02,
  connectLost: 0.01,
  datagramLost: 0.05,
};
