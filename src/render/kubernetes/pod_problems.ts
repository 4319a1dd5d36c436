/** What Kubernetes would refuse of an App's objects, or what could not run in one pod. */
import type { AppDocument, Documents } from "../../api/document.ts";
import { problemAt } from "../../compile/source.ts";
import type { Path } from "../../schema/node.ts";
import type { Problem } from "../../schema/problem.ts";
import { callAddresses } from "./cluster_site.ts";
import { ADMIN_PORT, APP_CONTAINER, INBOUND_PORT, SIDECAR_CONTAINER } from "./names.ts";
import { workloadKind } from "./workload_kind.ts";

export function podProblems(documents: Documents, app: AppDocument): readonly Problem[] {
  const problems: Problem[] = [];
  const report: Report = (path, message, advice) => {
    problems.push(problemAt(app, path, { message, advice }));
  };
  names(app, report);
  labels(app, report);
  containerNames(app, report);
  volumeNames(app, report);
  keptVolumes(app, report);
  places(app, report);
  listeners(documents, app, report);
  variables(app, report);
  return problems;
}

type Report = (path: Path, message: string, advice: string) => void;

/** `web-0` and a revision's hash stand in labels; a CronJob's Jobs have a time behind its name. */
const SHORT_NAMES = { StatefulSet: 52, CronJob: 52 } as const;

function names(app: AppDocument, report: Report): void {
  const { name } = app;
  const at = ["metadata", "name"];
  const kind = workloadKind(app);
  const most = kind === "StatefulSet" || kind === "CronJob" ? SHORT_NAMES[kind] : 63;
  if (name.length > most) {
    const message = `${name} is a ${kind}, whose name has at most ${most} letters: this has ${name.length}`;
    report(at, message, "shorten it");
  }
  if ((app.spec.port !== undefined || app.spec.bypass.length > 0) && /^[0-9]/.test(name)) {
    report(at, `${name} is called, and a Service's name begins with a letter`, `for example "app-${name}"`);
  }
  for (const one of Object.keys(app.spec.dependencies)) {
    if (!/^[0-9]/.test(one)) continue;
    const message = `dependencies: ${one} becomes a Service, whose name begins with a letter`;
    report(["spec", "dependencies", one], message, `for example "db-${one}"`);
  }
}

const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?$/;

function labels(app: AppDocument, report: Report): void {
  for (const [key, value] of Object.entries(app.labels)) {
    if (LABEL_VALUE.test(value)) continue;
    const message = `labels: ${key} is ${JSON.stringify(value)}, which Kubernetes takes for no label`;
    report(["metadata", "labels", key], message, 'letters, digits, "-", "_" and "." only');
  }
}

function containerNames(app: AppDocument, report: Report): void {
  for (const name of Object.keys(app.spec.containers)) {
    if (name !== APP_CONTAINER && name !== SIDECAR_CONTAINER) continue;
    const whose = name === APP_CONTAINER ? "the App's own container" : "the sidecar";
    report(["spec", "containers", name], `containers: ${name} is ${whose}`, "give it another name");
  }
}

const OWN_VOLUMES = /^(?:tmp|files|outrigger-state|outrigger-snapshot|logs-[0-9]+)$/;

function volumeNames(app: AppDocument, report: Report): void {
  for (const name of Object.keys(app.spec.volumes)) {
    if (!OWN_VOLUMES.test(name)) continue;
    report(["spec", "volumes", name], `volumes: ${name} is a name of our own`, "give it another one");
  }
}

/** Only a StatefulSet's pods come back under their names, and find again what they kept. */
function keptVolumes(app: AppDocument, report: Report): void {
  const kind = workloadKind(app);
  if (kind === "StatefulSet" || kind === "Deployment") return;
  for (const [name, { size }] of Object.entries(app.spec.volumes)) {
    if (size === undefined) continue;
    const message = `volumes: ${name} has a size, so it is kept, and no pod of a ${kind} comes back to it`;
    report(["spec", "volumes", name, "size"], message, "remove size, or keep it elsewhere");
  }
}

/** Two things at one path of a container. */
function places(app: AppDocument, report: Report): void {
  const { volumes, config, containers } = app.spec;
  const own = new Places(report, "the App's container");
  own.add("/tmp", ["spec"], "the folder for what is temporary");
  for (const [name, { path }] of Object.entries(volumes)) {
    own.add(path, ["spec", "volumes", name, "path"], `volume ${name}`);
  }
  for (const path of Object.keys(config)) own.add(path, ["spec", "config", path], `config ${path}`);
  for (const [name, one] of Object.entries(containers)) {
    const its = new Places(report, `container ${name}`);
    its.add("/tmp", ["spec"], "the folder for what is temporary");
    for (const [volume, { path }] of Object.entries(volumes)) {
      const at = Object.hasOwn(one.volumes, volume)
        ? ["spec", "containers", name, "volumes", volume]
        : ["spec", "volumes", volume, "path"];
      its.add(one.volumes[volume] ?? path, at, `volume ${volume}`);
    }
  }
}

class Places {
  readonly #taken = new Map<string, string>();

  constructor(
    private readonly report: Report,
    private readonly where: string,
  ) {}

  add(written: string, at: Path, what: string): void {
    const path = written.replace(/(?<=.)\/$/, "");
    const other = this.#taken.get(path);
    if (other === undefined) this.#taken.set(path, what);
    else this.report(at, `${what} and ${other} are both at ${path} of ${this.where}`, "move one of them");
  }
}

interface Listener {
  readonly path: Path;
  readonly what: string;
  readonly port: number;
}

/** All containers of a pod share its addresses. The App's own port and calls are looked at elsewhere. */
function listeners(documents: Documents, app: AppDocument, report: Report): void {
  const { port, bypass, containers, sidecar } = app.spec;
  const taken = new Map<number, string>();
  if (port !== undefined) taken.set(port, "the app");
  if (sidecar.enabled) {
    taken.set(INBOUND_PORT, "the sidecar");
    taken.set(ADMIN_PORT, "the sidecar");
    for (const { name, address } of callAddresses(documents, app)) {
      if (address.port !== port) taken.set(address.port, `the sidecar, for calls of ${name},`);
    }
  }
  const more: Listener[] = [
    ...bypass.map((one, index): Listener => {
      return { path: ["spec", "bypass", index, "port"], what: "the app", port: one.port };
    }),
    ...Object.entries(containers).flatMap(([name, one]): Listener[] => {
      if (one.port === undefined) return [];
      const path = ["spec", "containers", name, "port"];
      return [{ path, what: `container ${name}`, port: one.port }];
    }),
  ];
  for (const { path, what, port: wanted } of more) {
    const other = taken.get(wanted);
    taken.set(wanted, other ?? what);
    const isKnown = what === "the app" && (wanted === INBOUND_PORT || wanted === ADMIN_PORT);
    if (other === undefined || isKnown) continue;
    const message = `${what} listens on ${wanted}, where ${other} listens: in one pod only one can`;
    report(path, message, "let one of them listen on another port");
  }
}

/** A variable has one value. */
function variables(app: AppDocument, report: Report): void {
  const { env, secrets, containers } = app.spec;
  const all = [
    { env, secrets, path: ["spec", "secrets"] },
    ...Object.entries(containers).map(([name, one]) => {
      return { env: one.env, secrets: one.secrets, path: ["spec", "containers", name, "secrets"] };
    }),
  ];
  for (const { env: plain, secrets: secret, path } of all) {
    for (const name of Object.keys(secret)) {
      if (!Object.hasOwn(plain, name)) continue;
      report([...path, name], `${name} stands in env and in secrets`, "keep one of them");
    }
  }
}
