/** What a file may say and no cluster can do. */
import type { AppDocument, Documents } from "../../api/document.ts";
import { problemAt } from "../../compile/source.ts";
import type { Path } from "../../schema/node.ts";
import type { Problem } from "../../schema/problem.ts";
import { nearest } from "../../schema/spelling.ts";
import { callAddresses, groupName } from "./cluster_site.ts";
import { dependencyProblems } from "./dependency_problems.ts";
import { ADMIN_PORT, INBOUND_PORT } from "./names.ts";
import { podProblems } from "./pod_problems.ts";

export function clusterProblems(documents: Documents): readonly Problem[] {
  return [
    ...documents.apps.flatMap((app) => [
      ...missingImage(app),
      ...takenPorts(documents, app),
      ...homelessLogs(app),
      ...podProblems(documents, app),
      ...endlessSidecar(app),
    ]),
    ...dependencyProblems(documents.apps),
    ...unknownNamespaces(documents),
    ...takenNames(documents),
  ];
}

function missingImage(app: AppDocument): readonly Problem[] {
  if (app.spec.image !== undefined) return [];
  return [
    problemAt(app, ["spec"], {
      message: `App ${app.name} has no image, so no cluster can run it`,
      advice: "add image: REGISTRY/NAME:TAG",
    }),
  ];
}

function takenPorts(documents: Documents, app: AppDocument): readonly Problem[] {
  const { port, sidecar } = app.spec;
  if (!sidecar.enabled) return [];
  const problems: Problem[] = [];
  const report = (path: Path, message: string, advice: string): void => {
    problems.push(problemAt(app, path, { message, advice }));
  };
  const own = (path: Path, one: number): void => {
    if (one !== INBOUND_PORT && one !== ADMIN_PORT) return;
    report(path, `port ${one} is the sidecar's own`, "let the app use another one");
  };
  if (port !== undefined) own(["spec", "port"], port);
  for (const [index, one] of app.spec.bypass.entries()) {
    own(["spec", "bypass", index, "port"], one.port);
  }
  for (const { name, address } of callAddresses(documents, app)) {
    if (address.port !== port) continue;
    // An app on 0.0.0.0:P and the sidecar on 127.0.1.1:P exclude each other.
    report(
      ["spec", "calls", name],
      `the app listens on ${port}, and calls ${name} on ${port} too: in one pod only one can listen there`,
      `let the app listen on another port (port:), or let ${name} be called on another one`,
    );
  }
  return problems;
}

function homelessLogs(app: AppDocument): readonly Problem[] {
  const [first] = app.spec.logs;
  if (first === undefined || app.spec.container.dir !== undefined) return [];
  return [
    problemAt(app, ["spec", "logs", 0, "file"], {
      found: `"${first.file}"`,
      message: "logs: nobody says where the app's working folder is in its image",
      advice: "add container: { dir: /app }, or whatever WORKDIR its image has",
    }),
  ];
}

/** Only one that Kubernetes knows for a sidecar is ended when the rest of its pod has ended. */
function endlessSidecar(app: AppDocument): readonly Problem[] {
  const { sidecar, job, schedule } = app.spec;
  if (sidecar.native || !sidecar.enabled || (job ?? schedule) === undefined) return [];
  return [
    problemAt(app, ["spec", "sidecar", "native"], {
      message: `App ${app.name} runs to its end, and a sidecar that is not native never does`,
      advice: "remove native: false, or let this App go without a sidecar (enabled: false)",
    }),
  ];
}

function unknownNamespaces({ apps, meshes }: Documents): readonly Problem[] {
  const known = new Set(apps.map(({ namespace }) => namespace));
  return meshes.flatMap((mesh) =>
    Object.keys(mesh.spec.namespaces).flatMap((name) => {
      if (known.has(name)) return [];
      const meant = nearest(name, known);
      const message = `namespaces: no App of these files is in ${name}`;
      const advice = meant === null ? "give its files too, or remove it" : `did you mean "${meant}"?`;
      return [problemAt(mesh, ["spec", "namespaces", name], { message, advice })];
    }),
  );
}

/** A group of pods is named as an App is. */
function takenNames({ apps }: Documents): readonly Problem[] {
  const known = new Map(apps.map((app) => [`${app.namespace}/${app.name}`, app]));
  return apps.flatMap((app) =>
    Object.keys(app.spec.pods).flatMap((group) => {
      const name = groupName(app.name, group);
      const other = known.get(`${app.namespace}/${name}`);
      if (other === undefined) return [];
      const { file, line } = other.origin(["metadata", "name"]);
      const message = `pods: ${group} would be ${name}, which is an App at ${file}:${line}`;
      return [problemAt(app, ["spec", "pods", group], { message, advice: "rename one of them" })];
    }),
  );
}
