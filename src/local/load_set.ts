import type { Documents, Source } from "../api/document.ts";
import { loadDocuments } from "../api/documents.ts";
import { readFiles } from "../api/read_files.ts";
import type { Site } from "../api/site.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { compile } from "../compile/mod.ts";
import { pipelineComponents } from "../pipeline/components.ts";
import { formatProblems, type Problem } from "../schema/problem.ts";
import { allotPorts } from "./allot_ports.ts";
import { buildSite, portWishes } from "./build_site.ts";
import type { StateFolder } from "./state_folder.ts";

/** Files, read and compiled for this machine. */
export interface LoadedSet {
  readonly documents: Documents;
  readonly site: Site;
  readonly snapshots: readonly Snapshot[];
  readonly ports: Readonly<Record<string, number>>;
  /** What is worth knowing and no error: ports that moved, fields without an effect here. */
  readonly notices: readonly string[];
}

/** A Failure with each problem, for `-o json`. */
export class ProblemsFailure extends Failure {
  constructor(
    readonly problems: readonly Problem[],
    readonly more: number,
  ) {
    super("found-problems", formatProblems(problems, more));
  }
}

/** @throws ProblemsFailure where the files have problems, Failure where they cannot be read. */
export async function loadFiles(world: World, files: readonly string[]): Promise<Documents> {
  return checkedSources(await readSources(world, files));
}

export function readSources(world: World, files: readonly string[]): Promise<readonly Source[]> {
  return readFiles(world.files, world.stdio.stdin, files);
}

/** @throws ProblemsFailure with all problems at once. */
export function checkedSources(sources: readonly Source[]): Documents {
  const documents = loadDocuments(sources, pipelineComponents);
  if (documents.problems.length === 0) return documents;
  throw new ProblemsFailure(documents.problems, documents.moreProblems);
}

export interface SetPlace {
  readonly state: StateFolder;
  /** Ports by key, as they were. */
  readonly before: Readonly<Record<string, number>>;
  /** Ports that this set listens on now; null asks the system for none at all. */
  readonly held: ReadonlySet<number> | null;
}

/** @throws ProblemsFailure, or Failure "port-in-use". */
export function placeDocuments(world: World, documents: Documents, place: SetPlace): LoadedSet {
  const wishes = portWishes(documents);
  const { ports, notices } = allotPorts(world, wishes, place.before, place.held);
  const site = buildSite(documents, ports, place.state, world.processes.self.folder);
  const { snapshots, problems } = compile({ documents, site });
  if (problems.length > 0) throw new ProblemsFailure(problems, 0);
  return { documents, site, snapshots, ports, notices: [...notices, ...notesOf(documents)] };
}

function notesOf(documents: Documents): readonly string[] {
  const notes: string[] = [];
  for (const document of [...documents.apps, ...documents.meshes]) {
    const { kind, name, file } = document;
    const unused = document.notes.filter(({ where }) => where === "kubernetes");
    if (unused.length > 0) {
      const fields = unused.map(({ field }) => field.replace(/^spec\./, "")).join(", ");
      notes.push(`${file}: ${kind} ${name}: only Kubernetes uses ${fields}`);
    }
  }
  for (const app of documents.apps) {
    if (app.spec.run !== undefined) continue;
    const where = app.spec.port === undefined ? "" : `; it is expected on port ${app.spec.port}`;
    notes.push(`${app.file}: App ${app.name} has no run, so it is not started here${where}`);
  }
  return notes;
}
