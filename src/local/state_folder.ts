import { basename, join, resolve } from "node:path";

import { Failure } from "../base/failure.ts";
import { sha256Hex } from "../base/hash.ts";
import type { World } from "../base/world.ts";

/** A unix socket's path has room for 107 bytes (unix(7), sun_path). */
const MAX_SOCKET_PATH_BYTES = 107;

/** Everything that `up` leaves on disk; docs/state.md describes it. */
export class StateFolder {
  readonly root: string;

  constructor(
    private readonly world: World,
    home: string,
    readonly name: string,
  ) {
    this.root = join(home, name);
  }

  get running(): string {
    return join(this.root, "running.json");
  }

  get ports(): string {
    return join(this.root, "ports.json");
  }

  get failure(): string {
    return join(this.root, "failure.json");
  }

  get logs(): string {
    return join(this.root, "logs");
  }

  log(id: string): string {
    return join(this.logs, `${fileName(id)}.log`);
  }

  /** @throws Failure "usage" where the path is too long for a socket. */
  socket(workload: string): string {
    const path = join(this.root, `${fileName(workload)}.sock`);
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
      throw new Failure(
        "usage",
        `${path} is too long for a unix socket: ${MAX_SOCKET_PATH_BYTES} bytes are possible`,
        "set OUTRIGGER_HOME to a folder with a shorter path",
      );
    }
    return path;
  }

  snapshot(workload: string): string {
    return join(this.workload(workload), "snapshot.json");
  }

  /** The sidecar's own: its last good Snapshot and the checkpoints of pipelines. */
  workload(workload: string): string {
    return join(this.root, "workloads", fileName(workload));
  }

  make(): void {
    for (const folder of [this.root, this.logs, join(this.root, "workloads")]) {
      this.world.files.makeFolder(folder, { mode: 0o700 });
    }
  }

  makeWorkload(workload: string): void {
    this.world.files.makeFolder(this.workload(workload), { mode: 0o700 });
  }

  readJson(path: string): unknown {
    if (this.world.files.stat(path) === null) return null;
    try {
      return JSON.parse(this.world.files.readText(path));
    } catch {
      // Written by replace, so never half: someone edited it. It counts as absent.
      return null;
    }
  }

  writeJson(path: string, value: unknown): void {
    this.world.files.replace(path, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  }
}

/** `$OUTRIGGER_HOME`, else `$XDG_STATE_HOME/outrigger`, else `~/.local/state/outrigger`. */
export function stateHome(world: World): string {
  const { env, folder } = world.processes.self;
  const own = env["OUTRIGGER_HOME"] ?? "";
  if (own !== "") return resolve(folder, own);
  const xdg = env["XDG_STATE_HOME"] ?? "";
  if (xdg !== "") return join(resolve(folder, xdg), "outrigger");
  const home = env["HOME"] ?? "";
  if (home === "") {
    throw new Failure("usage", "no folder for state: HOME is not set", "set OUTRIGGER_HOME");
  }
  return join(home, ".local", "state", "outrigger");
}

/**
 * What a running set is called: its first file's name, and a hash of where all of them are, so that
 * the same command finds the same set and two projects never share one.
 */
export function setNameOf(world: World, files: readonly string[]): string {
  const { folder } = world.processes.self;
  const paths = files.map((file) => (file === "-" ? "-" : resolve(folder, file)));
  const first = paths[0] ?? "-";
  const stem = first === "-" ? "stdin" : basename(first).replace(/\.(ya?ml|json)$/, "");
  const plain = stem.replace(/[^A-Za-z0-9_-]/g, "-").slice(0, 24);
  return `${plain}-${sha256Hex(paths.join("\n")).slice(0, 6)}`;
}

/** Names of the sets with a folder, sorted. */
export function knownSets(world: World, home: string): readonly string[] {
  if (world.files.stat(home) === null) return [];
  return world.files
    .list(home)
    .filter((name) => world.files.stat(join(home, name))?.kind === "folder");
}

function fileName(id: string): string {
  return id.replaceAll("/", ".");
}
