import type { Path } from "../schema/node.ts";
import type { ProblemList } from "../schema/problem.ts";
import { nearest } from "../schema/spelling.ts";
import type { AppSpec } from "./app.ts";
import type { Mention, View } from "./document.ts";
import type { MeshSpec } from "./mesh.ts";
import type { RateLimit } from "./rate_limit_spec.ts";
import { parseAppReference } from "./names.ts";
import { templateNames } from "./template.ts";

type AppView = View<AppSpec>;
type MeshView = View<MeshSpec>;

/** What has been read: also of documents with problems. */
export interface DocumentSet {
  readonly appViews: readonly AppView[];
  readonly meshViews: readonly MeshView[];
  readonly mentions: readonly Mention[];
}

/**
 * What documents must not say of each other. An App whose own spec has problems still counts as one
 * that is there, so that one mistake is one problem.
 */
export function checkDocuments(set: DocumentSet, problems: ProblemList): void {
  const names = new AppNames(set, problems);
  checkDuplicates(set.mentions, problems);
  checkLocalPorts(set.appViews, problems);
  for (const app of set.appViews) {
    checkCalls(app, names, problems);
    checkBypassed(app, names, problems);
    checkAppRoutes(app, names, problems);
    checkLogSinks(app, set, problems);
    checkAppLimits(app, set, problems);
  }
  for (const mesh of set.meshViews) checkMeshLimits(mesh, set, problems);
  for (const mesh of set.meshViews) checkMeshRoutes(mesh, names, problems);
  checkSingleMesh(set.meshViews, problems);
}

/** Which Apps there are. */
class AppNames {
  readonly #known = new Set<string>();
  readonly #views = new Map<string, AppView>();
  readonly #byName = new Map<string, string[]>();

