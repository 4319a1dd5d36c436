import type { Snapshot, WorkloadBindings, WorkloadPolicy } from "../api/snapshot.ts";
import { sha256Hex } from "../base/hash.ts";
import { canonicalJson } from "./canonical.ts";

/** 64 bits tell the few versions of one workload apart, and a person can still compare them. */
const HASH_DIGITS = 16;

/** Of what the files say: equal on a laptop and on a cluster. */
export function policyHash(policy: WorkloadPolicy): string {
  return sha256Hex(canonicalJson(policy)).slice(0, HASH_DIGITS);
}

/** Of policy and bindings: what a proxy acknowledges. */
export function versionHash(policy: WorkloadPolicy, bindings: WorkloadBindings): string {
  return sha256Hex(canonicalJson({ bindings, policy })).slice(0, HASH_DIGITS);
}

/** Whether both hashes are those of the content: false for a Snapshot that was edited by hand. */
export function hashesHold(snapshot: Snapshot): boolean {
  return (
    snapshot.policyHash === policyHash(snapshot.policy) &&
    snapshot.version === versionHash(snapshot.policy, snapshot.bindings)
  );
}
