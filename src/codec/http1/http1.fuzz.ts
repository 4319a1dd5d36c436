import { readdirSync, readFileSync } from "node:fs";
import { latin1 } from "../ascii.ts";
import { ByteWriter } from "../byte_writer.ts";
import { type Below, chance, fuzzUntil, inPieces, mutated, oneOf } from "../testdata/fuzzing.ts";
import type { RequestHead } from "../message.ts";
import { requestHeadSize, writeRequestHead } from "./encoder.ts";
import { type Fixture, readFixtures, replay } from "./fixtures/replay.ts";
import { llhttpMessages, type WireMessage } from "./llhttp_contract.ts";
import { RequestDecoder } from "./request_decoder.ts";
import { ResponseDecoder } from "./response_decoder.ts";

/**
 * Fixtures, mutated. Whatever comes out: nothing throws, the pieces in which it arrives change
 * nothing, what we accept means the same to llhttp (Node's and Envoy's parser) and to the next hop.
 */

const FOLDER = `${import.meta.dir}/fixtures`;
const FIXTURES = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".md"))
  .sort()
  .flatMap((name) => readFixtures(readFileSync(`${FOLDER}/${name}`, "utf8")));

const TEXTS = FIXTURES.map(({ input }) => latin1(input, 0, input.length));

/** What parsers stumble over. */
const SPECIAL = [
  ..."\r\n\t \0:;,/?#%*@[]\\\"=+-x0159afAF\x7f\x80\x85\xa0\xff\x0b\x0c",
  "\r\n",
  "\r\n\r\n",
  "\n\n",
  "\r\n ",
  "0\r\n\r\n",
  "HTTP/1.0",
  "HTTP/1.1",
  "GET / HTTP/1.1\r\n",
  "Host: b\r\n",
  "Content-Length: 3\r\n",
  "Content-Length: 0\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: ",
  "Connection: close\r\n",
  "Connection: content-length\r\n",
  "chunked",
  ", ",
  "18446744073709551616",
];

/** Runs until `Date.now()` passes `deadlineMs`, once at least; throws with seed and input. */
export function fuzz(seed: number, deadlineMs: number): Promise<{ runs: number }> {
  return fuzzUntil(seed, deadlineMs, fuzzOnce);
}

/** One mutated fixture; the same seed makes the same one. */
export function fuzzOnce(seed: number): void {
  const below = chance(seed);
  const chosen = oneOf(FIXTURES, below);
  // Repairs change nothing in what needs none, and come out the same however the head arrives.
  const fixture = { ...chosen, repair: chosen.repair || below(2) === 0 };
  let text = latin1(fixture.input, 0, fixture.input.length);
  for (let changes = below(5); changes >= 0; changes--) text = mutate(text, below);
  const input = Uint8Array.from(text, (char) => char.charCodeAt(0));
  try {
    const whole = replay(fixture, [input]).join("\n");
    for (let run = 0; run < 4; run++) {
      const pieces = inPieces(input, below, run === 0 ? 1 : 30);
      const owner = { hold: run >= 2, endWhileHeld: run === 3 };
      const found = replay(fixture, pieces, owner).join("\n");
      if (found !== whole) {
        const sizes = `${pieces.map((piece) => piece.length).join(" ")} ${JSON.stringify(owner)}`;
        throw new Error(`in pieces of ${sizes}:\n${found}\nwhole:\n${whole}`);
      }
    }
    // llhttp reads the fields that start a tunnel; RFC 9112, 6.3 says to ignore them.
    const isTunnel = fixture.raw || fixture.methods.includes("CONNECT");
    // It takes a tab behind the coding for a part of its name; RFC 9110, 5.5 says it is none.
    const hasTab = /transfer-encoding:[^\r\n]*\t *\r/i.test(text);
    if (!isTunnel && !hasTab) agreesWithLlhttp(fixture, input);
    if (fixture.side === "request") isTheSameForTheNextHop(fixture, input);
  } catch (error) {
    throw new Error(`seed ${seed} (${fixture.title}): ${JSON.stringify(text)}`, { cause: error });
  }
}

