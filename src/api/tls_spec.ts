import { basename, dirname } from "node:path";
import type { Infer } from "../schema/field.ts";
import { boolean, choice, duration, list, object, text } from "../schema/field.ts";
import { LABEL_EXPECTED, LABEL_PATTERN } from "./names.ts";
import type { ListenerTlsPolicy } from "./snapshot.ts";

/** The field `tls` of an App and of the Mesh's gateway: where TLS ends, by which certificates. */

export function pemFile(what: string) {
  return text({ expected: 'a path such as "certs/shop.pem"', maxLength: 4096 }).about(what);
}

export function tlsVersion(what: string) {
  return text({
    scalars: true,
    pattern: /^1\.[23]$/,
    expected: '"1.2" or "1.3"',
    advise: (written) => (/^1\.[01]$/.test(written) ? "older ones are broken (RFC 8996)" : null),
  })
    .about(what)
    .default("1.2")
    .example("1.3");
}

const certificate = object({
  certificate: pemFile(
    "A PEM file: the certificate first, then its intermediates. From the folder of this file.",
  ).example("certs/shop.pem"),
  key: pemFile("A PEM file: the certificate's private key, without a pass phrase.").example(
    "certs/shop.key",
  ),
  name: text({ pattern: LABEL_PATTERN, expected: LABEL_EXPECTED })
    .about(
      "What metrics and logs call it. By default the file's name without its ending, or that of " +
        "its folder where the file is called `tls`, `cert`, `fullchain` or the like.",
    )
    .example("shop")
    .optional(),
});

export const tls = object({
  certificates: list(certificate, { min: 1, max: 1000 })
    .about(
      "Certificates with their keys. A caller is shown the one that is for the name that it asks " +
        "for (SNI; a `*.example.com` in it is any one label), else the first. A file that changes " +
        "is read again; one that is broken is reported, and what was in force stays so.",
    )
    .example([{ certificate: "certs/shop.pem", key: "certs/shop.key" }]),
  minVersion: tlsVersion(
    "The oldest version of TLS that is taken, 1.2 or 1.3. 1.2: nearly all callers have it.",
  ),
  clientCertificate: choice(["none", "request", "require"])
    .about(
      "The caller's own certificate: `require` lets nobody in without a good one, `request` takes " +
        "callers that show none, and refuses bad ones too.",
    )
    .default("none")
    .example("require"),
  clientCa: pemFile("A PEM file: who signs callers' certificates. With `clientCertificate`.")
    .example("certs/clients.pem")
    .optional(),
  forwardClientCertificate: boolean()
    .about(
      "Tells the app whose certificate the caller showed: X-Forwarded-Client-Cert, in Envoy's " +
        "form. What callers write there themselves is left out in any case.",
    )
    .default(false),
  handshakeTimeout: duration({ min: "100ms", max: "10m" })
    .about("How long a handshake may take. 10s: what is slower holds connections.")
    .default("10s"),
})
  .checkOf(["clientCertificate", "clientCa"], (value, report) => {
    const asks = value.clientCertificate !== "none";
    if (asks && value.clientCa === undefined) {
      const advice = "add clientCa: the file of who signs them";
      report("clientCertificate", "client certificates that nobody has signed", advice);
    }
    if (!asks && value.clientCa !== undefined) {
      const advice = "add clientCertificate: require, or request";
      report("clientCa", "clientCa, but no certificate is asked for", advice);
    }
  })
  .checkOf(["forwardClientCertificate", "clientCertificate"], (value, report) => {
    if (value.forwardClientCertificate && value.clientCertificate === "none") {
      const message = "forwardClientCertificate, but no certificate is asked for";
      report("forwardClientCertificate", message, "add clientCertificate: require, or request");
    }
  })
  .checkOf(["certificates"], (value, report) => {
    const first = new Map<string, number>();
    for (const [index, one] of value.certificates.entries()) {
      const name = certificateName(one);
      const other = first.get(name);
      first.set(name, other ?? index);
      if (other === undefined) continue;
      const message = `certificates: two are called ${name}, [${other}] and [${index}]`;
      report(["certificates", index], message, "give this one a name: ...");
    }
  });

export type Tls = Infer<typeof tls>;
export type TlsCertificate = Tls["certificates"][number];

/** File names that say nothing: certbot's, and those of Kubernetes' Secrets. */
const PLAIN_NAMES = new Set(["cert", "certificate", "chain", "fullchain", "server", "tls"]);

export function certificateName({ name, certificate: path }: TlsCertificate): string {
  if (name !== undefined) return name;
  const stem = basename(path).replace(/\.[^.]+$/, "");
  const folder = basename(dirname(path));
  const said = PLAIN_NAMES.has(stem) && folder !== "" && folder !== "." ? folder : stem;
  const label = said
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 63);
  return label === "" ? "certificate" : label;
}

export function tlsPolicy(spec: Tls): ListenerTlsPolicy {
  return {
    certificates: spec.certificates.map(certificateName),
    minVersion: spec.minVersion === "1.3" ? "1.3" : "1.2",
    clientCertificate: spec.clientCertificate,
    handshakeTimeoutMs: spec.handshakeTimeout,
  };
}
