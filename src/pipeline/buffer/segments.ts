import { join } from "node:path";
import type { Files, OpenFile } from "../../base/world.ts";
import { FileError } from "../../base/world.ts";
import { readFrame, summaryOf } from "./frame_codec.ts";

/** One file of a buffer: frames, one behind the other. */
export interface Segment {
  readonly number: number;
  sizeBytes: number;
  /** Events in it that are not settled. */
  unsettled: number;
  /** Frames in it that nobody has read back, and their events by source. */
  unreadFrames: number;
  readonly unread: Map<string, number>;
  /** Everything before it is settled. */
  doneTo: number;
}

export interface Recovery {
  /** Events by source, in all segments. */
  readonly events: ReadonlyMap<string, number>;
  readonly truncatedTails: number;
  readonly damagedFrames: number;
  /** Files that were delivered before, or that the position does not know. */
  readonly orphans: number;
}

/** `{"version":1,"done":{"12":4096}}`: how far each segment is settled. */
const POSITION = "position.json";

export function segmentPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(10, "0")}.seg`);
}

export function newSegment(number: number): Segment {
  return {
    number,
    sizeBytes: 0,
    unsettled: 0,
    unreadFrames: 0,
    unread: new Map(),
    doneTo: 0,
  };
}

export function writePosition(files: Files, folder: string, segments: readonly Segment[]): void {
  const done: Record<string, number> = {};
  for (const { number, doneTo } of segments) done[number] = doneTo;
  const text = `${JSON.stringify({ version: 1, done })}\n`;
  files.replace(join(folder, POSITION), text, { mode: 0o600 });
}

/**
 * Looks at every segment that an earlier process left: counts what is not settled, cuts off a tail
 * that was written in part, and removes what was delivered.
 *
 * @throws FileError where the folder or a segment cannot be read.
 */
export function recoverSegments(
  files: Files,
  folder: string,
  report: (text: string) => void,
): { readonly segments: Segment[]; readonly lastNumber: number; readonly recovery: Recovery } {
  const done = readPosition(files, folder, report);
  const segments: Segment[] = [];
  const events = new Map<string, number>();
  const counts = { truncatedTails: 0, damagedFrames: 0, orphans: 0 };
  let lastNumber = 0;
  for (const name of files.list(folder)) {
    const number = Number(/^(\d{10})\.seg$/.exec(name)?.[1] ?? NaN);
    if (Number.isNaN(number)) continue;
    lastNumber = Math.max(lastNumber, number);
    const known = done?.get(number);
    if (done !== null && known === undefined) {
      counts.orphans += 1;
      report(`found the orphan segment ${name}, which the position does not know: it is delivered`);
    }
    const segment = scanSegment(files, folder, number, known ?? 0, report, counts);
    if (segment.unsettled === 0) {
      files.remove(segmentPath(folder, number));
      continue;
    }
    for (const [source, n] of segment.unread) events.set(source, (events.get(source) ?? 0) + n);
    segments.push(segment);
  }
  return { segments, lastNumber, recovery: { events, ...counts } };
}

function scanSegment(
  files: Files,
  folder: string,
  number: number,
  doneTo: number,
  report: (text: string) => void,
  counts: { truncatedTails: number; damagedFrames: number },
): Segment {
  const path = segmentPath(folder, number);
  const segment = newSegment(number);
  const file = files.open(path, "read");
  let cutAt: number | null = null;
  try {
    const { sizeBytes } = file.stat();
    segment.sizeBytes = sizeBytes;
    segment.doneTo = Math.min(doneTo, sizeBytes);
    for (let at = segment.doneTo; at < sizeBytes; ) {
      const read = readFrame(file, at, sizeBytes);
      if (read.kind === "frame") {
        addUnread(segment, read.payload);
        at = read.end;
      } else if (read.next === null) {
        cutAt = at;
        break;
      } else {
        counts.damagedFrames += 1;
        report(`${path} is damaged at byte ${at}: ${read.next - at} bytes are passed over`);
        at = read.next;
      }
    }
    if (cutAt !== null) {
      counts.truncatedTails += 1;
      report(`${path}: its last ${sizeBytes - cutAt} bytes were written in part, and are cut off`);
    }
  } finally {
    file.close();
  }
  if (cutAt !== null) truncate(files, path, cutAt);
  if (cutAt !== null) segment.sizeBytes = cutAt;
  return segment;
}

function addUnread(segment: Segment, payload: Buffer): void {
  const summary = summaryOf(payload);
  if (summary === null) return;
  segment.unsettled += summary.count;
  segment.unreadFrames += 1;
  const { source, count } = summary;
  segment.unread.set(source, (segment.unread.get(source) ?? 0) + count);
}

function truncate(files: Files, path: string, sizeBytes: number): void {
  const file: OpenFile = files.open(path, "append");
  try {
    file.truncate(sizeBytes);
  } finally {
    file.close();
  }
}

/** Null where there is none, or none that can be understood: then everything is delivered again. */
function readPosition(
  files: Files,
  folder: string,
  report: (text: string) => void,
): ReadonlyMap<number, number> | null {
  let text: string;
  try {
    text = files.readText(join(folder, POSITION));
  } catch (error) {
    if (error instanceof FileError && error.code === "not-found") return null;
    throw error;
  }
  try {
    const { version, done } = JSON.parse(text) as { version: unknown; done: unknown };
    if (version === 1 && typeof done === "object" && done !== null) {
      const entries = Object.entries(done).map(([key, value]) => [Number(key), Number(value)]);
      const isWhole = entries.every((pair) => pair.every((n) => Number.isSafeInteger(n) && n! >= 0));
      if (isWhole) return new Map(entries as [number, number][]);
    }
  } catch {
    // Said below.
  }
  report(`${join(folder, POSITION)} is damaged: what the buffer holds is delivered again`);
  return null;
}
