import type { Http1Upstream } from "../upstream/http1_connection.ts";
import { PeakLatency } from "./latency.ts";

/** One address of a cluster, with its idle connections. */
export class Endpoint {
  readonly address: string;
  readonly port: number;
  readonly key: string;
  /** As it was written. */
  weight = 1;
  /** Its part of the requests: `weight`, or less while it starts slowly. Above 0. */
  share = 1;
  zone = "";
  /** When its slow start began; -1 where it has its whole share. */
  warmsFromMs = -1;
  /** Last in, first out: the connection used last is the least likely to have been closed. */
  readonly idle: Http1Upstream[] = [];
  readonly latency = new PeakLatency();
  /** Tries in flight. */
  active = 0;
  tries = 0;
  triesFailed = 0;
  /** No longer in the cluster: connections close when their try ends. */
  removed = false;
  /** Not to be used, for others are healthy. */
  isOut = false;

  /** Owned by `health_checks.ts`. */
  failsChecks = false;

  // Owned by `outliers.ts`.
  isEjected = false;
  /** Past ejections that are not forgiven yet. */
  ejections = 0;
  failuresInRow = 0;
  gatewayErrorsInRow = 0;
  /** Of the current interval. */
  windowTries = 0;
  windowFailures = 0;

  constructor(address: string, port: number) {
    this.address = address;
    this.port = port;
    this.key = `${address}:${port}`;
  }

  get isHealthy(): boolean {
    return !this.isEjected && !this.failsChecks;
  }
}
