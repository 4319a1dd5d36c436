import type { Http1Upstream } from "../upstream/http1_connection.ts";

/** One address of a cluster, with its idle connections. */
export class Endpoint {
  readonly address: string;
  readonly port: number;
  /** Last in, first out: the connection used last is the least likely to have been closed. */
  readonly idle: Http1Upstream[] = [];
  /** Tries in flight. */
  active = 0;
  tries = 0;
  triesFailed = 0;
  /** No longer in the cluster: connections close when their try ends. */
  removed = false;

  constructor(address: string, port: number) {
    this.address = address;
    this.port = port;
  }

  get key(): string {
    return `${this.address}:${this.port}`;
  }
}
