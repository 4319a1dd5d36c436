/** Changes of generated objects that a file asks for: they survive rendering anew. */
import type { AppDocument } from "../../api/document.ts";
import { pointerStep } from "../../compile/pointer.ts";
import { problemAt } from "../../compile/source.ts";
import type { Problem } from "../../schema/problem.ts";
import type { KubeObject } from "./object.ts";
import { type PatchStep, patched } from "./json_patch.ts";
import type { Plain, Source } from "./sourced.ts";
import { merged } from "./strategic_merge.ts";

export interface Overridden {
  readonly objects: readonly KubeObject[];
  /** An override that meets no object, or a patch that does not fit. */
  readonly problems: readonly Problem[];
}

export function override(apps: readonly AppDocument[], objects: readonly KubeObject[]): Overridden {
  const problems: Problem[] = [];
  const all = [...objects];
  for (const app of apps) {
    for (const [index, { kind, name = app.name, merge, patch }] of app.spec.overrides.entries()) {
      const path = ["spec", "overrides", index];
      const at = all.findIndex((one) => isMeant(one, app, kind, name));
      const before = all[at];
      if (before === undefined) {
        const mine = all.filter(({ namespace }) => namespace === app.namespace);
        const known = [...new Set(mine.map((one) => `${one.kind} ${one.name}`))].join(", ");
        const message = `overrides: nothing rendered is ${kind} ${name}`;
        problems.push(problemAt(app, [...path, "kind"], { message, advice: `there are: ${known}` }));
        continue;
      }
      try {
        const body =
          patch !== undefined
            ? patched(before.body, patch as readonly PatchStep[])
            : merged(before.body, merge as Plain);
        const source: Source = { kind: "file", origin: app.origin(path) };
        all[at] = withBody(before, body as KubeObject["body"], source);
      } catch (error) {
        const message = `overrides: ${kind} ${name}: ${(error as Error).message}`;
        problems.push(problemAt(app, [...path, "patch"], { message }));
      }
    }
  }
  return { objects: all, problems };
}

function isMeant(object: KubeObject, app: AppDocument, kind: string, name: string): boolean {
  const near = object.namespace === app.namespace || object.kind === "Schedule";
  return near && object.kind === kind && object.name === name;
}

/** What the override changed is the override's, the rest as it was. */
function withBody(before: KubeObject, body: KubeObject["body"], source: Source): KubeObject {
  const sources = new Map(before.sources);
  note(before.body, body, "", source, sources);
  return { ...before, body, sources };
}

function note(
  before: Plain | undefined,
  after: Plain,
  pointer: string,
  source: Source,
  sources: Map<string, Source>,
): void {
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  const both = [before, after].every((one) => typeof one === "object" && one !== null);
  if (!both || Array.isArray(before) !== Array.isArray(after)) {
    for (const key of [...sources.keys()]) if (key.startsWith(`${pointer}/`)) sources.delete(key);
    sources.set(pointer, source);
    return;
  }
  for (const [key, value] of Object.entries(after as object)) {
    const old = (before as Readonly<Record<string, Plain>>)[key];
    note(old, value as Plain, `${pointer}/${pointerStep(key)}`, source, sources);
  }
}