  constructor(
    set: DocumentSet,
    private readonly problems: ProblemList,
  ) {
    for (const { kind, namespace, name } of set.mentions) {
      if (kind !== "App" || this.#known.has(`${namespace}/${name}`)) continue;
      this.#known.add(`${namespace}/${name}`);
      this.#byName.set(name, [...(this.#byName.get(name) ?? []), namespace]);
    }
    for (const app of set.appViews) this.#views.set(`${app.namespace}/${app.name}`, app);
  }

  /** The App's key, or null. `anywhere`: also the only one of that name in another namespace. */
  find(reference: string, namespace: string, anywhere: boolean): string | null {
    const ref = parseAppReference(reference, namespace);
    const key = `${ref.namespace}/${ref.name}`;
    if (this.#known.has(key)) return key;
    const elsewhere = this.#byName.get(ref.name) ?? [];
    const written = reference.includes("/");
    return anywhere && !written && elsewhere.length === 1 ? `${elsewhere[0]}/${ref.name}` : null;
  }

  view(key: string): AppView | undefined {
    return this.#views.get(key);
  }

  /** False also where a port is written and wrong: that is said elsewhere. */
  hasNoPort(key: string): boolean {
    const view = this.#views.get(key);
    return view !== undefined && view.spec.port === undefined && !view.wrong.has("port");
  }

  /** What to do about a reference to nobody. */
  advice(reference: string, namespace: string): string {
    // Comparing with thousands of names is worth it only where somebody reads the result.
    if (this.problems.isFull) return "correct the name";
    const { name } = parseAppReference(reference, namespace);
    const elsewhere = this.#byName.get(name) ?? [];
    if (elsewhere.length > 0) return `did you mean "${elsewhere[0]}/${name}"?`;
    const own = [...this.#known].filter((key) => key.startsWith(`${namespace}/`));
    const meant = nearest(
      name,
      own.map((key) => key.slice(namespace.length + 1)),
    );
    if (meant !== null) return `did you mean "${meant}"?`;
    const far = nearest(name, this.#byName.keys());
    if (far === null) return "give its file too, or correct the name";
    return `did you mean "${this.#byName.get(far)![0]}/${far}"?`;
  }
}

function report(
  problems: ProblemList,
  document: AppView | MeshView,
  path: Path,
  message: string,
  advice: string | null,
  found: string | null = null,
): void {
  const { file, line, column, field } = document.origin(path);
  problems.add({ file, line, column, field, found, message, advice });
}

function checkDuplicates(mentions: readonly Mention[], problems: ProblemList): void {
  const seen = new Map<string, Mention>();
  for (const mention of mentions) {
    const { kind, namespace, name, file, line, column } = mention;
    const key = `${kind} ${namespace}/${name}`;
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, mention);
      continue;
    }
    problems.add({
      file,
      line,
      column,
      field: "metadata.name",
      found: `"${name}"`,
      message: `${key} is there twice, first at ${first.file}:${first.line}:${first.column}`,
      advice: "rename or remove one of them",
    });
  }
}

/** Two processes of one machine cannot listen on one port. */
function checkLocalPorts(apps: readonly AppView[], problems: ProblemList): void {
  const holders = new Map<number, { readonly app: AppView; readonly path: string }>();
  for (const app of apps) {
    for (const { port, path } of localPorts(app)) {
      const first = holders.get(port);
      if (first === undefined) {
        holders.set(port, { app, path });
        continue;
      }
      if (first.app === app) continue;
      const { file, line } = first.app.origin(`spec.${first.path}`);
      const other = `App ${first.app.namespace}/${first.app.name}`;
      const message = `${path} ${port} is ${first.path} of ${other} too (${file}:${line})`;
      report(
        problems,
        app,
        ["spec", ...path.split(".")],
        message,
        "choose another one",
        String(port),
      );
    }
  }
}

/** Only Apps that run on this machine take ports there. */
function localPorts(app: AppView): readonly { port: number; path: string }[] {
  const { run, port, sidecar } = app.spec;
  if (run === undefined || sidecar === undefined) return [];
  const own = run.port === undefined ? [] : [{ port: run.port, path: "run.port" }];
  const called = port === undefined ? [] : [{ port, path: "port" }];
  if (sidecar.enabled) return [...called, ...own];
  // Without a sidecar only the process listens: on `port` if it is told, else where it always does.
  return own.length === 0 || asksForPort(app.spec) ? called : own;
}

/** Whether the process is told its port. */
function asksForPort({ run, env }: Partial<AppSpec>): boolean {
  const texts = [...Object.values(env ?? {}), ...(run?.command ?? [])];
  return texts.some((text) => templateNames(text).includes("run.port"));
}

function checkCalls(app: AppView, names: AppNames, problems: ProblemList): void {
  for (const [name, call] of Object.entries(app.spec.calls ?? {})) {
    if (call.host !== undefined || call.endpoints !== undefined) continue;
    const reference = call.app ?? name;
    const path = ["spec", "calls", name, ...(call.app === undefined ? [] : ["app"])];
    const key = names.find(reference, app.namespace, false);
    if (key === null) {
      const message = `calls.${name}: there is no App "${reference}"`;
      const outside = call.app === undefined ? ", or add host and port" : "";
      const advice = names.advice(reference, app.namespace) + outside;
      report(problems, app, path, message, advice.replace("?, or", "? Or"), `"${reference}"`);
      continue;
    }
    const callee = names.view(key);
    if (callee === undefined) continue;
    if (names.hasNoPort(key)) {
      const message = `calls.${name}: App ${key} has no port, so it cannot be called`;
      const { file, line } = callee.origin("spec");
      report(problems, app, path, message, `add port at ${file}:${line}`);
    } else if (
      app.spec.sidecar?.capture === "loopback" &&
      callee.spec.port !== undefined &&
      callee.spec.port === app.spec.port
    ) {
      const message =
        `calls.${name}: with capture loopback the sidecar cannot listen on ${callee.spec.port} ` +
        "for this call, for the app itself listens there";
      const advice = "change the port of one of the two, or use capture: env";
      report(problems, app, path, message, advice, String(callee.spec.port));
    }
  }
}

function checkBypassed(app: AppView, names: AppNames, problems: ProblemList): void {
  for (const [index, { from }] of (app.spec.bypass ?? []).entries()) {
    for (const [nth, reference] of from.entries()) {
      if (names.find(reference, app.namespace, false) !== null) continue;
      const path = ["spec", "bypass", index, "from", nth];
      const message = `bypass[${index}]: there is no App "${reference}"`;
      const advice = names.advice(reference, app.namespace);
      report(problems, app, path, message, advice, `"${reference}"`);
    }
  }
}

function checkAppRoutes(app: AppView, names: AppNames, problems: ProblemList): void {
  const { calls = {}, routes = [] } = app.spec;
  // A call that is wrong in itself would be missing here.
  if (app.wrong.has("calls")) return;
  const check = (reference: string, path: Path): void => {
    if (Object.hasOwn(calls, reference) || names.find(reference, app.namespace, false) !== null)
      return;
    const meant = nearest(reference, Object.keys(calls));
    const advice =
      meant === null ? names.advice(reference, app.namespace) : `did you mean "${meant}"?`;
    const message = `routes: "${reference}" is neither a name of calls nor an App`;
    report(problems, app, path, message, advice, `"${reference}"`);
  };
  for (const [index, route] of routes.entries()) {
    if (route.to !== undefined) check(route.to, ["spec", "routes", index, "to"]);
    for (const [nth, backend] of (route.backends ?? []).entries()) {
      if (backend.app === undefined || names.find(backend.app, app.namespace, false) !== null)
        continue;
      const path = ["spec", "routes", index, "backends", nth, "app"];
      const message = `routes: there is no App "${backend.app}"`;
      const advice = names.advice(backend.app, app.namespace);
      report(problems, app, path, message, advice, `"${backend.app}"`);
    }
  }
}

function checkLogSinks(app: AppView, set: DocumentSet, problems: ProblemList): void {
  const declared = set.meshViews.some((mesh) => mesh.spec.sinks?.elasticsearch !== undefined);
  // Sinks with problems of their own may well declare it.
  const unread = set.meshViews.some((mesh) => mesh.wrong.has("sinks"));
  if (declared || unread) return;
  for (const [index, log] of (app.spec.logs ?? []).entries()) {
    const nth = log.to.indexOf("elasticsearch");
    if (nth < 0) continue;
    const message = "logs: no Mesh says where elasticsearch is";
    const advice = 'add a Mesh with sinks: { elasticsearch: { url: "http://127.0.0.1:9200" } }';
    report(problems, app, ["spec", "logs", index, "to", nth], message, advice, '"elasticsearch"');
  }
}

function checkAppLimits(app: AppView, set: DocumentSet, problems: ProblemList): void {
  for (const [name, { rateLimit }] of Object.entries(app.spec.calls ?? {})) {
    checkLimitRedis(app, ["spec", "calls", name], rateLimit, set, problems);
  }
  for (const [index, { rateLimit }] of (app.spec.routes ?? []).entries()) {
    checkLimitRedis(app, ["spec", "routes", index], rateLimit, set, problems);
  }
}

function checkMeshLimits(mesh: MeshView, set: DocumentSet, problems: ProblemList): void {
  for (const [index, { rules }] of (mesh.spec.routes ?? []).entries()) {
    for (const [nth, { rateLimit }] of rules.entries()) {
      const path = ["spec", "routes", index, "rules", nth];
      checkLimitRedis(mesh, path, rateLimit, set, problems);
    }
  }
}

/** `path` is where the limit's parent stands. */
function checkLimitRedis(
  view: AppView | MeshView,
  path: Path,
  limit: RateLimit | undefined,
  set: DocumentSet,
  problems: ProblemList,
): void {
  if (limit?.shared === undefined) return;
  const { redis: name } = limit.shared;
  const known = set.meshViews.flatMap(({ spec }) => Object.keys(spec.redis ?? {}));
  // One with problems of its own may well be the one.
  if (known.includes(name) || set.meshViews.some(({ wrong }) => wrong.has("redis"))) return;
  const meant = nearest(name, known);
  const add = `add a Mesh with redis: { ${name}: { url: "redis://127.0.0.1:6379" } }`;
  const advice = meant === null ? add : `did you mean "${meant}"?`;
  const message = `rateLimit: no Mesh says where the Redis ${name} is`;
  report(problems, view, [...path, "rateLimit", "shared", "redis"], message, advice, `"${name}"`);
}

/** A Mesh is not bound to a namespace's Apps: a name that only one App has is found anywhere. */
function checkMeshRoutes(mesh: MeshView, names: AppNames, problems: ProblemList): void {
  for (const [index, route] of (mesh.spec.routes ?? []).entries()) {
    for (const [nth, rule] of route.rules.entries()) {
      for (const [at, backend] of (rule.backends ?? []).entries()) {
        const path = ["spec", "routes", index, "rules", nth, "backends", at, "app"];
        const key = names.find(backend.app, mesh.namespace, true);
        if (key === null) {
          const message = `routes: there is no App "${backend.app}"`;
          const advice = names.advice(backend.app, mesh.namespace);
          report(problems, mesh, path, message, advice, `"${backend.app}"`);
        } else if (names.hasNoPort(key)) {
          const message = `routes: App ${key} has no port, so nothing can reach it`;
          report(problems, mesh, path, message, "add port to it");
        }
      }
    }
  }
}

/** One mesh per set of files: gateway and sinks would contradict each other. */
function checkSingleMesh(meshes: readonly MeshView[], problems: ProblemList): void {
  const [first, ...others] = meshes;
  for (const mesh of others) {
    const { file, line } = first!.origin("metadata.name");
    const message = `a second Mesh, "${mesh.name}"; the first is at ${file}:${line}`;
    report(problems, mesh, ["metadata", "name"], message, "put them together");
  }
}
