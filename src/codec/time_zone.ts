/** Named time zones (IANA, "Europe/Berlin"), by the tables that come with the runtime. */

export interface TimeZone {
  readonly name: string;
  /**
   * From a local time, as milliseconds since 1970 if it were UTC, to UTC. A time that a clock shows
   * twice (it was set back) is the first of the two; one that no clock shows (it was set forward)
   * is read by the offset before: 02:30 is then 03:30, as RFC 5545, 3.3.5 has it.
   */
  toUtcMs(localMs: number): number;
}

/** Offsets change at full quarters of an hour of UTC. */
const QUARTER_MS = 15 * 60_000;
/** Logs are read in order as a rule: few quarters are enough. */
const MAX_KEPT = 512;
const HALF_DAY_MS = 12 * 3_600_000;

/** Null where nobody knows the name. */
export function timeZone(name: string): TimeZone | null {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
      era: "short",
    });
  } catch {
    return null;
  }
  const kept = new Map<number, number>();
  const offsetMs = (utcMs: number): number => {
    const quarter = Math.floor(utcMs / QUARTER_MS);
    let offset = kept.get(quarter);
    if (offset === undefined) {
      if (kept.size >= MAX_KEPT) kept.clear();
      kept.set(quarter, (offset = localOf(format, quarter * QUARTER_MS) - quarter * QUARTER_MS));
    }
    return offset;
  };
  return {
    name,
    toUtcMs: (localMs) => {
      // Half a day on either side lies beyond what any single change moves.
      const before = offsetMs(localMs - HALF_DAY_MS - offsetMs(localMs));
      const after = offsetMs(localMs + HALF_DAY_MS - offsetMs(localMs));
      if (before === after) return localMs - before;
      const early = localMs - before;
      if (offsetMs(early) === before) return early;
      const late = localMs - after;
      return offsetMs(late) === after ? late : early;
    },
  };
}

function localOf(format: Intl.DateTimeFormat, utcMs: number): number {
  const parts: Record<string, string> = {};
  for (const { type, value } of format.formatToParts(new Date(utcMs))) parts[type] = value;
  const [year, month, day] = [Number(parts["year"]), Number(parts["month"]), Number(parts["day"])];
  const clock = [parts["hour"], parts["minute"], parts["second"]].map(Number);
  return Date.UTC(year, month - 1, day, clock[0], clock[1], clock[2]);
}
