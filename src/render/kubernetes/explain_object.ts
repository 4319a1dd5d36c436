import { leaves } from "../../compile/explain.ts";
import { originText } from "../../compile/origins.ts";
import { parentPointer } from "../../compile/pointer.ts";
import type { KubeObject } from "./object.ts";
import type { Plain, Source } from "./sourced.ts";

export interface ExplainedValue {
  /** JSON pointer into the object. */
  readonly pointer: string;
  readonly value: Plain;
  readonly source: "file" | "reason";
  /** `shop.yaml:12 spec.replicas`, or the reason in words. */
  readonly text: string;
}

/** Every value of an object with the line that asked for it, or the reason why it is there. */
export function explainObject(object: KubeObject): readonly ExplainedValue[] {
  return [...leaves(object.body)].map(({ pointer, value }) => {
    const { kind } = sourceOf(object, pointer);
    return { pointer, value: value as Plain, source: kind, text: sourceText(object, pointer) };
  });
}

/** The line that asked for a value, or the reason why it is there. */
export function sourceText(object: KubeObject, pointer: string): string {
  const source = sourceOf(object, pointer);
  return source.kind === "file" ? originText(source.origin) : source.text;
}

export function explainObjectText(object: KubeObject): string {
  const rows = explainObject(object).map(({ pointer, value, source, text }) => {
    const shown = JSON.stringify(value);
    const short = shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
    return { left: `${pointer} = ${short}`, right: source === "file" ? text : `because ${text}` };
  });
  const width = Math.min(72, Math.max(...rows.map(({ left }) => left.length)));
  return rows.map(({ left, right }) => `${left.padEnd(width)}  ${right}\n`).join("");
}

/** Its own, or that of the nearest part around it. */
function sourceOf({ sources }: KubeObject, pointer: string): Source {
  for (let at: string | null = pointer; at !== null; at = parentPointer(at)) {
    const found = sources.get(at);
    if (found !== undefined) return found;
  }
  throw new Error("An object has no source.");
}
