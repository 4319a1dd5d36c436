/** What pipelines are fed with: the same bytes for all, made from a seed. */
import { closeSync, openSync, writeSync } from "node:fs";
import type { PipelineWork } from "./pipeline_program.ts";

const CHUNK_BYTES = 4 << 20;

/** Writes lines of the work until the file has that many bytes. Returns how many lines it has. */
export function writeInput(path: string, work: PipelineWork, bytes: number): number {
  const make = LINES[work];
  const file = openSync(path, "w");
  let lines = 0;
  let written = 0;
  try {
    while (written < bytes) {
      let chunk = "";
      while (chunk.length < Math.min(CHUNK_BYTES, bytes - written)) chunk += make(lines++);
      writeSync(file, chunk);
      written += chunk.length;
    }
  } finally {
    closeSync(file);
  }
  return lines;
}

const LINES: Readonly<Record<PipelineWork, (n: number) => string>> = {
  passthrough: plainLine,
  "passthrough-disk": plainLine,
  json: jsonLine,
  typescript: jsonLine,
  "json-disk": jsonLine,
  regex: accessLine,
  "syslog-bulk": syslogFrame,
};

const WORDS = "order paid item cart shop price user total sent mail stock queue retry cache".split(" ");

function words(n: number, length: number): string {
  let text = "";
  for (let i = n; text.length < length; i = (i * 31 + 7) % 65_537) text += `${WORDS[i % 14]!} `;
  return text.slice(0, length);
}

/** 512 bytes with its newline. */
function plainLine(n: number): string {
  const head = `${stamp(n)} info worker-${n % 16} request=${id(n)} `;
  return `${head}${words(n, 511 - head.length)}\n`;
}

/** 445 bytes with its newline. */
function jsonLine(n: number): string {
  const fields = {
    time: stamp(n),
    level: n % 50 === 0 ? "error" : "info",
    service: `shop-${n % 8}`,
    request: id(n),
    user: n % 10_000,
    duration: (n % 977) / 10,
    http: { method: "GET", path: `/items/${n % 5000}`, status: n % 50 === 0 ? 500 : 200 },
    debug: "to be removed",
    message: "",
  };
  const room = 444 - JSON.stringify(fields).length;
  return `${JSON.stringify({ ...fields, message: words(n, room) })}\n`;
}

function accessLine(n: number): string {
  const second = String(n % 60).padStart(2, "0");
  const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
  return (
    `10.0.${(n >> 8) & 255}.${n & 255} - - [21/Nov/2026:12:00:${second} +0000] ` +
    `"GET /items/${n % 5000}?page=${n % 7} HTTP/1.1" 200 ${1000 + (n % 9000)} ` +
    `"https://shop.example/list" "${agent}"\n`
  );
}

/** RFC 6587's octet counting. */
function syslogFrame(n: number): string {
  const text = `<134>1 ${stamp(n)} host-${n % 4} shop ${100 + (n % 9)} ID${n % 20} - ${words(n, 160)}`;
  return `${text.length} ${text}`;
}

function stamp(n: number): string {
  const thousandths = String(n % 1000).padStart(3, "0");
  return `2026-11-21T12:00:${String(Math.floor(n / 1000) % 60).padStart(2, "0")}.${thousandths}Z`;
}

function id(n: number): string {
  return ((n * 2_654_435_761) % 4_294_967_296).toString(16).padStart(8, "0");
}
