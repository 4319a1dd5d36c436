/** Where a Redis is, and as whom to ask it: a part of a Snapshot's bindings. */

/** @see `RedisBinding` in a Snapshot: `bindings.redis`, by the name that policies use. */
export interface RedisBinding {
  /** An IP address, or a name that DNS is asked for. */
  readonly host: string;
  readonly port: number;
  readonly database: number;
  /** Missing: the default user. */
  readonly user?: string;
  /** Missing: no password. It is read when a connection is made; it is never in a Snapshot. */
  readonly password?: SecretReference;
}

/** A variable of the sidecar's environment, or a file; a line break at its end does not count. */
export type SecretReference = { readonly env: string } | { readonly file: string };
