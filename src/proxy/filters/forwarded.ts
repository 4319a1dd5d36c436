import { X_FORWARDED_FOR } from "../../codec/headers.ts";
import { isTrustedHop } from "../listener/client_address.ts";
import type { Stream } from "../stream.ts";
import type { FilterComponent } from "./filter.ts";

/** What a caller may have written to seem another, or to have come another way. */
const CLAIMS = ["forwarded", "x-real-ip", "x-forwarded-port", "x-forwarded-host"] as const;

/**
 * Writes down whom a request is from, as an edge proxy does: X-Forwarded-For, -Proto and -Host. A
 * trusted hop's are kept, and its own address is appended; anybody else's are replaced.
 */
export const forwarded: FilterComponent = {
  name: "forwarded",
  summary: "Tells the callee whom a request is from: X-Forwarded-For, -Proto and -Host.",
  status: "stable",
  security:
    "Believes only hops that the file trusts: a forged X-Forwarded-For is replaced, never " +
    "extended, and Forwarded, X-Real-IP and X-Forwarded-Port are left out with it.",
  create: () => ({ onRequestHeaders }),
};

function onRequestHeaders(stream: Stream): undefined {
  const { head } = stream;
  const { headers } = head;
  const peer = plainAddress(stream.remoteAddress);
  const known = isTrustedHop(stream);
  if (!known) for (const name of CLAIMS) headers.remove(name);
  const before = known && headers.has(X_FORWARDED_FOR) ? headers.get("x-forwarded-for") : null;
  headers.set("x-forwarded-for", before === null ? peer : `${before}, ${peer}`);
  if (!known || headers.get("x-forwarded-proto") === null) {
    headers.set("x-forwarded-proto", SCHEME);
  }
  if (headers.get("x-forwarded-host") === null && head.host !== "") {
    headers.set("x-forwarded-host", head.host);
  }
}

/** Listeners take plain HTTP. */
const SCHEME = "http";

/** A socket for both families writes IPv4 as ::ffff:203.0.113.7. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
