/** How the concerns of `compile` read a document. */
import type { AnyDocument, Documents } from "../api/document.ts";
import { parseAppReference } from "../api/names.ts";
import { type Site, type WorkloadSite, workloadKey } from "../api/site.ts";
import type { Origin } from "../api/snapshot.ts";
import type { Path } from "../schema/node.ts";
import { pathText } from "../schema/node.ts";
import type { Problem } from "../schema/problem.ts";

/** The origin of a field that somebody wrote; null where it has its default. */
export function writtenAt(document: AnyDocument, path: Path): Origin | null {
  return document.wrote(path) ? document.origin(path) : null;
}

export interface ProblemText {
  readonly found?: string;
  readonly message: string;
  readonly advice?: string;
}

/** A problem at a field, or at the nearest one that was written. */
export function problemAt(document: AnyDocument, path: Path, text: ProblemText): Problem {
  const { file, line, column } = document.origin(path);
  const { found = null, message, advice = null } = text;
  return { file, line, column, field: pathText(path), found, message, advice };
}

/** What all concerns share. */
export class Context {
  readonly problems: Problem[] = [];
  #apps: ReadonlySet<string>;
  #byName = new Map<string, string[]>();

  constructor(
    readonly documents: Documents,
    readonly site: Site,
  ) {
    this.#apps = new Set(documents.apps.map(workloadKey));
    for (const { name, namespace } of documents.apps) {
      this.#byName.set(name, [...(this.#byName.get(name) ?? []), namespace]);
    }
  }

  /**
   * The key of the App that a reference means, or null. An App that only the site knows is one too.
   * `anywhere` finds also the only App of that name in another namespace.
   */
  findApp(reference: string, namespace: string, anywhere = false): string | null {
    const ref = parseAppReference(reference, namespace);
    const key = workloadKey(ref);
    if (this.#apps.has(key) || Object.hasOwn(this.site.workloads, key)) return key;
    const elsewhere = this.#byName.get(ref.name) ?? [];
    if (!anywhere || reference.includes("/") || elsewhere.length !== 1) return null;
    return `${elsewhere[0]}/${ref.name}`;
  }

  siteOf(key: string): WorkloadSite | null {
    return Object.hasOwn(this.site.workloads, key) ? (this.site.workloads[key] ?? null) : null;
  }

  report(document: AnyDocument, path: Path, text: ProblemText): void {
    this.problems.push(problemAt(document, path, text));
  }
}
