/** What sinks that post to a server have in common: where it is, who we are, whom we trust. */
import { resolve } from "node:path";
import { Failure } from "../base/failure.ts";
import { gzip } from "../base/gzip.ts";
import type { TlsContext } from "../base/world.ts";
import { choice, map, object, oneOf, text } from "../schema/field.ts";
import type { Infer } from "../schema/field.ts";
import type { HttpAnswer, SinkContext } from "./component.ts";
import { readTargetTls, targetTlsField } from "./target_tls.ts";

const secret = object({
  env: text({ pattern: /^[A-Za-z_][A-Za-z0-9_]*$/, expected: 'a variable name such as "TOKEN"' })
    .about("A variable of the program's environment.")
    .optional(),
  file: text({ maxLength: 4096 })
    .about("A file that has nothing else in it; read again for each request.")
    .optional(),
}).check((value, report) => {
  const count = Object.keys(value).length;
  if (count !== 1) report("", "a secret comes from one place", "write env: NAME or file: PATH");
});

/** For the config of a sink: spread it into its object. */
export const targetFields = {
  headers: map(oneOf(text(), secret), { max: 20 })
    .about("Sent with each request; what is secret comes from `env` or `file`. Never shown.")
    .example({ authorization: { env: "SEARCH_AUTHORIZATION" } })
    .default({}),
  compress: choice(["none", "gzip"]).about("Of each request's body.").default("none"),
  tls: targetTlsField
    .about("For https://. Without `ca` the system's roots are trusted. Read at the start.")
    .default({}),
};

const shape = object(targetFields);
export type TargetSettings = Infer<typeof shape>;

export const HTTP_URL = /^https?:\/\/[^\s?#@]+$/;

/** Posts bodies to one server. */
export class HttpTarget {
  #settings: TargetSettings;
  #context: SinkContext;
  #timeoutMs: number;
  #tls: TlsContext | null;

  /**
   * @throws Failure `missing-part` where the program has no HTTP client; FileError or TlsError
   *   where a file of `tls` is missing or wrong.
   */
  constructor(settings: TargetSettings, timeoutMs: number, context: SinkContext) {
    if (context.post === null) {
      const { name } = context;
      throw new Failure("missing-part", `the sink ${name} needs an HTTP client, and there is none`);
    }
    this.#settings = settings;
    this.#timeoutMs = timeoutMs;
    this.#context = context;
    this.#tls = readTargetTls(settings.tls, context);
  }

  /** @throws FileError or Error where a secret cannot be read: it is then tried again. */
  async post(url: string, contentType: string, body: Uint8Array): Promise<HttpAnswer> {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.#settings.headers)) {
      headers[name.toLowerCase()] = typeof value === "string" ? value : this.#secret(name, value);
    }
    headers["content-type"] = contentType;
    const zipped = this.#settings.compress === "gzip";
    if (zipped) headers["content-encoding"] = "gzip";
    const options = { timeoutMs: this.#timeoutMs, ...(this.#tls === null ? {} : { tls: this.#tls }) };
    return this.#context.post!(url, headers, zipped ? gzip(body) : body, options);
  }

  #secret(header: string, { env, file }: Infer<typeof secret>): string {
    const { world, folder } = this.#context;
    if (file !== undefined) return world.files.readText(resolve(folder, file)).replace(/\r?\n$/, "");
    const value = world.processes.self.env[env!];
    if (value === undefined) throw new Error(`the header ${header}: ${env} is not set`);
    return value;
  }
}

/** `Retry-After` in milliseconds (RFC 9110, 10.2.3), or undefined. */
export function retryAfterMs({ headers }: HttpAnswer, wallMs: number): number | undefined {
  const written = headers["retry-after"];
  if (written === undefined) return undefined;
  if (/^\d{1,9}$/.test(written)) return Number(written) * 1000;
  const at = Date.parse(written);
  return Number.isNaN(at) ? undefined : Math.max(0, at - wallMs);
}
