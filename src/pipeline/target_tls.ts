import { resolve } from "node:path";
import type { TlsContext } from "../base/world.ts";
import { object, text } from "../schema/field.ts";
import type { Infer } from "../schema/field.ts";
import type { SinkContext } from "./component.ts";

/** For sinks that speak TLS: whom we trust, and who we are. */
export const targetTlsField = object({
  ca: text().about("PEM file: who may sign the server's certificate.").optional(),
  certificate: text().about("PEM file of our certificate, with `key`.").optional(),
  key: text().about("PEM file of its private key.").optional(),
});

export type TargetTls = Infer<typeof targetTlsField>;

/** Null where nothing is configured. @throws FileError or TlsError for a missing or wrong file. */
export function readTargetTls(tls: TargetTls, context: SinkContext): TlsContext | null {
  const { ca, certificate, key } = tls;
  if (ca === undefined && certificate === undefined && key === undefined) return null;
  const { world, folder } = context;
  const read = (path: string): string => world.files.readText(resolve(folder, path));
  return world.net.tlsContext({
    ...(ca === undefined ? {} : { ca: read(ca) }),
    ...(certificate === undefined ? {} : { certificate: read(certificate) }),
    ...(key === undefined ? {} : { key: read(key) }),
  });
}
