/** Where callers' TLS ends: the policy of a listener, and the files that it reads. */
import { resolve } from "node:path";
import type { AnyDocument } from "../api/document.ts";
import type { ListenerTlsBinding, ListenerTlsPolicy } from "../api/snapshot.ts";
import { certificateName, type Tls, tlsPolicy } from "../api/tls_spec.ts";
import type { Path } from "../schema/node.ts";
import type { Draft } from "./draft.ts";
import type { Segment } from "./pointer.ts";

/** Gives a listener its certificates; what it returns belongs to the listener's policy. */
export function addTls(
  draft: Draft,
  listener: string,
  spec: Tls | undefined,
  from: { readonly document: AnyDocument; readonly path: Path; readonly folder: string },
): { readonly tls?: ListenerTlsPolicy } {
  if (spec === undefined) return {};
  const { document, path, folder } = from;
  draft.addTls(listener, tlsBinding(spec, folder));
  const at: readonly Segment[] = ["policy", "listeners", listener, "tls"];
  draft.note(at, document, path);
  draft.noteMembers(at, document, path, [
    ["certificates", "certificates"],
    ["minVersion", "minVersion"],
    ["clientCertificate", "clientCertificate"],
    ["handshakeTimeoutMs", "handshakeTimeout"],
  ]);
  const bound = ["bindings", "tls", listener];
  draft.note(bound, document, path);
  draft.note([...bound, "clientCa"], document, [...path, "clientCa"]);
  for (const [index, one] of spec.certificates.entries()) {
    const where = [...path, "certificates", index];
    const files = [...bound, "certificates", certificateName(one)];
    draft.note(files, document, where);
    draft.noteMembers(files, document, where, [
      ["certificate", "certificate"],
      ["key", "key"],
    ]);
  }
  return { tls: tlsPolicy(spec) };
}

function tlsBinding(spec: Tls, folder: string): ListenerTlsBinding {
  const certificates = spec.certificates.map((one) => {
    const files = {
      certificate: resolve(folder, one.certificate),
      key: resolve(folder, one.key),
    };
    return [certificateName(one), files] as const;
  });
  return {
    certificates: Object.fromEntries(certificates),
    clientCa: spec.clientCa === undefined ? null : resolve(folder, spec.clientCa),
  };
}
