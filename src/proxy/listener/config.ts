import type { ListenerPolicy } from "../../api/snapshot.ts";
import type { GroupGauge } from "../group/gauge.ts";
import type { RouteTable } from "../route/route_table.ts";
import type { ListenerCounters } from "../telemetry/counters.ts";
import type { ListenerTls } from "./listener_tls.ts";
import type { Watcher } from "../watch/watch.ts";
import type { TrustedHops } from "./trusted_hops.ts";

/** What a listener is at a time: replaced whole by a new Snapshot, read anew for each request. */
export interface ListenerConfig {
  readonly name: string;
  readonly policy: ListenerPolicy;
  readonly routes: RouteTable;
  readonly counters: ListenerCounters;
  /** The policy's; infinite where it has none. */
  readonly maxBodyBytes: number;
  /** The policy's, compiled. */
  readonly trustedHops: TrustedHops;
  /** Open connections of all workers of the group; null where this proxy is alone. */
  readonly connections: GroupGauge | null;
  /** Null where callers come without TLS. */
  readonly tls: ListenerTls | null;
  /** Looks on; they come and go while the rest stays. */
  watcher: Watcher | null;
}
