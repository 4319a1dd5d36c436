/** Where every event of a pipeline is, at one moment, since its process started. */
export interface Ledger {
  readonly sources: Readonly<Record<string, SourceLedger>>;
  readonly sinks: Readonly<Record<string, SinkLedger>>;
}

/** `received` = `delivered` + `dropped` + `buffered` + `deadLettered`: each event is in one. */
export interface SourceLedger {
  readonly received: number;
  /** Every sink that it was for took it. */
  readonly delivered: number;
  /** By reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Waits for a sink at least. */
  readonly buffered: number;
  /** One sink at least refused it for good, or a step failed on it; it is in the dead letters. */
  readonly deadLettered: number;
}

/** `received` = `delivered` + `deadLettered` + `dropped` + `buffered`, per sink. */
export interface SinkLedger {
  readonly received: number;
  readonly delivered: number;
  readonly deadLettered: number;
  readonly dropped: number;
  readonly buffered: number;
}

/** The counting side of a source's line. `buffered` is counted by itself, never as a difference. */
export class SourceCounts {
  received = 0;
  delivered = 0;
  buffered = 0;
  deadLettered = 0;
  readonly dropped = new Map<string, number>();

  drop(reason: string, count = 1): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count);
  }

  line(): SourceLedger {
    const { received, delivered, buffered, deadLettered } = this;
    const dropped = Object.fromEntries(this.dropped);
    return { received, delivered, dropped, buffered, deadLettered };
  }
}

export class SinkCounts {
  received = 0;
  delivered = 0;
  deadLettered = 0;
  dropped = 0;
}

/** What the two sides of the equation differ by; 0 where the books are right. */
export function imbalance(line: SourceLedger): number {
  const dropped = Object.values(line.dropped).reduce((sum, count) => sum + count, 0);
  return line.received - line.delivered - dropped - line.buffered - line.deadLettered;
}
