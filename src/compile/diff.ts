/** What a change of files changes in each Snapshot: in its own words, and in a sentence each. */
import type { Origin, Snapshot, WorkloadBindings, WorkloadRef } from "../api/snapshot.ts";
import { workloadKey } from "../api/site.ts";
import { type Aspect, aspectsOf } from "./aspects.ts";
import { sameJson } from "./canonical.ts";
import { findOrigin, originText } from "./origins.ts";
import { toPointer } from "./pointer.ts";
import { clusterBindingText, hostPortText } from "./words.ts";

export interface SnapshotsDiff {
  readonly same: boolean;
  /** Only workloads with a change, sorted by `namespace/name`. */
  readonly workloads: readonly WorkloadDiff[];
}

export interface WorkloadDiff {
  readonly workload: WorkloadRef;
  /** `added`: it had no sidecar before. `removed`: it has none any more. */
  readonly change: "added" | "removed" | "changed";
  readonly before: SnapshotHashes | null;
  readonly after: SnapshotHashes | null;
  readonly changes: readonly Change[];
}

export interface SnapshotHashes {
  readonly version: string;
  readonly policyHash: string;
}

export interface Change {
  /** `bindings` lists only what moved: what a new listener is bound to goes without saying. */
  readonly part: "policy" | "bindings";
  readonly change: "added" | "removed" | "changed";
  /** JSON pointer into the Snapshot after, or before where the part is gone. */
  readonly pointer: string;
  /** Null where there was none. */
  readonly before: unknown;
  readonly after: unknown;
  /** The line that asked for it, in the files after, or before where the part is gone. */
  readonly origin: Origin | null;
  /** For example `breaker of calls to api added: opens at 25% errors of ...`. */
  readonly sentence: string;
}

export function diffSnapshots(
  before: readonly Snapshot[],
  after: readonly Snapshot[],
): SnapshotsDiff {
  const old = new Map(before.map((snapshot) => [workloadKey(snapshot.workload), snapshot]));
  const now = new Map(after.map((snapshot) => [workloadKey(snapshot.workload), snapshot]));
  const keys = [...new Set([...old.keys(), ...now.keys()])].sort();
  const workloads: WorkloadDiff[] = [];
  for (const key of keys) {
    const diff = diffWorkload(old.get(key), now.get(key));
    if (diff !== null) workloads.push(diff);
  }
  return { same: workloads.length === 0, workloads };
}

function diffWorkload(
  before: Snapshot | undefined,
  after: Snapshot | undefined,
): WorkloadDiff | null {
  const either = after ?? before;
  if (either === undefined) return null;
  const changes = [...diffPolicies(before, after), ...diffBindings(before, after)];
  if (changes.length === 0 && before !== undefined && after !== undefined) return null;
  return {
    workload: either.workload,
    change: before === undefined ? "added" : after === undefined ? "removed" : "changed",
    before: hashesOf(before),
    after: hashesOf(after),
    changes,
  };
}

function hashesOf(snapshot: Snapshot | undefined): SnapshotHashes | null {
  if (snapshot === undefined) return null;
  return { version: snapshot.version, policyHash: snapshot.policyHash };
}

// ---------------------------------------------------------------- policy

function diffPolicies(before: Snapshot | undefined, after: Snapshot | undefined): Change[] {
  const old = byKey(before);
  const now = byKey(after);
  const changes: Change[] = [];
  for (const key of new Set([...now.keys(), ...old.keys()])) {
    const change = diffAspect(old.get(key), now.get(key));
    if (change === null) continue;
    const origin = originOf(change.change === "removed" ? before : after, change.pointer);
    changes.push({ part: "policy", ...change, origin });
  }
  return changes;
}

function byKey(snapshot: Snapshot | undefined): Map<string, Aspect> {
  const aspects = snapshot === undefined ? [] : aspectsOf(snapshot.policy);
  return new Map(aspects.map((aspect) => [aspect.key, aspect]));
}

function originOf(snapshot: Snapshot | undefined, pointer: string): Origin | null {
  if (snapshot === undefined) return null;
  return findOrigin(snapshot, pointer)?.origin ?? null;
}

function diffAspect(
  before: Aspect | undefined,
  after: Aspect | undefined,
): Omit<Change, "part" | "origin"> | null {
  if (before === undefined && after === undefined) return null;
  if (before === undefined) {
    const { title, text, pointer, value, plain } = after as Aspect;
    if (plain) return null;
    const sentence = `${title} added: ${text}`;
    return { change: "added", pointer, before: null, after: value, sentence };
  }
  if (after === undefined) {
    const { title, text, pointer, value, plain } = before;
    if (plain) return null;
    const sentence = `${title} removed, which was: ${text}`;
    return { change: "removed", pointer, before: value, after: null, sentence };
  }
  if (sameJson(before.value, after.value)) return null;
  return {
    change: "changed",
    pointer: after.pointer,
    before: before.value,
    after: after.value,
    sentence: `${after.title} changed: ${changeText(before, after)}`,
  };
}

