import type { BreakerPolicy } from "../../api/snapshot.ts";
import type { Breaker, BreakerListener } from "../cluster/breaker.ts";
import { gaugeCells, gaugeMemory, GroupGauge } from "./gauge.ts";
import { type BreakerMemory, GroupBreaker } from "./group_breaker.ts";
import type { GroupMember } from "./member.ts";

/** What the workers of a group share of a cluster. */
export interface ClusterMemory {
  /** Four gauges, one after the other. */
  readonly gauges: SharedArrayBuffer;
  /** Another one where the policy of the breaker changed. */
  readonly breaker: BreakerMemory | null;
}

const GAUGES = 4;

export function clusterGauges(workers: number): SharedArrayBuffer {
  return gaugeMemory(GAUGES, workers);
}

/** One worker's hand on what its group counts of a cluster. */
export class ClusterShare {
  readonly requests: GroupGauge;
  readonly pending: GroupGauge;
  readonly connections: GroupGauge;
  readonly retries: GroupGauge;
  memory: ClusterMemory;
  readonly #member: GroupMember;

  constructor(memory: ClusterMemory, member: GroupMember) {
    this.memory = memory;
    this.#member = member;
    const cells = new Int32Array(memory.gauges);
    const gauge = (index: number): GroupGauge =>
      new GroupGauge(cells, index * gaugeCells(member.workers), member.worker);
    this.requests = gauge(0);
    this.pending = gauge(1);
    this.connections = gauge(2);
    this.retries = gauge(3);
  }

  makeBreaker(policy: BreakerPolicy, changed: BreakerListener): Breaker {
    return new GroupBreaker(policy, this.memory.breaker!, this.#member, changed);
  }

  /** Requests that wait for a connection in other workers. */
  get waitingElsewhere(): number {
    return this.pending.total - this.pending.own;
  }

  /** Takes room for one connection; who has its part already lets those who wait go first. */
  reserve(most: number): boolean {
    const { connections } = this;
    const hasItsPart = connections.own >= Math.ceil(most / this.#member.workers);
    if (hasItsPart && this.waitingElsewhere > 0) return false;
    return connections.enter(most);
  }

  /**
   * Whether a connection that is free now should be closed for another worker's sake: all are taken,
   * somebody waits there, and this worker has more than its part or nobody who waits here.
   */
  owesRoom(most: number, anyWaitHere: boolean): boolean {
    const { own, total } = this.connections;
    if (total < most || this.waitingElsewhere <= 0) return false;
    return !anyWaitHere || own > Math.floor(most / this.#member.workers);
  }

  askForRoom(cluster: string): void {
    this.#member.askForRoom(cluster);
  }
}
