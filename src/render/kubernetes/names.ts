/** Names and ports that the objects of one App share. */
import { sha256Hex } from "../../base/hash.ts";

/** Where a sidecar listens in front of its app; the Service's target. */
export const INBOUND_PORT = 15006;
/** Ready, live and metrics of a sidecar. */
export const ADMIN_PORT = 15020;
/** Where the gateway listens in its pod. */
export const GATEWAY_PORT = 8080;

export const SIDECAR_CONTAINER = "outrigger";
export const APP_CONTAINER = "app";

/** Folder of the Snapshot that a ConfigMap brings. */
export const SNAPSHOT_FOLDER = "/etc/outrigger";
export const SNAPSHOT_FILE = "snapshot.json";
/** Folder of the admin socket and of what a sidecar keeps while its pod lives. */
export const STATE_FOLDER = "/run/outrigger";

/** Longest name of an object that becomes a label (RFC 1123). */
const MAX_NAME = 63;

/** `NAME-SUFFIX`, where need be with a shortened name that its hash keeps apart. */
export function derivedName(name: string, suffix: string): string {
  const whole = `${name}-${suffix}`;
  if (whole.length <= MAX_NAME) return whole;
  const kept = name.slice(0, MAX_NAME - suffix.length - 8).replace(/-+$/, "");
  return `${kept}-${sha256Hex(name).slice(0, 6)}-${suffix}`;
}

/** The name, where need be shortened, with its hash to tell it apart. */
export function boundedName(name: string): string {
  if (name.length <= MAX_NAME) return name;
  return `${name.slice(0, MAX_NAME - 7).replace(/-+$/, "")}-${sha256Hex(name).slice(0, 6)}`;
}

export const NAME_LABEL = "app.kubernetes.io/name";
export const MANAGED_LABEL = "app.kubernetes.io/managed-by";
export const NAMESPACE_LABEL = "kubernetes.io/metadata.name";
