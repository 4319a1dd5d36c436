import type { AnyDocument } from "../api/document.ts";
import type { RedisBinding } from "../api/redis.ts";
import type {
  AccessLogPolicy,
  AdminBinding,
  ClusterBinding,
  ClusterPolicy,
  HostPort,
  ListenerPolicy,
  ListenerTlsBinding,
  Origin,
  OverloadPolicy,
  PipelineBinding,
  PipelinePolicy,
  Snapshot,
  WorkloadBindings,
  WorkloadPolicy,
  WorkloadRef,
} from "../api/snapshot.ts";
import type { TracingBinding, TracingPolicy } from "../api/tracing.ts";
import { API_VERSION } from "../api/versions.ts";
import type { Path } from "../schema/node.ts";
import { policyHash, versionHash } from "./hash.ts";
import { Origins } from "./origins.ts";
import type { Segment } from "./pointer.ts";
import { writtenAt } from "./source.ts";

/** A Snapshot while it is put together: each concern adds its part, and where it came from. */
export class Draft {
  readonly origins = new Origins();
  #listeners = new Map<string, ListenerPolicy>();
  #listenerAddresses = new Map<string, HostPort>();
  #clusters = new Map<string, ClusterPolicy>();
  #clusterBindings = new Map<string, ClusterBinding>();
  #pipelines = new Map<string, PipelinePolicy>();
  #pipelineBindings = new Map<string, PipelineBinding>();
  #redis = new Map<string, RedisBinding>();
  #tls = new Map<string, ListenerTlsBinding>();
  #tracing: { readonly policy: TracingPolicy; readonly binding: TracingBinding } | null = null;
  #filters = new Map<string, string>();
  /** Set where there are users' filters. */
  filterWatchdogMs: number | undefined = undefined;

  constructor(readonly workload: WorkloadRef) {}

  addListener(name: string, policy: ListenerPolicy, address: HostPort): void {
    this.#listeners.set(name, policy);
    this.#listenerAddresses.set(name, address);
  }

  hasCluster(name: string): boolean {
    return this.#clusters.has(name);
  }

  addCluster(name: string, policy: ClusterPolicy, binding: ClusterBinding): void {
    this.#clusters.set(name, policy);
    this.#clusterBindings.set(name, binding);
  }

  addPipeline(name: string, policy: PipelinePolicy, binding: PipelineBinding): void {
    this.#pipelines.set(name, policy);
    this.#pipelineBindings.set(name, binding);
  }

  hasPipeline(name: string): boolean {
    return this.#pipelines.has(name);
  }

  /** The files of a listener's certificates. */
  addTls(listener: string, binding: ListenerTlsBinding): void {
    this.#tls.set(listener, binding);
  }

  /** The file of a user's filter. */
  addFilter(name: string, file: string): void {
    this.#filters.set(name, file);
  }

  filterFile(name: string): string | undefined {
    return this.#filters.get(name);
  }

  setTracing(policy: TracingPolicy, binding: TracingBinding): void {
    this.#tracing = { policy, binding };
  }

  addRedis(name: string, binding: RedisBinding): void {
    this.#redis.set(name, binding);
  }

  /** Notes where a part came from, if somebody wrote its field. */
  note(at: readonly Segment[], document: AnyDocument, path: Path): void {
    this.origins.set(at, writtenAt(document, path));
  }

  /** The same for members of one part: the Snapshot's name of each, and the file's. */
  noteMembers(
    at: readonly Segment[],
    document: AnyDocument,
    path: Path,
    members: readonly (readonly [member: string, field: string])[],
  ): void {
    for (const [member, field] of members) {
      this.note([...at, ...member.split(".")], document, [...path, ...field.split(".")]);
    }
  }

  /** Notes a whole part: its origin is the field, or the nearest one that was written. */
  notePart(at: readonly Segment[], origin: Origin): void {
    this.origins.set(at, origin);
  }

  /** The whole with its hashes. Members stand in the order in which they were added. */
  finish(rest: {
    readonly accessLog: AccessLogPolicy;
    readonly drainMs: number;
    readonly overload?: OverloadPolicy | undefined;
    readonly admin: AdminBinding;
    readonly stateFolder: string;
    /** 1 where it is missing. */
    readonly workers?: number;
  }): Snapshot {
    const policy: WorkloadPolicy = {
      listeners: Object.fromEntries(this.#listeners),
      clusters: Object.fromEntries(this.#clusters),
      pipelines: Object.fromEntries(this.#pipelines),
      accessLog: rest.accessLog,
      drainMs: rest.drainMs,
      ...(rest.overload === undefined ? {} : { overload: rest.overload }),
      ...(this.#tracing === null ? {} : { tracing: this.#tracing.policy }),
      ...(this.filterWatchdogMs === undefined ? {} : { filterWatchdogMs: this.filterWatchdogMs }),
    };
    const bindings: WorkloadBindings = {
      listeners: Object.fromEntries(this.#listenerAddresses),
      clusters: Object.fromEntries(this.#clusterBindings),
      admin: rest.admin,
      pipelines: Object.fromEntries(this.#pipelineBindings),
      stateFolder: rest.stateFolder,
      ...(rest.workers === undefined || rest.workers === 1 ? {} : { workers: rest.workers }),
      ...(this.#redis.size === 0 ? {} : { redis: Object.fromEntries(this.#redis) }),
      ...(this.#tls.size === 0 ? {} : { tls: Object.fromEntries(this.#tls) }),
      ...(this.#tracing === null ? {} : { tracing: this.#tracing.binding }),
      ...(this.#filters.size === 0 ? {} : { filters: Object.fromEntries(this.#filters) }),
    };
    return {
      apiVersion: API_VERSION,
      kind: "Snapshot",
      workload: { namespace: this.workload.namespace, name: this.workload.name },
      version: versionHash(policy, bindings),
      policyHash: policyHash(policy),
      policy,
      bindings,
      origins: this.origins.toRecord(),
    };
  }
}
