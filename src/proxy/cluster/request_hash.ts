import type { HashKey } from "../../api/snapshot.ts";
import type { Random } from "../../base/world.ts";
import { clientSource } from "../listener/client_address.ts";
import { cookieOf } from "../route/cookies.ts";
import type { Stream } from "../stream.ts";
import { hashText } from "./balancers/hash.ts";

/** The hash of a request's key, an unsigned 32-bit integer; at random where it carries none. */
export function requestHash(stream: Stream, key: HashKey | undefined, random: Random): number {
  const value = key === undefined ? null : keyOf(stream, key);
  return value === null || value === "" ? random.uint32() : hashText(value);
}

function keyOf(stream: Stream, { from, name }: HashKey): string | null {
  switch (from) {
    case "source":
      return clientSource(stream);
    case "header":
      return stream.head.headers.get(name);
    case "cookie": {
      const cookies = stream.head.headers.get("cookie");
      return cookies === null ? null : cookieOf(cookies, name);
    }
  }
}
