/** TLS to callees: what a call asks for is policy, the files that it names are bindings. */
import { resolve } from "node:path";
import type { CallTls } from "../api/call_tls_spec.ts";
import type { AppDocument } from "../api/document.ts";
import type { ClusterTlsBinding, ClusterTlsPolicy } from "../api/snapshot.ts";
import type { Draft } from "./draft.ts";

/** @param name what the callee is called where the call does not say */
export function clusterTls(spec: CallTls, name: string): ClusterTlsPolicy {
  return {
    serverName: spec.serverName ?? name,
    minVersion: spec.minVersion === "1.3" ? "1.3" : "1.2",
  };
}

export function tlsFiles(spec: CallTls, folder: string): ClusterTlsBinding {
  const { ca, certificate, key } = spec;
  const client =
    certificate === undefined || key === undefined
      ? null
      : { certificate: resolve(folder, certificate), key: resolve(folder, key) };
  return { ca: ca === undefined ? null : resolve(folder, ca), client };
}

export function noteClusterTls(draft: Draft, app: AppDocument, name: string): void {
  const path = ["spec", "calls", name, "tls"];
  const policy = ["policy", "clusters", name, "tls"];
  draft.note(policy, app, path);
  draft.noteMembers(policy, app, path, [
    ["serverName", "serverName"],
    ["minVersion", "minVersion"],
  ]);
  const binding = ["bindings", "clusters", name, "tls"];
  draft.note(binding, app, path);
  draft.noteMembers(binding, app, path, [
    ["ca", "ca"],
    ["client", "certificate"],
    ["client.certificate", "certificate"],
    ["client.key", "key"],
  ]);
}
