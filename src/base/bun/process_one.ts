import type { World } from "../world.ts";

/** Signals that end any other process that does not listen for them. */
const ENDING = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 } as const;

/**
 * What the kernel leaves to a container's first process (pid_namespaces(7)): to wait for the
 * children of those that have ended, and to end when it is told to, also where nobody listens.
 */
export function beProcessOne({ processes }: World): void {
  processes.adoptOrphans(() => {});
  for (const [signal, code] of Object.entries(ENDING)) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(code);
    });
  }
}
