/** For tests: documents and Snapshots from texts. */
import { type Documents, loadDocuments } from "../../api/documents.ts";
import type { Site } from "../../api/site.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { formatProblems } from "../../schema/problem.ts";
import { compile } from "../mod.ts";
import { paperSite } from "../paper_site.ts";

/** The documents of one file; throws where the text is not valid. */
export function documentsOf(text: string, file = "shop.yaml"): Documents {
  const documents = loadDocuments([{ file, text }]);
  if (documents.problems.length > 0) throw new Error(formatProblems(documents.problems));
  return documents;
}

export function siteOf(documents: Documents, change: Partial<Site> = {}): Site {
  const folders = { state: "/state", app: (app: { name: string }) => `/apps/${app.name}` };
  return { ...paperSite(documents, folders), ...change };
}

/** The Snapshots of one file on paper; throws where there is a problem. */
export function snapshotsOf(text: string, change: Partial<Site> = {}): readonly Snapshot[] {
  const documents = documentsOf(text);
  const { snapshots, problems } = compile({ documents, site: siteOf(documents, change) });
  if (problems.length > 0) throw new Error(formatProblems(problems));
  return snapshots;
}

/** An App with the least that it needs, and more lines of its spec, indented by two. */
export function appText(name: string, port: number, lines: readonly string[] = []): string {
  return [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    `metadata: { name: ${name}, namespace: shop }`,
    "spec:",
    `  run: { command: [node, ${name}.js], port: ${port + 10_000} }`,
    `  port: ${port}`,
    ...lines.map((line) => `  ${line}`),
    "---",
    "",
  ].join("\n");
}
