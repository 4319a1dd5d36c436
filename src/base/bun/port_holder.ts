import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { PortHolder } from "../world.ts";

/** State TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h). */
const LISTENING = "0A";
const LONGEST_COMMAND = 200;

/**
 * Who listens on a TCP port: /proc/net/tcp names the socket's inode, /proc/PID/fd the process. Null
 * where nobody does, where the process is another user's, and on systems without /proc.
 */
export function holderOfPort(port: number): PortHolder | null {
  const wanted = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of readLines(table).slice(1)) {
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...
      const fields = line.trim().split(/\s+/);
      const localPort = Number.parseInt(fields[1]?.split(":")[1] ?? "", 16);
      const inode = fields[9];
      if (localPort === port && fields[3] === LISTENING && inode !== undefined) {
        wanted.add(`socket:[${inode}]`);
      }
    }
  }
  return wanted.size === 0 ? null : holderOfSockets(wanted);
}

/** Null where nobody listens on the path of a unix socket; pid 0 where the process is unknown. */
export function holderOfPath(path: string): PortHolder | null {
  const wanted = new Set<string>();
  for (const line of readLines("/proc/net/unix").slice(1)) {
    // Num RefCount Protocol Flags Type St Inode Path; flag 0x10000 is SO_ACCEPTCON: it listens.
    const fields = line.trim().split(/\s+/);
    const inode = fields[6];
    const listens = (Number.parseInt(fields[3] ?? "", 16) & 0x10000) !== 0;
    if (listens && inode !== undefined && fields.slice(7).join(" ") === path) {
      wanted.add(`socket:[${inode}]`);
    }
  }
  if (wanted.size === 0) return null;
  return holderOfSockets(wanted) ?? { pid: 0, command: "an unknown process" };
}

function holderOfSockets(wanted: ReadonlySet<string>): PortHolder | null {
  for (const name of readNames("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    for (const descriptor of readNames(`/proc/${name}/fd`)) {
      if (wanted.has(readLink(`/proc/${name}/fd/${descriptor}`))) {
        const words = readLines(`/proc/${name}/cmdline`).join(" ").replaceAll("\0", " ").trim();
        return { pid: Number(name), command: words.slice(0, LONGEST_COMMAND) || "a process" };
      }
    }
  }
  return null;
}

// Processes come and go while /proc is read, and others' are closed to us: what fails is not there.

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}

function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
