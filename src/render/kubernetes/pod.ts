/** The pod of an App: its container, its sidecar, its siblings, what they share. */
import type { AppDocument } from "../../api/document.ts";
import { type Site, workloadKey } from "../../api/site.ts";
import { OVERFLOW_BYTES } from "../../api/snapshot.ts";
import type { PipelinePolicy, Snapshot } from "../../api/snapshot.ts";
import { resolveEnv } from "../../compile/env.ts";
import type { Path } from "../../schema/node.ts";
import { callAddresses } from "./cluster_site.ts";
import { fileKey, filesHash, filesName, snapshotName } from "./config_map.ts";
import { APP_CONTAINER, INBOUND_PORT } from "./names.ts";
import { dependencySecrets, waitContainers } from "./dependencies.ts";
import { scrapeAnnotations } from "./monitors.ts";
import { ownerOf } from "./pod_groups.ts";
import { probesOf } from "./probes.ts";
import { APP_RESOURCES, bytesQuantity, resourcesOf } from "./quantities.ts";
import { labelsOf, type Rendering } from "./rendering.ts";
import { graceSeconds, leaveHook } from "./leave_hook.ts";
import { containerSecurity, SIDECAR_USER } from "./security.ts";
import { serviceAccountName } from "./service_account.ts";
import { isNative, sidecarContainer, SNAPSHOT_VOLUME, STATE_VOLUME } from "./sidecar_container.ts";
import { because, from, type Tree } from "./sourced.ts";
import { spreadOf } from "./spread.ts";

const MIB = 1024 * 1024;

export function podTemplate(rendering: Rendering, app: AppDocument): Tree {
  const hash = filesHash(app);
  const name = app.name;
  return {
    metadata: {
      labels: labelsOf(app),
      annotations: {
        "kubectl.kubernetes.io/default-container": APP_CONTAINER,
        "outrigger.dev/files-hash": hash,
        ...scrapeAnnotations(rendering, app),
        ...Object.fromEntries(
          Object.entries(app.annotations).map(([key, value]) => {
            return [key, from(app, ["metadata", "annotations", key], value)];
          }),
        ),
      },
    },
    spec: {
      serviceAccountName: serviceAccountName(app),
      automountServiceAccountToken: from(
        app,
        ["spec", "serviceAccount", "token"],
        app.spec.serviceAccount.token,
        "few apps talk with Kubernetes: serviceAccount: { token: true } lets them",
      ),
      enableServiceLinks: because("no variables that nobody asked for", false),
      restartPolicy: isTask(app) ? "Never" : undefined,
      hostAliases: hostAliases(rendering, app),
      securityContext: podSecurity(rendering, app),
      terminationGracePeriodSeconds: graceSeconds(app.spec.sidecar.drainTimeout),
      ...placementOf(app, name),
      initContainers: initContainers(rendering, app),
      containers: containers(rendering, app),
      volumes: volumesOf(rendering, app),
    },
  };
}

/** Whether it runs to an end. */
export function isTask({ spec }: AppDocument): boolean {
  return spec.job !== undefined || spec.schedule !== undefined;
}

/** The names that the app calls lead to its sidecar. */
function hostAliases({ documents }: Rendering, app: AppDocument): Tree {
  if (!app.spec.sidecar.enabled || app.spec.sidecar.capture === "env") return undefined;
  const aliases = callAddresses(documents, app).map(({ name, address, hosts }) => {
    return from(app, ["spec", "calls", name], { ip: address.host, hostnames: [...hosts] });
  });
  return aliases.length === 0 ? undefined : aliases;
}

function podSecurity({ documents, target }: Rendering, app: AppDocument): Tree {
  const low = callAddresses(documents, app).some(({ address }) => address.port < 1024);
  const sysctl = { name: "net.ipv4.ip_unprivileged_port_start", value: "0" };
  const shares = app.spec.sidecar.enabled || Object.keys(app.spec.volumes).length > 0;
  return {
    seccompProfile: { type: "RuntimeDefault" },
    fsGroup:
      shares && !target.assignsUser
        ? because("volumes belong to a group that app and sidecar are in", SIDECAR_USER)
        : undefined,
    fsGroupChangePolicy: shares && !target.assignsUser ? "OnRootMismatch" : undefined,
    sysctls:
      low && app.spec.sidecar.enabled
        ? because("the sidecar listens where calls go, also below 1024; a safe sysctl", [sysctl])
        : undefined,
  };
}

function placementOf(app: AppDocument, name: string): { readonly [key: string]: Tree } {
  const { placement, perNode } = app.spec;
  const at = ["spec", "placement"];
  const when = placement.spread === "require" ? "DoNotSchedule" : "ScheduleAnyway";
  const nodes = Object.entries(placement.nodes);
  return {
    priorityClassName:
      placement.priorityClass === undefined
        ? undefined
        : from(app, [...at, "priorityClass"], placement.priorityClass),
    nodeSelector:
      nodes.length === 0 ? undefined : from(app, [...at, "nodes"], Object.fromEntries(nodes)),
    topologySpreadConstraints:
      perNode || isTask(app)
        ? undefined
        : from(
            app,
            [...at, "spread"],
            spreadOf(name, when),
            "one zone or node that fails takes as few pods as possible",
          ),
  };
}

