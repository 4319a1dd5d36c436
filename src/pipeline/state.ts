import type { Ledger } from "./ledger.ts";

/** A pipeline as `pipeline top` shows it: the books, and what moves. */
export interface PipelineState {
  readonly ledger: Ledger;
  readonly sources: Readonly<Record<string, SourceState>>;
  readonly sinks: Readonly<Record<string, SinkState>>;
  /** What components count besides events, by component and counter. */
  readonly counters: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface SourceState {
  /** Read, and not acknowledged. */
  readonly inFlightBytes: number;
  /** It was told to wait: a sink pushes back. */
  readonly isWaiting: boolean;
  /** There, and not read; null where the source cannot know. */
  readonly lagBytes: number | null;
}

export interface SinkState {
  /** In memory, and not handed to the sink. */
  readonly waiting: number;
  /** Of the buffer, from 0 to 1. */
  readonly fill: number;
  /** How long the oldest that waits in memory has waited. */
  readonly oldestMs: number;
  /** Null where it waits in memory only. */
  readonly diskBytes: number | null;
}
