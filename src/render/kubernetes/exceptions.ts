/** Where files ask for less than the default: to be looked through, and to be shown to who audits. */
import type { AppDocument } from "../../api/document.ts";
import type { Origin } from "../../api/snapshot.ts";
import { workloadKey } from "../../api/site.ts";
import type { Path } from "../../schema/node.ts";

export interface Exception {
  /** `namespace/name` of the App. */
  readonly app: string;
  /** What a program may do, what comes past a sidecar, or a changed object. */
  readonly kind: "security" | "network" | "override";
  /** One clause: `container nginx runs as root`. */
  readonly what: string;
  /** Only overrides have one in their file. */
  readonly reason: string | null;
  readonly origin: Origin;
}

/** In the order of the files. */
export function exceptionsOf(apps: readonly AppDocument[]): readonly Exception[] {
  return apps.flatMap((app) => {
    const found: Exception[] = [];
    const add: Add = (kind, path, what, reason = null) => {
      found.push({ app: workloadKey(app), kind, what, reason, origin: app.origin(["spec", ...path]) });
    };
    programs(app, add);
    ways(app, add);
    for (const [index, { kind, name = app.name, reason }] of app.spec.overrides.entries()) {
      add("override", ["overrides", index], `${kind} ${name} is changed`, reason);
    }
    return found;
  });
}

type Add = (kind: Exception["kind"], path: Path, what: string, reason?: string | null) => void;

interface Wishes {
  readonly user?: number | undefined;
  readonly writable: boolean;
  readonly capabilities: readonly string[];
}

function programs({ spec }: AppDocument, add: Add): void {
  const all: [readonly string[], string, Wishes][] = [
    [["container"], "the app", spec.container],
    ...Object.entries(spec.containers).map(([name, one]): [readonly string[], string, Wishes] => {
      return [["containers", name], `container ${name}`, one];
    }),
  ];
  for (const [path, who, { user, writable, capabilities }] of all) {
    if (user === 0) add("security", [...path, "user"], `${who} runs as root`);
    if (writable) add("security", [...path, "writable"], `${who} may write to its root file system`);
    for (const [index, one] of capabilities.entries()) {
      add("security", [...path, "capabilities", index], `${who} has the capability ${one}`);
    }
  }
  if (spec.serviceAccount.token) {
    add("security", ["serviceAccount", "token"], "its pods have a token to talk with Kubernetes");
  }
}

function ways({ spec }: AppDocument, add: Add): void {
  if (!spec.sidecar.enabled) {
    add("network", ["sidecar", "enabled"], "no sidecar: none of its traffic has a policy");
  }
  for (const [index, { port, from }] of spec.bypass.entries()) {
    const who = from.length === 0 ? "its own pods" : from.join(", ");
    add("network", ["bypass", index], `port ${port} is reached past the sidecar, by ${who}`);
  }
  for (const [name, { host, port, networks }] of Object.entries(spec.dependencies)) {
    const isAddress = /^[0-9.]+$/.test(host) || host.includes(":");
    if (networks !== undefined || isAddress) continue;
    add("network", ["dependencies", name], `port ${port} of any address is open to it, for ${name}`);
  }
}
