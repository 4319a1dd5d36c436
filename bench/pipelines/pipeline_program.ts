import type { Program } from "../processes.ts";

/** What is done with the events of a row. */
export type PipelineWork =
  /** Lines of a file to nowhere. */
  | "passthrough"
  /** The same, and everything goes through a buffer on disk. */
  | "passthrough-disk"
  /** Lines of JSON: parsed, one field set, one removed, written as JSON lines. */
  | "json"
  /** The same with a user's function in the middle. */
  | "typescript"
  /** As `json`, and everything goes through a buffer on disk. */
  | "json-disk"
  /** Combined access log lines by one regular expression to JSON lines. */
  | "regex"
  /** RFC 5424 over one TCP connection, octets counted, to bodies of the bulk API. */
  | "syslog-bulk";

export interface PipelineSetup {
  readonly work: PipelineWork;
  /** Lines are appended to it; empty at the start. Unused by `syslog-bulk`. */
  readonly input: string;
  /** JSON lines, or bodies of the bulk API of those that speak no HTTP. */
  readonly output: string;
  /** For `syslog-bulk`, on 127.0.0.1. */
  readonly syslogPort: number;
  /** Where a bulk API listens, on 127.0.0.1. */
  readonly bulkPort: number;
  /** Empty, for its configuration and state. */
  readonly folder: string;
}

export interface StartedPipeline {
  readonly program: Program;
  /**
   * Events that it has done with since its start, where it tells; null where what it has read of
   * its input and its idleness have to do.
   */
  done(): Promise<number | null>;
}

export interface BenchedPipeline {
  readonly name: string;
  readonly version: string;
  /** What it does for the work, or why it cannot. */
  does(work: PipelineWork): { readonly text: string; readonly able: boolean };
  start(setup: PipelineSetup): StartedPipeline;
}

export const able = (text: string) => ({ text, able: true });
export const unable = (text: string) => ({ text, able: false });

/** What one does that has no functions of the user's in TypeScript, and buffers for real sinks only. */
export function abilities(works: Partial<Record<PipelineWork, string>>): BenchedPipeline["does"] {
  return (work) => {
    const text = works[work];
    if (text !== undefined) return able(text);
    return unable(
      work === "typescript"
        ? "- (no functions of the user's in TypeScript)"
        : "- (what it throws away has no buffer)",
    );
  };
}

/** The combined format, for those that take PCRE or the like. */
export const COMBINED =
  '^(?<client>\\S+) \\S+ (?<user>\\S+) \\[(?<time>[^\\]]+)\\] "(?<method>\\S+) (?<path>\\S+) ' +
  '(?<protocol>[^"]+)" (?<status>\\d+) (?<bytes>\\S+) "(?<referer>[^"]*)" "(?<agent>[^"]*)"$';
