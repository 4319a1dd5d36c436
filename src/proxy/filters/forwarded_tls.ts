import { X_FORWARDED_CLIENT_CERT } from "../../codec/headers.ts";
import type { CertificateFacts, TlsState } from "../../base/world.ts";
import type { Stream } from "../stream.ts";
import type { FilterComponent } from "./filter.ts";

/**
 * For listeners that end TLS: says to the callee that the caller came by TLS, and, where the file
 * asks for it, whose certificate it showed. The header is Envoy's, with its members Hash, Subject,
 * URI and DNS.
 */
export const forwardedTls: FilterComponent = {
  name: "forwarded_tls",
  summary: "Tells the callee of the caller's TLS: X-Forwarded-Proto and X-Forwarded-Client-Cert.",
  status: "stable",
  security:
    "X-Forwarded-Client-Cert of the caller's own making never passes; the one that is written " +
    "holds only what the handshake proved.",
  create(config) {
    // Behind `forwarded`, which knows whom to believe, the scheme is written already.
    const tellsScheme = config["scheme"] === true;
    const tellsCertificate = config["clientCertificate"] === true;
    return {
      onRequestHeaders(stream) {
        const { headers } = stream.head;
        if (headers.has(X_FORWARDED_CLIENT_CERT)) headers.remove("x-forwarded-client-cert");
        if (tellsScheme) {
          headers.set("x-forwarded-proto", stream.tls === null ? "http" : "https");
        }
        if (tellsCertificate) tellCertificate(stream);
        return undefined;
      },
    };
  },
};

function tellCertificate({ head, tls }: Stream): void {
  if (tls === null || !tls.authorized) return;
  head.headers.append("x-forwarded-client-cert", headerOf(tls));
}

/** The same for all requests of a connection. */
const headersByState = new WeakMap<TlsState, string>();

function headerOf(tls: TlsState): string {
  let header = headersByState.get(tls);
  if (header === undefined) {
    header = describe(tls.peer()!);
    headersByState.set(tls, header);
  }
  return header;
}

function describe({ fingerprint, subject, subjectAltNames }: CertificateFacts): string {
  const members = [`Hash=${fingerprint}`, `Subject="${escaped(subject)}"`];
  for (const name of subjectAltNames) {
    const colon = name.indexOf(":");
    const [kind, value] = [name.slice(0, colon), name.slice(colon + 1)];
    if (kind === "URI" || kind === "DNS") members.push(`${kind}=${quotedWhereNeeded(value)}`);
  }
  return members.join(";");
}

function quotedWhereNeeded(value: string): string {
  return /[;,="\s]/.test(value) ? `"${escaped(value)}"` : escaped(value);
}

/** What a certificate holds may not end the header or a member of it. */
function escaped(value: string): string {
  return value
    .replaceAll(/["\\]/g, (mark) => `\\${mark}`)
    .replaceAll(/[^\x20-\x7e]+/gu, (others) => encodeURIComponent(others));
}
