import { FileError } from "../../base/world.ts";
import type { Files } from "../../base/world.ts";

/**
 * Datagrams that the system threw away because the socket's buffer was full, since it was opened:
 * the last column of /proc/net/udp (Linux, proc(5)). Null where the system does not tell.
 */
export function kernelDrops(files: Files, port: number): number | null {
  let drops: number | null = null;
  for (const path of ["/proc/net/udp", "/proc/net/udp6"]) {
    let text: string;
    try {
      text = files.readText(path);
    } catch (error) {
      if (error instanceof FileError) continue;
      throw error;
    }
    const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
    for (const line of text.split("\n").slice(1)) {
      const words = line.trim().split(/\s+/);
      if (words[1]?.endsWith(suffix) !== true) continue;
      drops = (drops ?? 0) + Number(words.at(-1));
    }
  }
  return drops;
}
