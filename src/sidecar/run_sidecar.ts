import { join } from "node:path";

import { Failure } from "../base/failure.ts";
import type { ExitStatus, World } from "../base/world.ts";
import { Sidecar, type SidecarOptions } from "./sidecar.ts";
import { Predecessor, Upgrade } from "./upgrade.ts";

/** How often a successor looks whether the process that was started first is still there. */
const KEEPER_LOOK_MS = 250;
/** Longer than it takes until the end of an orphan is told. */
const REAP_WAIT_MS = 2_000;

interface RunSidecarOptions {
  /** The process that was started first, where this one is a successor; null where it is this. */
  readonly keeper: number | null;
  readonly log: (line: string) => void;
}

/**
 * Starts a sidecar, by itself or in the place of a running one, and runs it until it is stopped.
 * Returns the exit code.
 *
 * @param predecessor the socket of the process to take over from
 * @throws Failure as `Sidecar.start`; a predecessor then goes on
 */
export async function startSidecar(
  world: World,
  options: SidecarOptions,
  predecessor: string | null,
): Promise<number> {
  const { log } = options;
  if (predecessor === null) {
    const sidecar = new Sidecar(world, options);
    await sidecar.start();
    writePid(world, sidecar.stateFolder, log);
    return runSidecar(world, sidecar, { keeper: null, log });
  }
  const before = new Predecessor(world, predecessor);
  const { keeper, snapshotFile, sockets } = await before.inheritance();
  const sidecar = new Sidecar(world, { ...options, inForceFile: snapshotFile });
  try {
    world.net.handover.inherit(sockets);
    await sidecar.start();
    // Of listeners that are no more.
    world.net.handover.close(world.net.handover.take());
    writePid(world, sidecar.stateFolder, log);
    const ended = runSidecar(world, sidecar, { keeper, log });
    await before.ready();
    sidecar.startPipelines();
    return await ended;
  } catch (error) {
    await before.failed(error instanceof Error ? error.message : String(error));
    // It may have accepted callers already.
    await sidecar.drain();
    throw error;
  }
}

/**
 * Runs a sidecar that has started, until it is stopped, and through upgrades. Returns the exit code.
 *
 * The process that was started first is the one that a supervisor knows: `up`, systemd, a
 * container's process 1. So it stays when a successor has taken over, hands SIGTERM, SIGINT and
 * SIGUSR2 on to it, and ends as it ends. Whichever process serves starts the next successor; one
 * that was replaced ends when its requests have. What a successor leaves behind becomes the first
 * one's child.
 */
function runSidecar(
  world: World,
  sidecar: Sidecar,
  options: RunSidecarOptions,
): Promise<number> {
  return new SidecarLife(world, sidecar, options).ended;
}

class SidecarLife {
  readonly ended: Promise<number>;
  readonly #world: World;
  readonly #sidecar: Sidecar;
  readonly #keeper: number | null;
  readonly #log: (line: string) => void;
  readonly #cleanups: (() => void)[] = [];
  #resolve!: (code: number) => void;
  /** `replaced`: a successor serves. */
  #phase: "serving" | "stopping" | "replaced" = "serving";
  #upgrade: Upgrade | null = null;
  /** Of the first process: the one that serves now. */
  #current = 0;
  #stopsAsked = 0;
  /** What its children left behind and has ended. One a successor: few. */
  readonly #endedOrphans = new Map<number, ExitStatus>();

