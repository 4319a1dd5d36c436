import type { AppDocument } from "../../api/document.ts";
import { sidecarTuning } from "../../api/annotations.ts";
import type { Path } from "../../schema/node.ts";
import { ADMIN_PORT, SIDECAR_CONTAINER, SNAPSHOT_FILE, SNAPSHOT_FOLDER, STATE_FOLDER } from "./names.ts";
import { leaveHook } from "./leave_hook.ts";
import { resourcesOf, SIDECAR_RESOURCES } from "./quantities.ts";
import { sidecarSecurity } from "./security.ts";
import { because, type Tree } from "./sourced.ts";
import type { Target } from "./target.ts";

export const STATE_VOLUME = "outrigger-state";
export const SNAPSHOT_VOLUME = "outrigger-snapshot";

export interface SidecarWishes {
  readonly target: Target;
  readonly image: string;
  /** Whose field tunes it; null for the gateway. */
  readonly app: AppDocument | null;
  /** Where it listens besides the admin port. */
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  /** Folders of the app that it reads logs from: the volume's name and the path. */
  readonly logs: readonly { readonly volume: string; readonly path: string }[];
}

/** By annotation, else by field, else as measured. */
function resources(app: AppDocument | null): Tree {
  const tuned = sidecarTuning(app?.annotations ?? {});
  const wanted = {
    ...app?.spec.sidecar.resources,
    ...(tuned.cpu === undefined ? {} : { cpu: tuned.cpu.value }),
    ...(tuned.memory === undefined ? {} : { memory: tuned.memory.value }),
  };
  const pathOf = (field: "cpu" | "memory"): Path => {
    const annotation = tuned[field]?.annotation;
    return annotation === undefined
      ? ["spec", "sidecar", "resources", field]
      : ["metadata", "annotations", annotation];
  };
  return resourcesOf(app, pathOf, wanted, SIDECAR_RESOURCES);
}

/** The container that runs a Snapshot: beside an app, or alone as the gateway. */
export function sidecarContainer(wishes: SidecarWishes, standsAlone = false): Tree {
  const { target, image, app, ports, logs } = wishes;
  const native = app !== null && isNative(app);
  return {
    name: SIDECAR_CONTAINER,
    image,
    args: [
      "sidecar",
      "--snapshot",
      `${SNAPSHOT_FOLDER}/${SNAPSHOT_FILE}`,
      "--state",
      STATE_FOLDER,
      "--watch",
    ],
    restartPolicy: native
      ? because("starts before the app, ends after it, and lets a job end", "Always")
      : undefined,
    ports: [
      ...ports.map(({ name, port }) => ({ name, containerPort: port, protocol: "TCP" })),
      { name: "admin", containerPort: ADMIN_PORT, protocol: "TCP" },
    ],
    startupProbe: {
      ...readyProbe,
      periodSeconds: 1,
      failureThreshold: because("a bound: the app waits for the sidecar at most so many seconds", 60),
    },
    readinessProbe: standsAlone ? { ...readyProbe, periodSeconds: 5 } : undefined,
    livenessProbe: {
      httpGet: { path: "/live", port: "admin" },
      periodSeconds: 5,
      timeoutSeconds: 2,
      failureThreshold: because("restarted long before the app would be", 3),
    },
    lifecycle: standsAlone ? leaveHook(target) : native ? undefined : waitHook(),
    resources: resources(app),
    securityContext: sidecarSecurity(target),
    volumeMounts: [
      { name: SNAPSHOT_VOLUME, mountPath: SNAPSHOT_FOLDER, readOnly: true },
      { name: STATE_VOLUME, mountPath: STATE_FOLDER },
      ...logs.map(({ volume, path }) => ({ name: volume, mountPath: path, readOnly: true })),
    ],
  };
}

/** Whether the kubelet starts it before the app and ends it after. */
export function isNative({ spec }: AppDocument): boolean {
  return spec.sidecar.native;
}

/** The kubelet starts a pod's containers in order, each when the hook of the one before has ended. */
function waitHook(): Tree {
  const command = ["/outrigger", "wait", `http://127.0.0.1:${ADMIN_PORT}/ready`, "--timeout", "1m"];
  return { postStart: { exec: { command: because("the app starts when the sidecar is ready", command) } } };
}

const readyProbe = { httpGet: { path: "/ready", port: "admin" }, timeoutSeconds: 2 };