/** The words, or the fields by name where the words are the same. */
function changeText(before: Aspect, after: Aspect): string {
  if (before.text !== after.text) return `${after.text} (was: ${before.text})`;
  const names = changedFields(before.value, after.value);
  return names.length === 0 ? after.text : `other ${names.join(", ")}`;
}

function changedFields(before: unknown, after: unknown): string[] {
  if (!isObject(before) || !isObject(after)) return [];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => !sameJson(before[name], after[name]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// ---------------------------------------------------------------- bindings

interface BindingPart {
  readonly pointer: string;
  readonly title: string;
  readonly value: unknown;
  readonly text: string;
}

function diffBindings(before: Snapshot | undefined, after: Snapshot | undefined): Change[] {
  if (before === undefined || after === undefined) return [];
  const old = new Map(bindingParts(before.bindings).map((part) => [part.pointer, part]));
  const changes: Change[] = [];
  for (const part of bindingParts(after.bindings)) {
    const was = old.get(part.pointer);
    if (was === undefined || sameJson(was.value, part.value)) continue;
    const moved =
      was.text === part.text ? part.text : `${part.text} (was: ${was.text})`;
    changes.push({
      part: "bindings",
      change: "changed",
      pointer: part.pointer,
      before: was.value,
      after: part.value,
      origin: originOf(after, part.pointer),
      sentence: `${part.title} changed: ${moved}`,
    });
  }
  return changes;
}

function bindingParts(bindings: WorkloadBindings): BindingPart[] {
  const parts: BindingPart[] = [];
  const add = (path: readonly string[], title: string, value: unknown, text: string): void => {
    parts.push({ pointer: toPointer(["bindings", ...path]), title, value, text });
  };
  for (const [name, address] of Object.entries(bindings.listeners)) {
    add(["listeners", name], `address of listener ${name}`, address, hostPortText(address));
  }
  for (const [name, binding] of Object.entries(bindings.clusters)) {
    add(["clusters", name], `endpoints of ${name}`, binding, clusterBindingText(binding));
  }
  const { readOnly, socket } = bindings.admin;
  add(["admin"], "admin addresses", bindings.admin, `${hostPortText(readOnly)} and ${socket}`);
  for (const [name, binding] of Object.entries(bindings.pipelines)) {
    const { sources, sinks, folder } = binding;
    const text = folder ?? JSON.stringify({ ...sources, ...sinks });
    add(["pipelines", name], `places of pipeline ${name}`, binding, text);
  }
  for (const [name, binding] of Object.entries(bindings.redis ?? {})) {
    const { host, port, database, user } = binding;
    const whom = user === undefined ? "" : ` as ${user}`;
    const text = `${hostPortText({ host, port })}, database ${database}${whom}`;
    add(["redis", name], `place of Redis ${name}`, binding, text);
  }
  for (const [name, binding] of Object.entries(bindings.tls ?? {})) {
    const files = Object.values(binding.certificates).map(({ certificate }) => certificate);
    add(["tls", name], `certificate files of listener ${name}`, binding, files.join(", "));
  }
  add(["stateFolder"], "state folder", bindings.stateFolder, bindings.stateFolder);
  return parts;
}

// ---------------------------------------------------------------- text

/**
 * A block per workload: what happened to its sidecar, then a sentence per change with the line that
 * asked for it. Ends with a newline; `no difference` where there is none.
 */
export function diffText(diff: SnapshotsDiff): string {
  if (diff.same) return "no difference\n";
  const lines: string[] = [];
  for (const workload of diff.workloads) {
    lines.push(headline(workload));
    for (const { change, sentence, origin } of workload.changes) {
      const sign = change === "added" ? "+" : change === "removed" ? "-" : "~";
      lines.push(`  ${sign} ${sentence}${origin === null ? "" : `  (${originText(origin)})`}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function headline({ workload, change, before, after }: WorkloadDiff): string {
  const name = workloadKey(workload);
  const gateway = workload.name === "gateway";
  switch (change) {
    case "added":
      return gateway
        ? `${name}: gateway added`
        : `${name}: sidecar added: its requests are counted, timed and given an id`;
    case "removed":
      return gateway ? `${name}: gateway removed` : `${name}: sidecar removed: nothing is in front`;
    case "changed":
      return before?.policyHash === after?.policyHash
        ? `${name}: the same policy in another place`
        : `${name}: policy changed`;
  }
}
