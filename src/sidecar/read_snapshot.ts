import type { Snapshot } from "../api/snapshot.ts";
import { Failure } from "../base/failure.ts";

type Shape = "object" | "array" | "string" | "number";

/** What the parts below rely on without asking; the proxy checks the rest when it applies one. */
const SHAPES: readonly (readonly [path: string, shape: Shape])[] = [
  ["workload.namespace", "string"],
  ["workload.name", "string"],
  ["version", "string"],
  ["policyHash", "string"],
  ["policy.listeners", "object"],
  ["policy.clusters", "object"],
  ["policy.pipelines", "object"],
  ["policy.accessLog", "object"],
  ["policy.drainMs", "number"],
  ["bindings.listeners", "object"],
  ["bindings.clusters", "object"],
  ["bindings.admin.readOnly.host", "string"],
  ["bindings.admin.readOnly.port", "number"],
  ["bindings.admin.socket", "string"],
  ["bindings.pipelines", "object"],
  ["bindings.stateFolder", "string"],
];

/** @throws Failure "refused" where the text is no Snapshot; `where` names it in the message. */
export function readSnapshot(text: string, where: string): Snapshot {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Failure("refused", `${where} is not JSON: ${(error as Error).message}`);
  }
  if (at(value, "kind") !== "Snapshot") {
    throw new Failure(
      "refused",
      `${where} is no Snapshot: its kind is ${JSON.stringify(at(value, "kind") ?? null)}`,
      "outrigger compile FILE --app NAME -o json writes one",
    );
  }
  for (const [path, shape] of SHAPES) {
    const found = shapeOf(at(value, path));
    if (found !== shape) {
      throw new Failure("refused", `${where}: ${path} is ${found}; ${shape} was expected`);
    }
  }
  return value as Snapshot;
}

function at(value: unknown, path: string): unknown {
  let current = value;
  for (const key of path.split(".")) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Record<string, unknown>)[key];
  }
  return current;
}

function shapeOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}
