/** Who talks with whom, looked up once for all Apps of a rendering. */
import type { AppDocument } from "../../api/document.ts";
import { parseAppReference } from "../../api/names.ts";
import { workloadKey } from "../../api/site.ts";
import { type BoundPeer, boundPeers } from "./bound_peers.ts";
import type { Rendering } from "./rendering.ts";

export interface Ways {
  /** By `namespace/name`. */
  readonly apps: ReadonlyMap<string, AppDocument>;
  /** Declared calls that lead to an App, by its key. */
  readonly callers: ReadonlyMap<string, readonly { caller: AppDocument; call: string }[]>;
  /** What a sidecar talks with besides, by the key of its App. */
  readonly peers: ReadonlyMap<string, readonly BoundPeer[]>;
  /** The other end of that, by the key of the App that is talked with. */
  readonly boundCallers: ReadonlyMap<string, readonly { caller: AppDocument; peer: BoundPeer }[]>;
  /** Ports past a sidecar that an App's pods may go to, by its key. */
  readonly bypassing: ReadonlyMap<string, readonly { app: AppDocument; index: number }[]>;
}

const KNOWN = new WeakMap<Rendering, Ways>();

export function waysOf(rendering: Rendering): Ways {
  const known = KNOWN.get(rendering) ?? find(rendering);
  KNOWN.set(rendering, known);
  return known;
}

function find(rendering: Rendering): Ways {
  const { apps } = rendering.documents;
  const callers = new Map<string, { caller: AppDocument; call: string }[]>();
  const peers = new Map<string, readonly BoundPeer[]>();
  const boundCallers = new Map<string, { caller: AppDocument; peer: BoundPeer }[]>();
  const bypassing = new Map<string, { app: AppDocument; index: number }[]>();
  for (const app of apps) {
    const key = workloadKey(app);
    for (const call of Object.keys(app.spec.calls)) {
      const callee = calledApp(app, call);
      if (callee !== null) push(callers, callee, { caller: app, call });
    }
    const snapshot = rendering.snapshots.get(key);
    const found =
      snapshot === undefined ? [] : boundPeers(rendering, snapshot, Object.keys(app.spec.calls));
    peers.set(key, found);
    for (const peer of found) {
      if (peer.app !== null) push(boundCallers, workloadKey(peer.app), { caller: app, peer });
    }
    for (const [index, one] of app.spec.bypass.entries()) {
      for (const guest of guestsOf(app, one)) push(bypassing, guest, { app, index });
    }
  }
  const byKey = new Map(apps.map((app) => [workloadKey(app), app]));
  return { apps: byKey, callers, peers, boundCallers, bypassing };
}

function push<T>(map: Map<string, T[]>, key: string, item: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [item]);
  else list.push(item);
}

/** The key of the App that a call leads to; null where it leads outside. */
export function calledApp(app: AppDocument, name: string): string | null {
  const call = app.spec.calls[name]!;
  if (call.host !== undefined || call.endpoints !== undefined) return null;
  return workloadKey(parseAppReference(call.app ?? name, app.namespace));
}

/** Keys of who may come to a port past the sidecar: those that it names, else the App itself. */
export function guestsOf(
  app: AppDocument,
  { from }: AppDocument["spec"]["bypass"][number],
): readonly string[] {
  if (from.length === 0) return [workloadKey(app)];
  return from.map((one) => workloadKey(parseAppReference(one, app.namespace)));
}
