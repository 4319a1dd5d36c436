import type { Documents } from "../api/document.ts";
import type { Snapshot } from "../api/snapshot.ts";

/** Makes one file for another program out of what an App file says. */
export interface Generator {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  readonly status: "stable" | "beta" | "alpha";
  /** What whoever takes the file should know: what it shows, what it lets in. */
  readonly security: string;
  /** How the file is named, without a folder; the others of its kind refer to it so. */
  readonly fileName: string;
  /** The same input gives the same text. */
  render(input: RenderInput): string;
}

export interface RenderInput {
  readonly documents: Documents;
  readonly snapshots: readonly Snapshot[];
}
