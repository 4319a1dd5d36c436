/** Users' filters: what a route's chain ends with, and the files of their code. */
import { resolve } from "node:path";
import type { AppDocument } from "../api/document.ts";
import { filterName, type UserFilterSpec, userFilterPolicy } from "../api/filter_spec.ts";
import type { RoutePolicy } from "../api/snapshot.ts";
import type { Path } from "../schema/node.ts";
import type { Draft } from "./draft.ts";
import type { Segment } from "./pointer.ts";
import type { Context } from "./source.ts";

/** One list of the file, and where it stands. */
export interface UserFilterList {
  readonly document: AppDocument;
  readonly path: Path;
  readonly specs: readonly UserFilterSpec[];
  /** That its files are found from. */
  readonly folder: string;
}

/** Adds the bindings of a list's files. */
export function addUserFilters(
  draft: Draft,
  context: Context,
  { document, path, specs, folder }: UserFilterList,
): void {
  for (const [index, spec] of specs.entries()) {
    const name = filterName(spec);
    const file = resolve(folder, spec.file);
    const where = [...path, index];
    const other = draft.filterFile(name);
    if (other !== undefined && other !== file) {
      context.report(document, where, {
        found: `"${spec.file}"`,
        message: `filters: two files are called ${name}, ${other} and ${file}`,
        advice: "give one of them a name: ...",
      });
      continue;
    }
    draft.addFilter(name, file);
    const written = [...where, "file"];
    const from = document.wrote(written) ? written : where;
    draft.note(["bindings", "filters", name], document, from);
  }
  if (specs.length === 0) return;
  const { filterWatchdog } = document.spec.sidecar;
  draft.filterWatchdogMs = filterWatchdog;
  draft.note(["policy", "filterWatchdogMs"], document, ["spec", "sidecar", "filterWatchdog"]);
}

/** The route with these behind its own: they see a request as it will be sent. */
export function withUserFilters(route: RoutePolicy, { specs }: UserFilterList): RoutePolicy {
  if (specs.length === 0) return route;
  const own = specs.map((spec) => ({ filter: "typescript", config: { ...userFilterPolicy(spec) } }));
  return { ...route, filters: [...route.filters, ...own] };
}

/** Notes where the filters at the end of a route came from. */
export function noteUserFilters(
  draft: Draft,
  at: readonly Segment[],
  { filters }: RoutePolicy,
  { document, path, specs }: UserFilterList,
): void {
  const first = filters.length - specs.length;
  for (const index of specs.keys()) {
    const from = [...path, index];
    const place = [...at, "filters", first + index];
    for (const part of [[], ["filter"], ["config", "name"]]) {
      draft.note([...place, ...part], document, from);
    }
    draft.noteMembers([...place, "config"], document, from, [
      ["name", "name"],
      ["onError", "onError"],
      ["timeoutMs", "timeout"],
      ["maxBodyBytes", "maxBody"],
      ["config", "config"],
    ]);
  }
}
