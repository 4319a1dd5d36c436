import { originText } from "../../compile/origins.ts";
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
  return [...leaves(object.body, "")].map(({ pointer, value }) => {
    const { kind } = sourceOf(object, pointer);
    return { pointer, value, source: kind, text: sourceText(object, pointer) };
  });
}

/** The line that asked for a value, or the reason why it is there. */
export function sourceText(object: KubeObject, pointer: string): string {
  const source = sourceOf(object, pointer);
  return source.kind === "file" ? originText(source.origin) : source.text;
}

/** A key as a JSON pointer has it (RFC 6901). */
export function pointerStep(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
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
  for (let at = pointer; ; at = at.slice(0, at.lastIndexOf("/"))) {
    const found = sources.get(at);
    if (found !== undefined) return found;
    if (at === "") throw new Error("An object has no source.");
  }
}

function* leaves(value: Plain, pointer: string): Generator<{ pointer: string; value: Plain }> {
  if (typeof value !== "object" || value === null) return yield { pointer, value };
  const members = Object.entries(value);
  const plain = (item: unknown) => typeof item !== "object" || item === null;
  if (members.length === 0 || (Array.isArray(value) && value.every(plain))) {
    return yield { pointer, value };
  }
  for (const [key, member] of members) {
    yield* leaves(member as Plain, `${pointer}/${pointerStep(key)}`);
  }
}
