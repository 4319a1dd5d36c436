import type { Plain } from "./sourced.ts";

/** By what Kubernetes' own lists are merged; the first that all items have. */
const KEYS = ["name", "mountPath", "containerPort", "port", "ip", "topologyKey", "key"] as const;

/**
 * A strategic merge patch: maps are merged, null removes, a list whose items have a key is merged by
 * it, any other list is replaced (Kubernetes' API conventions, "Strategic Merge Patch").
 */
export function merged(before: Plain, patch: Plain): Plain {
  if (Array.isArray(before) && Array.isArray(patch)) return mergedLists(before, patch);
  if (!isMap(before) || !isMap(patch)) return patch;
  const result: Record<string, Plain> = { ...before };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = key in result ? merged(result[key]!, value) : value;
  }
  return result;
}

function mergedLists(before: readonly Plain[], patch: readonly Plain[]): Plain {
  const key = KEYS.find((one) => [...before, ...patch].every((item) => isMap(item) && one in item));
  if (key === undefined) return patch;
  const result = [...before] as Record<string, Plain>[];
  for (const item of patch as readonly Record<string, Plain>[]) {
    const { $patch, ...rest } = item;
    const at = result.findIndex((one) => one[key] === item[key]);
    if ($patch === "delete") {
      if (at >= 0) result.splice(at, 1);
    } else if (at < 0) result.push(rest);
    else result[at] = merged(result[at]!, rest) as Record<string, Plain>;
  }
  return result;
}

function isMap(value: Plain): value is { readonly [key: string]: Plain } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
