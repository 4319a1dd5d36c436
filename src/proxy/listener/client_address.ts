import { type Networks, parseAddress } from "../../base/ip_address.ts";
import { X_FORWARDED_FOR } from "../../codec/headers.ts";
import type { Stream } from "../stream.ts";

/**
 * The address of who sent the request. That is the connection's other end; where it is a trusted
 * hop, the last entry of X-Forwarded-For that no trusted hop has, for each hop appends who it got
 * the request from. Null where a trusted hop passed on something that is no address: nobody knows.
 */
export function clientAddress(stream: Stream, trustedHops: Networks): bigint | null {
  const peer = parseAddress(stream.remoteAddress);
  if (peer === null || !trustedHops.has(peer)) return peer;
  const { headers } = stream.head;
  if (!headers.has(X_FORWARDED_FOR)) return peer;
  let client = peer;
  for (const entry of headers.get("x-forwarded-for")!.split(",").reverse()) {
    const address = parseAddress(withoutPort(entry.trim()));
    if (address === null) return null;
    client = address;
    if (!trustedHops.has(address)) break;
  }
  return client;
}

/** Some hops write a port too: `203.0.113.7:5000`, `[2001:db8::7]:5000`. */
function withoutPort(entry: string): string {
  if (entry.startsWith("[")) return entry.slice(1, Math.max(1, entry.indexOf("]")));
  return entry.includes(".") ? entry.replace(/^([^:]*):\d+$/, "$1") : entry;
}
