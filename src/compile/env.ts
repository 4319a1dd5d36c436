/** What an App's texts with `{{...}}` say where it runs. */
import type { CallSpec } from "../api/app.ts";
import type { AppDocument } from "../api/document.ts";
import { parseAppReference } from "../api/names.ts";
import { type Site, workloadKey } from "../api/site.ts";
import type { HostPort } from "../api/snapshot.ts";
import { fillTemplate, templateNames } from "../api/template.ts";
import { hostPortText } from "./words.ts";

export interface ResolvedRun {
  readonly env: Readonly<Record<string, string>>;
  /** Empty where the App has no `run`. */
  readonly command: readonly string[];
}

/**
 * The environment and the command with each template filled in. Calls lead to the sidecar, or to
 * the callee itself where the sidecar is disabled.
 *
 * @param dependencies where they are, by name; as the file says it by default
 * @throws Error for an App that the site does not know: templates have been checked before.
 */
export function resolveEnv(
  app: AppDocument,
  site: Site,
  dependencies: Readonly<Record<string, HostPort>> = app.spec.dependencies,
): ResolvedRun {
  const fill = (written: string): string =>
    fillTemplate(written, (name) => valueOf(app, site, dependencies, name));
  const env = Object.entries(app.spec.env).map(([name, written]) => [name, fill(written)] as const);
  return {
    env: Object.fromEntries(env),
    command: (app.spec.run?.command ?? []).map(fill),
  };
}

/**
 * The port on which the process is to listen: `run.port`. Without a sidecar nobody else takes
 * `port`, and a process that can be told listens there itself, so that callers find it.
 * Null for an App without a port.
 */
export function processPort(app: AppDocument): number | null {
  const { run, port, sidecar } = app.spec;
  if (port === undefined) return null;
  if (sidecar.enabled) return run?.port ?? port;
  return run?.port === undefined || canBeTold(app) ? port : run.port;
}

function canBeTold(app: AppDocument): boolean {
  const texts = [...Object.values(app.spec.env), ...(app.spec.run?.command ?? [])];
  return texts.some((written) => templateNames(written).includes("run.port"));
}

/** Where an App finds what runs elsewhere, on this machine. */
export function localDependencies(app: AppDocument): Readonly<Record<string, HostPort>> {
  const all = Object.entries(app.spec.dependencies);
  return Object.fromEntries(all.map(([name, one]) => [name, one.local ?? one]));
}

function valueOf(
  app: AppDocument,
  site: Site,
  dependencies: Readonly<Record<string, HostPort>>,
  name: string,
): string {
  switch (name) {
    case "app.name":
      return app.name;
    case "app.namespace":
      return app.namespace;
    case "run.port":
      return String(site.workloads[workloadKey(app)]?.local?.app?.port ?? processPort(app));
  }
  const [, dependency, part] = /^dependencies\.(.+)\.(host|port)$/.exec(name) ?? [];
  if (dependency !== undefined && Object.hasOwn(dependencies, dependency)) {
    const { host, port } = dependencies[dependency]!;
    return part === "host" ? host : String(port);
  }
  const [, call, what] = /^calls\.(.+)\.(url|host|port)$/.exec(name) ?? [];
  if (call === undefined) throw new Error(`The template {{${name}}} was not checked.`);
  const address = addressOfCall(app, site, call);
  if (what === "host") return address.host;
  return what === "port" ? String(address.port) : `http://${hostPortText(address)}`;
}

function addressOfCall(app: AppDocument, site: Site, name: string): HostPort {
  if (app.spec.sidecar.enabled) {
    const calls = site.workloads[workloadKey(app)]?.local?.calls ?? {};
    if (Object.hasOwn(calls, name)) return calls[name] as HostPort;
    throw new Error(`The site has no address for the call ${name} of ${workloadKey(app)}.`);
  }
  const call = app.spec.calls[name] as CallSpec;
  if (call.host !== undefined && call.port !== undefined) {
    return { host: call.host, port: call.port };
  }
  const key = workloadKey(parseAppReference(call.app ?? name, app.namespace));
  const [first] = call.endpoints ?? site.workloads[key]?.endpoints ?? [];
  if (first !== undefined) return first;
  throw new Error(`The site has no endpoint of ${key}, which ${workloadKey(app)} calls.`);
}
