/** For tests: files' objects by `kind/name`, as they go to Kubernetes. */
import { loadDocuments } from "../../../api/documents.ts";
import { formatProblems, type Problem } from "../../../schema/problem.ts";
import { explainObject } from "../explain_object.ts";
import { objectKey, renderObjects, type KubeObject, type Target, TARGETS } from "../mod.ts";

const IMAGE = "registry.example.com/outrigger:1";

/** An App of the namespace `shop` with these lines in its spec, in two columns. */
export function app(name: string, ...lines: readonly string[]): string {
  const head = `apiVersion: outrigger.dev/v1alpha1\nkind: App\nmetadata: { name: ${name}, namespace: shop }`;
  const spec = [`image: registry.example.com/shop/${name}:1`, ...lines];
  return `${head}\nspec:\n${spec.map((line) => `  ${line}\n`).join("")}---\n`;
}

export interface RenderedText {
  readonly objects: readonly KubeObject[];
  readonly problems: readonly Problem[];
  readonly keys: readonly string[];
  /** @throws Error where nothing is rendered by that key */
  body(key: string): any;
  /** Where a value of it comes from: a line of the file, or words. */
  source(key: string, pointer: string): string;
}

export function rendered(text: string, target: Partial<Target> = {}): RenderedText {
  const documents = loadDocuments([{ file: "shop.yaml", text: text.replace(/---\n$/, "") }]);
  if (documents.problems.length > 0) throw new Error(formatProblems(documents.problems));
  const { objects, problems } = renderObjects(documents, {
    target: { ...TARGETS.kubernetes, ...target },
    image: IMAGE,
  });
  const find = (key: string): KubeObject => {
    const found = objects.find((one) => objectKey(one) === key);
    if (found === undefined) throw new Error(`${key} is none of ${objects.map(objectKey).join(", ")}`);
    return found;
  };
  return {
    objects,
    problems,
    keys: objects.map(objectKey),
    body: (key) => find(key).body,
    source: (key, pointer) => {
      return explainObject(find(key)).find((one) => one.pointer === pointer)?.text ?? "nowhere";
    },
  };
}
