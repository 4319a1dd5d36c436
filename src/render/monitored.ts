/** What the generators for Prometheus need to know of a workload. */
export interface MonitoredWorkload {
  readonly namespace: string;
  readonly name: string;
  /** Requests are counted where they come in: in front of an app, or at the gateway. */
  readonly direction: "inbound" | "gateway";
  readonly calls: readonly MonitoredCall[];
  /** Of final answers, 0 to 1; null where no objective is declared. */
  readonly availability: number | null;
  /** Null where no target is declared. */
  readonly p99Ms: number | null;
  /** Names of its log adapters. */
  readonly pipelines: readonly string[];
  /** It shows certificates: to callers, or to callees that ask for one. */
  readonly certificates: CertificateUse;
}

export interface MonitoredCall {
  /** The call's name: its cluster. */
  readonly name: string;
  /** Its listener, for example `call:api`. */
  readonly listener: string;
  readonly hasBreaker: boolean;
}

export interface CertificateUse {
  readonly toCallers: boolean;
  readonly toCallees: boolean;
}

/** The scrape job of everything that Outrigger runs. */
export const SCRAPE_JOB = "outrigger";
