/** Where every event of a pipeline is, at one moment, since its process started. */
export interface Ledger {
  /** Also of sources that the file no longer has, where events of theirs were in a buffer. */
  readonly sources: Readonly<Record<string, SourceLedger>>;
  readonly sinks: Readonly<Record<string, SinkLedger>>;
}

/**
 * `received` + `made` + `recovered` = `delivered` + `dropped` + `buffered` + `deadLettered` +
 * `replaced`: each event is in one place on the right. Where no step makes events of others and no
 * buffer on disk outlived its process, `made`, `recovered` and `replaced` are 0.
 */
export interface SourceLedger {
  /** Read by the source. */
  readonly received: number;
  /** Made by steps, of others. */
  readonly made: number;
  /**
   * Found in buffers on disk at the start: what an earlier process had acknowledged and not
   * delivered. An event in the buffers of two sinks counts twice, here and on the right.
   */
  readonly recovered: number;
  /** Every sink that it was for took it. */
  readonly delivered: number;
  /** By reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Waits for a sink at least, on disk too, or is held by a step. */
  readonly buffered: number;
  /** One sink at least refused it for good, or a step failed on it; it is in the dead letters. */
  readonly deadLettered: number;
  /** A step made others of it, or took it into a sum; those were counted as `made`. */
  readonly replaced: number;
}

/** `received` + `recovered` = `delivered` + `deadLettered` + `dropped` + `buffered`, per sink. */
export interface SinkLedger {
  readonly received: number;
  readonly recovered: number;
  readonly delivered: number;
  readonly deadLettered: number;
  readonly dropped: number;
  readonly buffered: number;
}

/** The counting side of a source's line. `buffered` is counted by itself, never as a difference. */
export class SourceCounts {
  received = 0;
  made = 0;
  recovered = 0;
  delivered = 0;
  buffered = 0;
  deadLettered = 0;
  replaced = 0;
  readonly dropped = new Map<string, number>();

  drop(reason: string, count = 1): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count);
  }

  line(): SourceLedger {
    const { received, made, recovered, delivered, buffered, deadLettered, replaced } = this;
    const dropped = Object.fromEntries(this.dropped);
    return { received, made, recovered, delivered, dropped, buffered, deadLettered, replaced };
  }
}

export class SinkCounts {
  received = 0;
  recovered = 0;
  /** Refused, and not in the file of dead letters yet: buffered. */
  letters = 0;
  delivered = 0;
  deadLettered = 0;
  dropped = 0;
}

/** What the two sides of the equation differ by; 0 where the books are right. */
export function imbalance(line: SourceLedger): number {
  const dropped = Object.values(line.dropped).reduce((sum, count) => sum + count, 0);
  const came = line.received + line.made + line.recovered;
  return came - line.delivered - dropped - line.buffered - line.deadLettered - line.replaced;
}

/** The same for a sink. */
export function sinkImbalance(line: SinkLedger): number {
  const { received, recovered, delivered, deadLettered, dropped, buffered } = line;
  return received + recovered - delivered - deadLettered - dropped - buffered;
}
