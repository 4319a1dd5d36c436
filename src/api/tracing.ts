/** How requests are traced: parts of a Snapshot. */

export type TraceNotation = "w3c" | "b3" | "b3-multi";

/** @see `policy.tracing` of a Snapshot. */
export interface TracingPolicy {
  /** The part of the traces that begin here which is kept, 0 to 1; a decision that came stands. */
  readonly ratio: number;
  readonly exporter: "zipkin" | "otlp";
  /** What the next hop gets besides the notations that the request came with. */
  readonly write: readonly TraceNotation[];
}

/** @see `bindings.tracing` of a Snapshot. */
export interface TracingBinding {
  /** Where spans are posted to, path and all. */
  readonly url: string;
}
