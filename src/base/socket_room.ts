/** Files, pipes and the admin API's connections; less where there are few descriptors in all. */
const KEPT_FREE = 128;
/** Of the rest, for connections to callees: who was let in can then be served. */
const FOR_DIALS_PART = 0.25;
const FOR_DIALS_MAX = 4_096;

/**
 * How many sockets a thread may have open: fewer than the process has descriptors, and fewer of
 * callers' than of all. At the system's own limit nothing tells of it, and accepting spins on a whole
 * core until a descriptor is free.
 */
export class SocketRoom {
  /** Sockets of this thread. */
  open = 0;
  /** Above so many open ones no caller is accepted. */
  maxForCallers = Number.POSITIVE_INFINITY;
  /** Above so many no caller of the admin API either, which answers health checks. */
  maxForUrgent = Number.POSITIVE_INFINITY;
  /** Above so many open ones no connect is begun. */
  maxForAll = Number.POSITIVE_INFINITY;

  /** @param limit descriptors of the process; null where the system does not say */
  constructor(readonly limit: number | null) {
    this.divide(1);
  }

  /** Threads of one process each get an equal part. */
  divide(threads: number): void {
    const { limit } = this;
    if (limit === null) return;
    const kept = Math.min(KEPT_FREE, Math.floor(limit / 4));
    const all = limit - kept;
    const forDials = Math.min(FOR_DIALS_MAX, Math.floor(all * FOR_DIALS_PART));
    this.maxForUrgent = all + Math.floor(kept / 2);
    this.maxForAll = Math.max(1, Math.floor(all / threads));
    this.maxForCallers = Math.max(1, Math.floor((all - forDials) / threads));
  }
}
