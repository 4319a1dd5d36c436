import { parseAddress } from "../../base/ip_address.ts";
import type { Stream } from "../stream.ts";

/**
 * The address of who sent the request. That is the connection's other end; where it is one of the
 * listener's trusted hops, the last entry of X-Forwarded-For that no trusted hop has, for each hop
 * appends who it got the request from. Null where a trusted hop passed on something that is no
 * address: nobody knows.
 */
export function clientAddress(stream: Stream): bigint | null {
  const { trustedHops } = stream.config;
  const peer = parseAddress(stream.remoteAddress);
  if (peer === null || !trustedHops.hasPeer(stream.remoteAddress)) return peer;
  // By `get`: the header may have been written here, for the next hop.
  const forwarded = stream.head.headers.get("x-forwarded-for");
  if (forwarded === null) return peer;
  let client = peer;
  for (const entry of forwarded.split(",").reverse()) {
    const address = parseAddress(withoutPort(entry.trim()));
    if (address === null) return null;
    client = address;
    if (!trustedHops.has(address)) break;
  }
  return client;
}

/** The same as a key to count or hash by; the connection's other end where nobody knows. */
export function clientSource(stream: Stream): string {
  const { config, remoteAddress } = stream;
  if (!config.trustedHops.hasPeer(remoteAddress)) return remoteAddress;
  return clientAddress(stream)?.toString(16) ?? remoteAddress;
}

/** Some hops write a port too: `203.0.113.7:5000`, `[2001:db8::7]:5000`. */
function withoutPort(entry: string): string {
  if (entry.startsWith("[")) return entry.slice(1, Math.max(1, entry.indexOf("]")));
  return entry.includes(".") ? entry.replace(/^([^:]*):\d+$/, "$1") : entry;
}
