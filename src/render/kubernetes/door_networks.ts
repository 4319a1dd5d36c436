/** Hosts that only some networks may ask for at all: what a controller in front can know too. */
import type { AppDocument, Documents } from "../../api/document.ts";
import type { Origin } from "../../api/snapshot.ts";

export interface DoorNetworks {
  readonly networks: readonly string[];
  /** The `deny` that says so. */
  readonly origin: Origin;
}

/**
 * By host. Only where every way to it is closed by one `deny` without methods to the same networks:
 * a method or a path of its own is a thing that annotations cannot say. The gateway enforces all of
 * them in any case.
 */
export function doorNetworks({ apps, meshes }: Documents): ReadonlyMap<string, DoorNetworks> {
  const open = new Set(meshes.flatMap(({ spec }) => spec.routes.map(({ host }) => host)));
  const found = new Map<string, DoorNetworks>();
  for (const app of apps) {
    for (const [index, { host }] of app.spec.ingress.entries()) {
      const door = doorOf(app, index);
      const known = found.get(host);
      const same = known === undefined || door?.networks.join() === known.networks.join();
      if (door === null || !same) open.add(host);
      else found.set(host, known ?? door);
    }
  }
  for (const host of open) found.delete(host);
  return found;
}

function doorOf(app: AppDocument, index: number): DoorNetworks | null {
  const all = [...app.spec.ingress[index]!.deny.entries()];
  const whole = all.filter(([, { methods }]) => methods.length === 0);
  const [first] = whole;
  if (whole.length !== 1 || first === undefined) return null;
  const [nth, { notFrom }] = first;
  const origin = app.origin(["spec", "ingress", index, "deny", nth]);
  return notFrom.length === 0 ? null : { networks: [...notFrom].sort(), origin };
}

/** By ingress class: the annotation that lets only some networks in. */
const ANNOTATIONS: Readonly<Record<string, string>> = {
  nginx: "nginx.ingress.kubernetes.io/whitelist-source-range",
  "webapprouting.kubernetes.azure.com": "nginx.ingress.kubernetes.io/whitelist-source-range",
};

/** Null for a class of which none is known. */
export function networksAnnotation(ingressClass: string | null): string | null {
  return ingressClass === null ? null : (ANNOTATIONS[ingressClass] ?? null);
}
