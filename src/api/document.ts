import type { Note } from "../schema/field.ts";
import type { Path } from "../schema/node.ts";
import type { Problem } from "../schema/problem.ts";
import type { AppSpec } from "./app.ts";
import type { MeshSpec } from "./mesh.ts";
import type { PipelineSpec } from "./pipeline.ts";
import type { Origin } from "./snapshot.ts";

/** One file, or what came on stdin. */
export interface Source {
  /** As problems name it. */
  readonly file: string;
  readonly text: string;
}

export const KINDS = ["App", "Mesh", "Pipeline"] as const;
export type Kind = (typeof KINDS)[number];

/** A document that is whole: its spec has been read without a problem. */
export interface Loaded<K extends Kind, Spec> {
  readonly kind: K;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: Spec;
  readonly file: string;
  /**
   * Which line asked for a field: `origin("spec.calls.api.retry")`, or its steps where a key holds
   * a dot. A field that nobody wrote has its nearest parent's line.
   */
  origin(path: string | Path): Origin;
  /** Whether the field stands in the file; false where it has its default. */
  wrote(path: string | Path): boolean;
  /** Fields that are accepted and have an effect only elsewhere (`only-on`). */
  readonly notes: readonly Note[];
}

export type AppDocument = Loaded<"App", AppSpec>;
export type MeshDocument = Loaded<"Mesh", MeshSpec>;
export type PipelineDocument = Loaded<"Pipeline", PipelineSpec>;
export type AnyDocument = AppDocument | MeshDocument | PipelineDocument;

/** A document's place among the others, also of one whose spec has problems. */
export interface Mention {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * What could be read of a document, for checks against others: so that a mistake in one field does
 * not hide one in another.
 */
export interface View<Spec> {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly file: string;
  readonly spec: Partial<Spec>;
  /** Fields of the spec that are there and could not be read. */
  readonly wrong: ReadonlySet<string>;
  origin(path: string | Path): Origin;
}

export interface Documents {
  readonly apps: readonly AppDocument[];
  readonly meshes: readonly MeshDocument[];
  readonly pipelines: readonly PipelineDocument[];
  /** At most 100, by file and line. Documents with problems are not among the above. */
  readonly problems: readonly Problem[];
  /** How many more there are. */
  readonly moreProblems: number;
}