function mutate(text: string, below: Below): string {
  if (below(6) !== 0) return mutated(text, below, SPECIAL, TEXTS);
  // A line moved to another place.
  const lines = text.split("\r\n");
  const [line] = lines.splice(below(lines.length), 1);
  lines.splice(below(lines.length + 1), 0, line!);
  return lines.join("\r\n");
}

/** The whole messages that our decoder reads. */
function ourMessages(fixture: Fixture, input: Uint8Array): WireMessage[] {
  const messages: WireMessage[] = [];
  let message: WireMessage | null = null;
  let fields = 0;
  const sink = {
    onBody(bytes: Uint8Array, start: number, end: number) {
      message!.body += latin1(bytes, start, end);
    },
    onTrailers() {},
    onMessageEnd() {
      messages.push(message!);
      if (message!.status >= 200) expectNext();
    },
  };
  const start = (line: string, status: number, headers: RequestHead["headers"]): void => {
    headers.forEach(() => fields++);
    message = { line, status, host: headers.get("host"), body: "" };
  };
  const decoder =
    fixture.side === "request"
      ? new RequestDecoder(fixture.limits, {
          ...sink,
          onRequestHead(head) {
            const target = latin1(head.headers.bytes, head.targetStart, head.targetEnd);
            start(`${head.method} ${target}`, 0, head.headers);
          },
        })
      : new ResponseDecoder(fixture.limits, {
          ...sink,
          onResponseHead: (head) => start(String(head.status), head.status, head.headers),
        });
  let answered = 0;
  function expectNext(): void {
    if (!(decoder instanceof ResponseDecoder)) return;
    decoder.expect(fixture.methods[Math.min(answered++, fixture.methods.length - 1)]!);
  }
  expectNext();
  if (decoder.feed(input) === null) decoder.end();
  if (fields > input.length) throw new Error("more fields than bytes");
  return messages;
}

function agreesWithLlhttp(fixture: Fixture, input: Uint8Array): void {
  const ours = ourMessages(fixture, input);
  const theirs = llhttpMessages(fixture.side, fixture.methods, input);
  for (const [index, message] of ours.entries()) {
    const other = theirs.messages[index];
    if (other === undefined && theirs.stopped !== null) return;
    if (JSON.stringify(other) === JSON.stringify(message)) continue;
    throw new Error(
      `message ${index} is ${JSON.stringify(message)}, to llhttp ${JSON.stringify(other)} ` +
        `(${theirs.error ?? "no error"})`,
    );
  }
}

/** What we write for the next hop reads there as it read here, and fits the room asked for. */
function isTheSameForTheNextHop(fixture: Fixture, input: Uint8Array): void {
  const sink = { onBody() {}, onTrailers() {}, onMessageEnd() {} };
  const decoder = new RequestDecoder(fixture.limits, {
    ...sink,
    onRequestHead(head) {
      const out = new ByteWriter(requestHeadSize(head));
      writeRequestHead(out, head);
      if (out.length > out.bytes.length) throw new Error("the head is larger than requestHeadSize");
      const wire = out.bytes.subarray(0, out.length);
      let reread = "";
      const next = new RequestDecoder(
        { maxHeaderBytes: 1 << 16, maxHeaders: 200 },
        { ...sink, onRequestHead: (again) => (reread = summary(again)) },
      );
      const error = next.feed(wire);
      if (error === null && reread === summary(head)) return;
      throw new Error(`forwarded as ${latin1(wire, 0, wire.length)}: ${error?.code ?? reread}`);
    },
  });
  decoder.feed(input);
}

function summary(head: RequestHead): string {
  const { method, target, host, framing, contentLength, upgrade } = head;
  return JSON.stringify([method, target, host, framing, contentLength, upgrade]);
}