// ---------------------------------------------------------------- containers

function initContainers(rendering: Rendering, app: AppDocument): Tree {
  const first = Object.entries(app.spec.containers).filter(([, { role }]) => role === "before");
  const all = [
    ...(app.spec.sidecar.enabled && isNative(app) ? [sidecarOf(rendering, app)] : []),
    ...waitContainers(rendering, app),
    ...first.map(([name]) => sibling(rendering, app, name)),
  ];
  return all.length === 0 ? undefined : all;
}

function containers(rendering: Rendering, app: AppDocument): Tree {
  const beside = Object.entries(app.spec.containers).filter(([, { role }]) => role === "beside");
  const plain = app.spec.sidecar.enabled && !isNative(app);
  return [
    ...(plain ? [sidecarOf(rendering, app)] : []),
    appContainer(rendering, app),
    ...beside.map(([name]) => sibling(rendering, app, name)),
  ];
}

function sidecarOf({ target, image }: Rendering, app: AppDocument): Tree {
  const ports = app.spec.port === undefined ? [] : [{ name: "inbound", port: INBOUND_PORT }];
  return sidecarContainer({ target, image, app, ports, logs: logFolders(app) });
}

function appContainer(rendering: Rendering, app: AppDocument): Tree {
  const { spec } = app;
  const { command } = spec.container;
  return {
    name: APP_CONTAINER,
    image: from(app, ["spec", "image"], spec.image),
    workingDir: spec.container.dir,
    command: command === undefined ? undefined : from(app, ["spec", "container", "command"], [...command]),
    env: environment(rendering, app),
    envFrom: dependencySecrets(app),
    ports: appPorts(app),
    ...probesOf(app),
    lifecycle: spec.port === undefined ? undefined : leaveHook(rendering.target),
    resources: resourcesOf(app, ["spec", "resources"], spec.resources, APP_RESOURCES),
    securityContext: containerSecurity(app, ["spec", "container"], spec.container, rendering.target),
    volumeMounts: mounts(app),
  };
}

function appPorts(app: AppDocument): Tree {
  const { port, bypass } = app.spec;
  const one = (name: string | undefined, path: Path, containerPort: number): Tree => {
    return { name, containerPort: from(app, path, containerPort), protocol: "TCP" };
  };
  const all = [
    ...(port === undefined ? [] : [one("http", ["spec", "port"], port)]),
    ...bypass.map((entry, index) => one(undefined, ["spec", "bypass", index, "port"], entry.port)),
  ];
  return all.length === 0 ? undefined : all;
}

function environment(rendering: Rendering, app: AppDocument): Tree {
  const owner = ownerOf(app);
  const site = siteWithNames(rendering, owner);
  const { env } = resolveEnv({ ...app, name: owner.name }, site);
  const plain = Object.entries(env).map(([name, value]) => ({
    name,
    value: from(app, ["spec", "env", name], value),
  }));
  const all = [...plain, ...secretVariables(app, ["spec", "secrets"], app.spec.secrets)];
  return all.length === 0 ? undefined : all;
}

/** Templates are filled with the names that lead to the sidecar, where they do. */
function siteWithNames({ documents, site }: Rendering, app: AppDocument): Site {
  const key = workloadKey(app);
  const own = site.workloads[key]!;
  if (own.local === null || app.spec.sidecar.capture === "env") return site;
  const calls = Object.fromEntries(
    callAddresses(documents, app).map(({ name, address, hosts }) => {
      return [name, { host: hosts[0] ?? address.host, port: address.port }];
    }),
  );
  return { ...site, workloads: { [key]: { ...own, local: { ...own.local, calls } } } };
}

function secretVariables(
  app: AppDocument,
  path: Path,
  secrets: Readonly<Record<string, string>>,
): readonly Tree[] {
  return Object.entries(secrets).map(([name, written]) => {
    const [secret = "", key = ""] = written.split("/");
    return from(app, [...path, name], { name, valueFrom: { secretKeyRef: { name: secret, key } } });
  });
}

function sibling({ target }: Rendering, app: AppDocument, name: string): Tree {
  const one = app.spec.containers[name]!;
  const path: Path = ["spec", "containers", name];
  const env = [
    ...Object.entries(one.env).map(([key, value]) => ({ name: key, value })),
    ...secretVariables(app, [...path, "secrets"], one.secrets),
  ];
  return from(app, path, {
    name,
    image: one.image,
    command: one.command === undefined ? undefined : [...one.command],
    env: env.length === 0 ? undefined : env,
    ports: one.port === undefined ? undefined : [{ containerPort: one.port, protocol: "TCP" }],
    resources: resourcesOf(app, [...path, "resources"], one.resources, APP_RESOURCES),
    securityContext: containerSecurity(app, path, one, target),
    volumeMounts: siblingMounts(app, one.volumes),
  });
}

