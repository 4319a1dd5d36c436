import { createPrivateKey, X509Certificate } from "node:crypto";
import { TlsError } from "./world.ts";
import type { CertificateFacts, TlsIdentity } from "./world.ts";

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/**
 * The texts of an identity, read and compared. Null where there is no certificate among them.
 * @throws TlsError `bad-identity` that says which text is no good, and why.
 */
export function readIdentity(identity: TlsIdentity): CertificateFacts | null {
  const { certificate, key, ca } = identity;
  if (ca !== undefined) readCertificates("the CA", ca);
  if ((certificate === undefined) !== (key === undefined)) {
    const there = certificate === undefined ? "key" : "certificate";
    throw bad(`a ${there} without its ${there === "key" ? "certificate" : "key"}`);
  }
  if (certificate === undefined || key === undefined) return null;
  const leaf = readCertificates("the certificate", certificate)[0]!;
  if (!leaf.checkPrivateKey(readKey(key))) {
    throw bad(`the key is not that of the certificate (${oneLine(leaf.subject) || "no subject"})`);
  }
  return certificateFacts(leaf);
}

/** @throws TlsError where `pem` holds no certificate, or one that is broken. */
export function readCertificates(what: string, pem: string): X509Certificate[] {
  const blocks = [...pem.matchAll(BLOCK)].filter(([, kind]) => kind === "CERTIFICATE");
  if (blocks.length === 0) {
    throw bad(`${what} has no PEM block "BEGIN CERTIFICATE"${heldInstead(pem)}`);
  }
  return blocks.map(([block], index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw bad(`${what} is broken: PEM block ${index + 1} is no X.509 certificate`);
    }
  });
}

function readKey(pem: string): ReturnType<typeof createPrivateKey> {
  if (!pem.includes("PRIVATE KEY-----")) {
    throw bad(`the key has no PEM block "BEGIN PRIVATE KEY"${heldInstead(pem)}`);
  }
  if (/BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    throw bad("the key is encrypted; it is to have no pass phrase (openssl pkey -in FILE)");
  }
  try {
    return createPrivateKey(pem);
  } catch {
    throw bad("the key is broken: its PEM block is no private key");
  }
}

function heldInstead(pem: string): string {
  const found = pem.match(/-----BEGIN ([A-Z0-9 ]+)-----/)?.[1];
  if (found !== undefined) return `, but one "BEGIN ${found}"`;
  return pem.trim() === "" ? ": it is empty" : "";
}

function bad(text: string): TlsError {
  return new TlsError("bad-identity", text);
}

export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    subjectAltNames: splitNames(certificate.subjectAltName),
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
    fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    serialNumber: certificate.serialNumber.toUpperCase(),
    pem: certificate.toString(),
  };
}

/** A part a line, as OpenSSL prints it, becomes `CN=shop,O=Example`. */
function oneLine(name: string | undefined): string {
  return (name ?? "").trim().replaceAll("\n", ",");
}

/** `DNS:a, URI:b`; a name with a comma or a quote in it is a JSON text (Node, CVE-2021-44532). */
function splitNames(text: string | undefined): string[] {
  const names: string[] = [];
  const parts = (text ?? "").matchAll(/([^:,]+):(?:"((?:[^"\\]|\\.)*)"|([^,]*))(?:, |$)/g);
  for (const [, kind, quoted, plain] of parts) {
    const name = quoted === undefined ? plain! : (JSON.parse(`"${quoted}"`) as string);
    names.push(`${kind}:${name}`);
  }
  return names;
}
