import type { AppDocument } from "../../api/document.ts";
import type { DependencySpec } from "../../api/dependency_spec.ts";
import { problemAt } from "../../compile/source.ts";
import type { Path } from "../../schema/node.ts";
import type { Problem } from "../../schema/problem.ts";

/** Two things of one name, and addresses that mean the pod itself. */
export function dependencyProblems(apps: readonly AppDocument[]): readonly Problem[] {
  const problems: Problem[] = [];
  const first = new Map<string, { readonly app: AppDocument; readonly one: DependencySpec }>();
  const names = new Set(apps.map(({ namespace, name }) => `${namespace}/${name}`));
  for (const app of apps) {
    for (const [name, one] of Object.entries(app.spec.dependencies)) {
      const key = `${app.namespace}/${name}`;
      const report = (path: Path, message: string, advice: string): void => {
        problems.push(problemAt(app, ["spec", "dependencies", name, ...path], { message, advice }));
      };
      if (names.has(key)) {
        report([], `dependencies: ${name} is an App of ${app.namespace}`, "rename it, or use calls");
      }
      const other = first.get(key);
      if (other === undefined) first.set(key, { app, one });
      else if (other.one.host !== one.host || other.one.port !== one.port) {
        const { file, line } = other.app.origin(["spec", "dependencies", name]);
        const message = `dependencies: ${name} is ${other.one.host}:${other.one.port} at ${file}:${line}`;
        report([], message, "one name is one place in a namespace: rename one of them");
      }
      if (/^(?:127\.|169\.254\.|0\.|::1?$|fe80:)/i.test(one.host) || one.host === "localhost") {
        const advice = "name the place that the cluster sees, and this machine's in local";
        report(["host"], `dependencies: in a pod ${one.host} is the pod itself`, advice);
      }
    }
  }
  return problems;
}
