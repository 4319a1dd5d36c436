import { join } from "node:path";
import type { Program } from "../processes.ts";

/**
 * `bare`: one listener, one cluster, nothing else. `policies`: what a sidecar does for each
 * request: routing by host and prefix, metrics, timeouts, retries, a breaker (or the nearest
 * thing), limits, a request id.
 */
export type Profile = "bare" | "policies";

export interface Setup {
  readonly profile: Profile;
  /** One JSON line a request, into `logFile` of the folder: method, path, status, time and so on. */
  readonly accessLog: boolean;
  /** How many prefix routes there are; the one that is asked for, `/`, is the last to be named. */
  readonly routes: number;
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** Where it has its own pages (metrics, ready), on 127.0.0.1. */
  readonly adminPort: number;
  /** Where the requests go, on 127.0.0.1. */
  readonly upstreamPort: number;
  /** Empty, for its configuration. */
  readonly folder: string;
  /** Callers come by TLS; null: without it. */
  readonly tls: TlsFiles | null;
  /** Ours alone: what looks on is on (spans go to this URL) or off; as the profile has it without. */
  readonly telemetry?: { readonly collector: string } | "off" | undefined;
}

/** PEM files of a P-256 certificate. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  /** The key behind the certificate in one file, as HAProxy wants it. */
  readonly both: string;
}

/** What all agree on with callers: the run checks it. */
export const TLS_CIPHER = "TLS_AES_256_GCM_SHA384";

/** A proxy that a bench measures: one worker, on the same machine, doing the same work. */
export interface BenchedProxy {
  readonly name: string;
  readonly version: string;
  /** What it does in each profile, for the report. */
  readonly does: Readonly<Record<Profile, string>>;
  /** Starts it; the caller waits until it is ready. */
  start(setup: Setup): Program;
}

export function logFile(setup: Setup): string {
  return join(setup.folder, "access.log");
}

/** Prefixes of the routes but the last, which nobody asks for. */
export function otherPrefixes({ routes }: Setup): string[] {
  return Array.from({ length: routes - 1 }, (_, n) => `/service-${String(n).padStart(4, "0")}/`);
}

/** The host that the routes of the profile `policies` match. */
export const HOST = "bench.test";
