import type { Random } from "../../base/world.ts";
import { latin1 } from "../../codec/ascii.ts";
import { X_REQUEST_ID } from "../../codec/headers.ts";
import type { Stream } from "../stream.ts";
import type { Filter, FilterComponent } from "./filter.ts";

/** Longer ones are replaced: an id is not a place to store things. */
const MAX_LENGTH = 128;
const HEX = new TextEncoder().encode("0123456789abcdef");

/** Gives each request an id, a random UUID (RFC 9562, 5.4), and keeps one that came with it. */
export const requestId: FilterComponent = {
  name: "request_id",
  summary: "Gives each request an x-request-id and keeps one that came with it.",
  status: "stable",
  security: "Believes the caller's id up to 128 visible characters; it is for correlation only.",
  create: (_config, { random }) => new RequestId(random),
};

class RequestId implements Filter {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  onRequestHeaders(stream: Stream): undefined {
    const headers = stream.head.headers;
    if (headers.has(X_REQUEST_ID)) {
      const start = headers.knownStart(X_REQUEST_ID);
      const end = headers.knownEnd(X_REQUEST_ID);
      if (isAcceptable(headers.bytes, start, end) && (headers.repeated & (1 << X_REQUEST_ID)) === 0) {
        stream.requestId = latin1(headers.bytes, start, end);
        return;
      }
      headers.remove("x-request-id");
    }
    writeUuid(stream.requestIdBytes, this.#random);
    headers.appendBytes("x-request-id", stream.requestIdBytes);
    stream.hasRequestIdBytes = true;
  }
}

function isAcceptable(bytes: Uint8Array, start: number, end: number): boolean {
  if (end === start || end - start > MAX_LENGTH) return false;
  for (let at = start; at < end; at++) if (bytes[at]! <= 32 || bytes[at]! >= 127) return false;
  return true;
}

/** 36 bytes of `into`, without a string: this runs for every request. */
function writeUuid(into: Uint8Array, random: Random): void {
  let at = 0;
  for (let word = 0; word < 4; word++) {
    let bits = random.uint32();
    if (word === 1) bits = (bits & 0xffff0fff) | 0x00004000;
    if (word === 2) bits = (bits & 0x3fffffff) | 0x80000000;
    for (let shift = 28; shift >= 0; shift -= 4) {
      if (at === 8 || at === 13 || at === 18 || at === 23) into[at++] = 45;
      into[at++] = HEX[(bits >>> shift) & 15]!;
    }
  }
}