  constructor(world: World, sidecar: Sidecar, { keeper, log }: RunSidecarOptions) {
    this.#world = world;
    this.#sidecar = sidecar;
    this.#keeper = keeper;
    this.#log = log;
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
    const { signals, clock } = world;
    this.#cleanups.push(
      signals.on("SIGTERM", () => this.#stop()),
      signals.on("SIGINT", () => this.#stop()),
      signals.on("SIGUSR2", () => this.#upgradeByHand()),
    );
    sidecar.upgrade = () => this.upgrade();
    if (keeper === null) return;
    const look = clock.every(KEEPER_LOOK_MS, () => {
      if (world.processes.isAlive(keeper)) return;
      // A supervisor starts another one, which needs the ports.
      sidecar.close();
      this.#end(1);
    });
    this.#cleanups.push(() => look.cancel());
  }

  #end(code: number): void {
    for (const clean of this.#cleanups.splice(0)) clean();
    this.#resolve(code);
  }

  #stop(): void {
    this.#stopsAsked += 1;
    if (this.#phase === "replaced") return this.#stopCurrent();
    if (this.#phase === "serving") {
      this.#phase = "stopping";
      this.#upgrade?.abort("it was told to stop");
      void this.#sidecar.drain().then(() => this.#end(0));
      return;
    }
    // A successor may get each signal twice: of its whole group, and handed on.
    if (this.#keeper !== null) return;
    this.#sidecar.close();
    this.#end(130);
  }

  #stopCurrent(): void {
    // One of those in between ends by itself.
    if (this.#keeper !== null) return;
    const signal = this.#stopsAsked > 1 ? "SIGKILL" : "SIGTERM";
    this.#world.processes.signal(this.#current, signal, "process");
  }

  // -------------------------------------------------------------- upgrades

  #upgradeByHand(): void {
    if (this.#phase === "replaced") {
      if (this.#keeper !== null) return;
      this.#world.processes.signal(this.#current, "SIGUSR2", "process");
      return;
    }
    // The log has it.
    this.upgrade().catch(() => {});
  }

  /** @throws Failure where the new process does not come to serve; then nothing has changed. */
  async upgrade(): Promise<number> {
    const sidecar = this.#sidecar;
    try {
      if (this.#phase !== "serving") throw new Failure("refused", "it is about to end");
      if (this.#world.processes.self.platform !== "linux") {
        throw new Failure("refused", "the program is exchanged in flight on Linux only");
      }
      if (this.#upgrade !== null) throw new Failure("refused", "an upgrade is under way already");
      return await sidecar.holdSnapshots(() => this.#startSuccessor());
    } catch (error) {
      const failure =
        error instanceof Failure ? error : new Failure("refused", (error as Error).message);
      this.#log(`upgrade: ${failure.message}`);
      throw failure;
    }
  }

  async #startSuccessor(): Promise<number> {
    const sidecar = this.#sidecar;
    const { stateFolder } = sidecar;
    const { self } = this.#world.processes;
    const sockets = await sidecar.sockets();
    const upgrade = new Upgrade(this.#world, {
      keeper: this.#keeper ?? self.pid,
      stateFolder,
      snapshotFile: sidecar.inForceFile,
      sockets,
      handOver: (pid) => this.#handOver(pid),
      onExit: (pid, status) => this.#successorEnded(pid, status),
    });
    this.#upgrade = upgrade;
    try {
      const pid = await upgrade.successor;
      const then = this.#keeper === null ? "stays for its supervisor" : "ends with its requests";
      this.#log(`upgrade: process ${pid} has taken over; process ${self.pid} ${then}`);
      return pid;
    } catch (error) {
      // It may have come as far as to put its own in their place.
      writePid(this.#world, stateFolder, this.#log);
      sidecar.openAdminSocket();
      throw error;
    } finally {
      this.#upgrade = null;
    }
  }

  async #handOver(pid: number): Promise<void> {
    this.#phase = "replaced";
    this.#current = pid;
    const { processes } = this.#world;
    if (this.#keeper === null) {
      // Its child's children come to it from now on.
      processes.adoptOrphans((pid, status) => {
        this.#endedOrphans.set(pid, status);
        if (pid === this.#current) this.#successorEnded(pid, status);
      });
    }
    await this.#sidecar.handOver();
    void this.#sidecar.drain().then(() => {
      if (this.#keeper !== null) this.#end(0);
      // It only waits from here on.
      else processes.self.collectGarbage();
    });
  }

  /** In the first process. One in between has ended itself when its successor does. */
  #successorEnded(pid: number, status: ExitStatus): void {
    if (this.#keeper !== null) return;
    const next = readPid(this.#world, this.#sidecar.stateFolder) ?? pid;
    if (next === pid) return this.#endAs(pid, status);
    this.#current = next;
    const known = this.#endedOrphans.get(next);
    if (known !== undefined) return this.#endAs(next, known);
    if (this.#stopsAsked > 0) this.#stopCurrent();
    if (this.#world.processes.isAlive(next)) return;
    // Its end is about to be told, unless the one before it has heard of it already.
    const timer = this.#world.clock.after(REAP_WAIT_MS, () =>
      this.#endAs(next, { code: 1, signal: null }),
    );
    this.#cleanups.push(() => timer.cancel());
  }

  #endAs(pid: number, { code }: ExitStatus): void {
    if (this.#stopsAsked === 0) this.#log(`process ${pid}, which served, ended with ${code}`);
    this.#sidecar.close();
    this.#end(code);
  }
}

/** Of the process that serves. A full disk must not stop it. */
function writePid(world: World, stateFolder: string, log: (line: string) => void): void {
  const file = join(stateFolder, "sidecar.pid");
  try {
    world.files.replace(file, `${world.processes.self.pid}\n`, { mode: 0o600 });
  } catch (error) {
    log(`the process id could not be written: ${(error as Error).message}`);
  }
}

function readPid(world: World, stateFolder: string): number | null {
  try {
    return Number(world.files.readText(join(stateFolder, "sidecar.pid"))) || null;
  } catch {
    return null;
  }
}