// ---------------------------------------------------------------- volumes

const TEMPORARY = "tmp";
const FILES = "files";

/** A folder of log files that the sidecar reads. */
interface LogFolder {
  readonly volume: string;
  readonly path: string;
  /** One of the App's volumes, which holds it. */
  readonly declared: boolean;
}

/** The folders of log files, each a volume that app and sidecar share. */
function logFolders(app: AppDocument): readonly LogFolder[] {
  const { dir } = app.spec.container;
  if (dir === undefined || !app.spec.sidecar.enabled) return [];
  const folders = new Set(
    app.spec.logs.map(({ file }) => {
      const whole = `${dir.replace(/\/$/, "")}/${file.replace(/^\.?\//, "")}`;
      return whole.slice(0, whole.lastIndexOf("/"));
    }),
  );
  const found = [...folders].map((path, index): LogFolder => {
    const own = Object.entries(app.spec.volumes).find(([, volume]) => {
      return `${path}/`.startsWith(`${volume.path.replace(/\/$/, "")}/`);
    });
    if (own === undefined) return { volume: `logs-${index}`, path, declared: false };
    return { volume: own[0], path: own[1].path, declared: true };
  });
  // Two folders of one volume are seen by it.
  return [...new Map(found.map((one) => [one.path, one])).values()];
}

/** Those that no volume of the App holds. */
function ownLogFolders(app: AppDocument): readonly LogFolder[] {
  return logFolders(app).filter(({ declared }) => !declared);
}

function mounts(app: AppDocument): Tree {
  const { volumes, config } = app.spec;
  return [
    { name: TEMPORARY, mountPath: "/tmp" },
    ...ownLogFolders(app).map(({ volume, path }) => ({ name: volume, mountPath: path })),
    ...Object.entries(volumes).map(([name, { path, readOnly }]) =>
      from(app, ["spec", "volumes", name], {
        name,
        mountPath: path,
        readOnly: readOnly ? true : undefined,
      }),
    ),
    ...Object.keys(config).map((path) =>
      from(app, ["spec", "config", path], {
        name: FILES,
        mountPath: path,
        subPath: fileKey(path),
        readOnly: true,
      }),
    ),
  ];
}

function siblingMounts(app: AppDocument, seen: Readonly<Record<string, string>>): Tree {
  const all = Object.entries(app.spec.volumes).map(([name, { path, readOnly }]) => ({
    name,
    mountPath: Object.hasOwn(seen, name) ? seen[name] : path,
    readOnly: readOnly ? true : undefined,
  }));
  return [{ name: TEMPORARY, mountPath: "/tmp" }, ...all];
}

function volumesOf({ snapshots }: Rendering, app: AppDocument): Tree {
  const { volumes, sidecar } = app.spec;
  const passing = Object.entries(volumes).filter(([, { size }]) => size === undefined);
  const hasFiles = Object.keys(app.spec.config).length > 0;
  return [
    ...(sidecar.enabled
      ? sidecarVolumes(snapshotName(ownerOf(app).name), snapshots.get(workloadKey(ownerOf(app))))
      : []),
    { name: TEMPORARY, emptyDir: {} },
    ...ownLogFolders(app).map(({ volume }) => ({ name: volume, emptyDir: { sizeLimit: "1Gi" } })),
    ...passing.map(([name]) => from(app, ["spec", "volumes", name], { name, emptyDir: {} })),
    ...(hasFiles ? [{ name: FILES, configMap: { name: filesName(ownerOf(app).name) } }] : []),
  ];
}

export function sidecarVolumes(name: string, snapshot?: Snapshot): readonly Tree[] {
  const buffers = Object.values(snapshot?.policy.pipelines ?? {}).reduce(
    (sum, pipeline) => sum + bufferBytes(pipeline),
    0,
  );
  return [
    { name: SNAPSHOT_VOLUME, configMap: { name } },
    { name: STATE_VOLUME, emptyDir: { sizeLimit: bytesQuantity(256 * MIB + buffers) } },
  ];
}

/**
 * What a pipeline's sinks may keep on disk at the most: above its limit a volume costs the pod. Also
 * of sinks that never do; a limit that is not reached costs nothing.
 */
function bufferBytes({ sinks }: PipelinePolicy): number {
  const all = Object.values(sinks);
  return all.reduce((sum, { buffer }) => {
    if (buffer?.disk !== undefined) return sum + buffer.disk;
    return all.length > 1 && buffer?.whenFull === undefined ? sum + OVERFLOW_BYTES : sum;
  }, 0);
}
