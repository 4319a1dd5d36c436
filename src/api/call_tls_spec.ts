import type { Infer } from "../schema/field.ts";
import { object, text } from "../schema/field.ts";
import { pemFile, tlsVersion } from "./tls_spec.ts";

/** The field `tls` of a call: connections to the callee go by TLS. */
export const callTls = object({
  ca: pemFile(
    "A PEM file: who signs the callee's certificate. From the folder of this file. By default " +
      "whom the system trusts.",
  )
    .example("certs/ca.pem")
    .optional(),
  serverName: text({ maxLength: 253, expected: "a host name or an IP address" })
    .about(
      "The name that the callee's certificate must be for; it is sent too (SNI). By default " +
        "`host`, or the App's name.",
    )
    .example("api.shop.example")
    .optional(),
  certificate: pemFile("A PEM file: what is shown to a callee that asks for a certificate.")
    .example("certs/front.pem")
    .optional(),
  key: pemFile("A PEM file: the private key of `certificate`, without a pass phrase.")
    .example("certs/front.key")
    .optional(),
  minVersion: tlsVersion("The oldest version of TLS that is spoken, 1.2 or 1.3."),
}).checkOf(["certificate", "key"], (value, report) => {
  if (value.certificate !== undefined && value.key === undefined) {
    report("certificate", "certificate without key", "add key: its private key");
  }
  if (value.key !== undefined && value.certificate === undefined) {
    report("key", "key without certificate", "add certificate: whose key it is");
  }
});

export type CallTls = Infer<typeof callTls>;
