import { fromPointer } from "../../compile/pointer.ts";
import type { Plain } from "./sourced.ts";

export interface PatchStep {
  readonly op: "add" | "remove" | "replace" | "test";
  /** A JSON pointer (RFC 6901); `-` is behind a list's end. */
  readonly path: string;
  readonly value?: Plain;
}

/**
 * A JSON patch (RFC 6902) put on a copy.
 *
 * @throws Error where a step does not fit, with the step's place and reason
 */
export function patched(before: Plain, steps: readonly PatchStep[]): Plain {
  const root = { "": structuredClone(before) } as Record<string, Plain>;
  for (const [index, step] of steps.entries()) {
    const tokens = ["", ...fromPointer(step.path)];
    const last = tokens.pop()!;
    let parent: unknown = root;
    for (const token of tokens) parent = memberOf(parent, token);
    if (typeof parent !== "object" || parent === null) fail(index, step, "its parent is not there");
    apply(parent as Record<string, Plain> | Plain[], last, step, index);
  }
  return root[""]!;
}

function memberOf(value: unknown, token: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, token)) return undefined;
  return (value as Record<string, unknown>)[token];
}

function apply(
  parent: Record<string, Plain> | Plain[],
  last: string,
  step: PatchStep,
  index: number,
): void {
  const list = Array.isArray(parent);
  const at = list && last === "-" ? parent.length : Number(last);
  const there = Object.hasOwn(parent, last);
  if (list && !(Number.isInteger(at) && at >= 0 && at <= parent.length)) {
    fail(index, step, `the list has ${parent.length} items`);
  }
  if (step.op !== "add" && !there) fail(index, step, "nothing is there");
  if (step.op !== "remove" && step.value === undefined) fail(index, step, "it has no value");
  if (step.op === "test") {
    const found = JSON.stringify((parent as Record<string, Plain>)[last]);
    if (found !== JSON.stringify(step.value)) fail(index, step, `there is ${found}`);
  } else if (step.op === "remove") {
    if (list) parent.splice(at, 1);
    else delete parent[last];
  } else if (list && step.op === "add") parent.splice(at, 0, step.value!);
  else (parent as Record<string, Plain>)[last] = step.value!;
}

function fail(index: number, { op, path }: PatchStep, why: string): never {
  throw new Error(`patch[${index}], ${op} ${path}: ${why}`);
}
