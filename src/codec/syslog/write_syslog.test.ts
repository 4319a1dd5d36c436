import { describe, expect, test } from "bun:test";
import { Xoshiro128 } from "../../base/xoshiro.ts";
import { parseSyslog } from "./parse_syslog.ts";
import { SyslogFrames } from "./frames.ts";
import { frameSyslog, severityOf, writeRfc3164, writeRfc5424 } from "./write_syslog.ts";
import type { SyslogParts } from "./write_syslog.ts";

const AT_MS = Date.UTC(2026, 10, 1, 4, 5, 6, 789);
const PARTS: SyslogParts = {
  facility: 16,
  severity: 3,
  timeMs: AT_MS,
  host: "web-1",
  app: "shop",
  processId: "17",
  messageId: "ID47",
  data: { "order@32473": { id: "7", note: 'a "b" ]\\' } },
  message: "it is full",
};

describe("RFC 5424", () => {
  test("every part in its place, values escaped", () => {
    expect(writeRfc5424(PARTS)).toBe(
      "<131>1 2026-11-01T04:05:06.789Z web-1 shop 17 ID47" +
        ' [order@32473 id="7" note="a \\"b\\" \\]\\\\"] it is full',
    );
  });

  test("what is not known is a dash; what a header cannot hold becomes _", () => {
    const nothing = { host: null, app: "my app\n", processId: "", messageId: null, data: null };
    expect(writeRfc5424({ ...PARTS, ...nothing })).toBe(
      "<131>1 2026-11-01T04:05:06.789Z - my_app_ - - - it is full",
    );
    const long = writeRfc5424({ ...PARTS, app: "x".repeat(100), data: { "a=b]": { 'c"': "" } } });
    expect(long).toContain(` ${"x".repeat(48)} `);
    expect(long).toContain('[a_b_ c_=""]');
  });

  test("whatever is written is read as it was meant", () => {
    const random = Xoshiro128.fromSeed(7);
    const below = (limit: number): number => Math.floor(random.next() * limit);
    const letters = 'abc "\\]=[é四:<>';
    const any = (most: number): string =>
      Array.from({ length: below(most) }, () => letters[below(letters.length)]!).join("");
    for (let run = 0; run < 500; run++) {
      const message = any(40);
      const data = { [`id${below(9)}@1`]: { name: any(20), other: any(5) } };
      const [facility, severity] = [below(24), below(8)];
      const line = writeRfc5424({ ...PARTS, facility, severity, message, data });
      const read = parseSyslog(line, { format: "auto", nowMs: AT_MS });
      expect(read).toMatchObject({ facility, severity, data, host: "web-1", app: "shop" });
      expect(read).toMatchObject({ message, processId: "17", time: new Date(AT_MS).toISOString() });
    }
  });
});

test("RFC 3164: the day is padded by a space, the tag has its process id", () => {
  expect(writeRfc3164(PARTS)).toBe("<131>Nov  1 04:05:06 web-1 shop[17]: it is full");
  const bare = writeRfc3164({ ...PARTS, app: "a:b[c]", processId: null, host: null });
  expect(bare).toBe("<131>Nov  1 04:05:06 localhost a_b_c_: it is full");
});

test("frames: a message with a newline in it is still one", () => {
  for (const framing of ["octet-counting", "newline"] as const) {
    const texts = ["<13>Nov  1 04:05:06 h a: one", "<13>Nov  1 04:05:06 h a: é\ntwo\0"];
    const bytes = Buffer.concat(texts.map((text) => frameSyslog(text, framing)));
    const frames = new SyslogFrames({ framing: "auto", maxMessageBytes: 1000 });
    const chunk = frames.join(bytes);
    const found: string[] = [];
    while (frames.next()) found.push(chunk.toString("utf8", frames.start, frames.end));
    const second = framing === "newline" ? texts[1]!.replace("\n", "#012").replace("\0", "#000") : texts[1]!;
    expect(found).toEqual([texts[0]!, second]);
  }
});

test("levels by the words that logs use", () => {
  expect(["ERROR", "warning", "fatal", "Info", "trace"].map(severityOf)).toEqual([3, 4, 2, 6, 7]);
  expect([severityOf("loud"), severityOf("__proto__")]).toEqual([null, null]);
});
