import type { CapturedRequest, CaptureHead, CaptureLine } from "../api/capture.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { Failure } from "../base/failure.ts";

/** A file that `outrigger capture` wrote. */
export interface ReadCapture {
  readonly head: CaptureHead;
  /** By version. */
  readonly snapshots: ReadonlyMap<string, Snapshot>;
  readonly requests: readonly { readonly line: number; readonly request: CapturedRequest }[];
  /** Sampled, but not in the file. */
  readonly lost: number;
}

/** @throws Failure "usage" with the line that is no capture's. */
export function readCapture(text: string, file: string): ReadCapture {
  let head: CaptureHead | null = null;
  let lost = 0;
  const snapshots = new Map<string, Snapshot>();
  const requests: { line: number; request: CapturedRequest }[] = [];
  const lines = text.split("\n");
  // A capture that was cut off, by a full disk for one, ends in the middle of a line.
  if (lines.pop() !== "") lost++;
  for (const [index, written] of lines.entries()) {
    const line = lineOf(written);
    if (line === null || (head === null && !("capture" in line))) {
      throw noCapture(`${file}:${index + 1}`);
    }
    if ("capture" in line) head ??= line.capture;
    else if ("snapshot" in line) snapshots.set(line.snapshot.version, line.snapshot);
    else if ("request" in line) requests.push({ line: index + 1, request: line.request });
    else lost += line.lost;
  }
  if (head === null) throw noCapture(file);
  if (head.format !== 1) {
    const text = `${file} is a capture of format ${String(head.format)}, expected 1`;
    throw new Failure("usage", text, "read it with the version that wrote it");
  }
  return { head, snapshots, requests, lost };
}

function noCapture(where: string): Failure {
  return new Failure("usage", `${where} is no line of a capture`, "outrigger capture writes them");
}

/** Null where it is none of them; what stands in it is believed, as its writer is this program. */
function lineOf(text: string): CaptureLine | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const line = value as Readonly<Record<string, unknown>>;
  const isObject = (one: unknown): boolean => typeof one === "object" && one !== null;
  const known = ["capture", "snapshot", "request"].some((key) => isObject(line[key]));
  return known || typeof line["lost"] === "number" ? (value as CaptureLine) : null;
}
