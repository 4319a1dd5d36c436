import type { World } from "../world.ts";
import { BunClock } from "./clock.ts";
import { Dns } from "./dns.ts";
import { BunFiles } from "./files.ts";
import { BunModules } from "./modules.ts";
import { BunNet } from "./net.ts";
import { holderOfPort } from "./port_holder.ts";
import { BunProcesses } from "./processes.ts";
import { BunRandom } from "./random.ts";
import { BunSignals } from "./signals.ts";
import { BunStdio } from "./stdio.ts";
import { BunThreads } from "./threads.ts";
import { Uncaught } from "./uncaught.ts";

export interface BunWorldOptions {
  /** As `127.0.0.1:5353`; else OUTRIGGER_DNS_SERVERS (commas between), else the system's. */
  readonly dnsServers?: readonly string[];
  /** The module that `threads.start` runs, as a URL. */
  readonly threadEntry?: string;
}

/** The real world, on Bun. One a process: made by src/main.ts, and by tests. */
export function createBunWorld(options: BunWorldOptions = {}): World {
  const uncaught = new Uncaught();
  const servers = options.dnsServers ?? process.env["OUTRIGGER_DNS_SERVERS"]?.split(",") ?? [];
  const dns = new Dns(servers.map((server) => server.trim()).filter((server) => server !== ""));
  return {
    clock: new BunClock(),
    random: new BunRandom(),
    net: new BunNet(dns, uncaught, holderOfPort),
    files: new BunFiles(),
    processes: new BunProcesses(uncaught),
    threads: new BunThreads(options.threadEntry ?? null),
    modules: new BunModules(),
    signals: new BunSignals(),
    stdio: new BunStdio(),
  };
}
