import { closeSync, openSync, readFileSync } from "node:fs";
import { NetError } from "../world.ts";
import type { NetErrorCode, PortHolder, SocketAddress } from "../world.ts";

export function inUse(address: SocketAddress, holder: PortHolder | null): NetError {
  const by = holder === null ? "" : ` by ${holder.command} (pid ${holder.pid})`;
  return new NetError("address-in-use", `${inWords(address)} is in use${by}`);
}

export function inWords(address: SocketAddress): string {
  if ("path" in address) return address.path;
  return address.host.includes(":")
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

/** An IPv4 peer of a dual-stack listener shows as ::ffff:10.0.0.1 (RFC 4291, 2.5.5.2). */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}

const NET_ERRORS: Readonly<Record<string, readonly [NetErrorCode, string]>> = {
  ECONNREFUSED: ["refused", "nothing listens there"],
  ENOENT: ["refused", "no such socket"],
  ECONNRESET: ["reset", "reset by the peer"],
  EPIPE: ["reset", "closed by the peer"],
  ETIMEDOUT: ["timeout", "no answer"],
  EHOSTUNREACH: ["unreachable", "no route to the host"],
  ENETUNREACH: ["unreachable", "no route to the network"],
  EADDRINUSE: ["address-in-use", "the address is in use"],
  EADDRNOTAVAIL: ["address-unavailable", "this machine has no such address"],
  EACCES: ["permission", "the system does not permit it"],
  EPERM: ["permission", "the system does not permit it"],
  EMFILE: ["too-many-open", "this process has too many files open"],
  ENFILE: ["too-many-open", "this machine has too many files open"],
};

/** Of this process: proc(5), limits. Bun has raised the soft one to the hard one by now. */
export function descriptorLimit(): number | null {
  try {
    const text = readFileSync("/proc/self/limits", "utf8");
    return Number(/^Max open files\s+(\d+)/m.exec(text)?.[1]) || null;
  } catch {
    return null;
  }
}

/** Bun reports a lack of descriptors as ECONNREFUSED, which would send people the wrong way. */
export function outOfDescriptors(): unknown {
  try {
    closeSync(openSync("/dev/null", "r"));
    return null;
  } catch (error) {
    return error;
  }
}

export function netError(error: unknown, doing: string): NetError {
  const code = (error as { code?: unknown } | null)?.code;
  const known = typeof code === "string" ? NET_ERRORS[code] : undefined;
  if (known !== undefined) return new NetError(known[0], `${doing}: ${known[1]} (${String(code)})`);
  const text = error instanceof Error ? error.message : String(error);
  return new NetError("other", `${doing}: ${text}`);
}
