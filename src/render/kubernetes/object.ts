import type { Origin } from "../../api/snapshot.ts";
import { type Plain, type Source, type Sources, separate, type Tree } from "./sourced.ts";

/** The line of the file that asked for an object. */
export const SOURCE_ANNOTATION = "outrigger.dev/source";

/** One object for Kubernetes, and where each of its values came from. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for what has none. */
  readonly namespace: string;
  readonly name: string;
  /** The whole, `apiVersion` and `kind` first. */
  readonly body: { readonly [key: string]: Plain };
  readonly sources: Sources;
}

export interface Metadata {
  readonly namespace?: string;
  readonly name: string;
  readonly labels?: { readonly [key: string]: Tree };
  readonly annotations?: { readonly [key: string]: Tree };
}

/** @param origin what asked for the object as a whole; it stands in its annotation */
export function kubeObject(
  [apiVersion, kind]: readonly [apiVersion: string, kind: string],
  metadata: Metadata,
  origin: Origin,
  rest: { readonly [key: string]: Tree },
): KubeObject {
  const { namespace = "", name } = metadata;
  const annotations = {
    ...metadata.annotations,
    [SOURCE_ANNOTATION]: `${origin.file}:${origin.line}`,
  };
  const { plain, sources } = separate({
    apiVersion,
    kind,
    metadata: {
      name,
      namespace: namespace === "" ? undefined : namespace,
      labels: metadata.labels,
      annotations,
    },
    ...rest,
  });
  const whole: Source = { kind: "file", origin };
  return {
    apiVersion,
    kind,
    namespace,
    name,
    body: plain as KubeObject["body"],
    sources: new Map([["", whole], ...sources]),
  };
}

/** For people: `deployment/frontend`. */
export function objectKey({ kind, name }: Pick<KubeObject, "kind" | "name">): string {
  return `${kind.toLowerCase()}/${name}`;
}
