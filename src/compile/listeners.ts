import type { AppSpec } from "../api/app.ts";
import type { AppDocument } from "../api/document.ts";
import type { ListenerPolicy, ListenerTlsPolicy, RoutePolicy } from "../api/snapshot.ts";
import type { Draft } from "./draft.ts";

/** A listener with the sidecar's settings. */
export function listenerPolicy(
  direction: ListenerPolicy["direction"],
  routes: readonly RoutePolicy[],
  sidecar: AppSpec["sidecar"],
  secured: { readonly tls?: ListenerTlsPolicy } = {},
): ListenerPolicy {
  // What an app calls comes from the app itself.
  const comesIn = direction !== "outbound";
  return {
    direction,
    protocol: "http",
    routes,
    maxConnections: sidecar.maxConnections,
    maxHeaderBytes: sidecar.maxHeaderBytes,
    maxHeaders: sidecar.maxHeaders,
    ...(sidecar.maxBody === undefined ? {} : { maxBodyBytes: sidecar.maxBody }),
    headerTimeoutMs: sidecar.headerTimeout,
    idleTimeoutMs: sidecar.idleTimeout,
    bodyTimeoutMs: sidecar.bodyTimeout,
    ...(comesIn && sidecar.trustedHops.length > 0 ? { trustedHops: sidecar.trustedHops } : {}),
    ...secured,
  };
}

/** Notes where an App's listener got its figures from. */
export function noteListener(draft: Draft, app: AppDocument, name: string): void {
  const at = ["policy", "listeners", name];
  draft.note([...at, "protocol"], app, ["spec", "protocol"]);
  draft.noteMembers(at, app, ["spec", "sidecar"], [
    ["maxConnections", "maxConnections"],
    ["maxHeaderBytes", "maxHeaderBytes"],
    ["maxHeaders", "maxHeaders"],
    ["maxBodyBytes", "maxBody"],
    ["headerTimeoutMs", "headerTimeout"],
    ["idleTimeoutMs", "idleTimeout"],
    ["bodyTimeoutMs", "bodyTimeout"],
    ["trustedHops", "trustedHops"],
  ]);
}
