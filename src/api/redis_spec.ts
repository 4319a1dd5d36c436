import type { Infer } from "../schema/field.ts";
import { map, object, text } from "../schema/field.ts";
import { LABEL_EXPECTED, LABEL_PATTERN } from "./names.ts";
import type { RedisBinding } from "./redis.ts";

/** The field `redis` of a Mesh: where the Redis servers are that rate limits are shared by. */

const DEFAULT_PORT = 6379;
/** The host, in brackets where it is an IPv6 address; a port; a database. */
const REDIS_URL = /^redis:\/\/(\[[0-9a-fA-F:.]+\]|[^\s/?#@:[\]]+)(?::(\d{1,5}))?(?:\/(\d{1,5})?)?$/;

const url = text({
  pattern: REDIS_URL,
  expected: 'a URL such as "redis://127.0.0.1:6379/0"',
  maxLength: 512,
  advise: (written) => {
    if (written.startsWith("rediss://")) {
      return "TLS to a Redis is missing, so nothing would protect what goes there";
    }
    if (/^redis:\/\/[^/]*@/.test(written)) {
      return "leave the user and the password out: they have fields of their own";
    }
    return written.includes("://") ? null : `write "redis://${written}"`;
  },
  check: (written) => {
    const port = Number(REDIS_URL.exec(written)![2] ?? DEFAULT_PORT);
    return port >= 1 && port <= 65_535 ? null : "a port is from 1 to 65535";
  },
});

const password = object({
  env: text({ pattern: /^[A-Za-z_][A-Za-z0-9_]*$/, expected: 'a variable name such as "REDIS_PW"' })
    .about("A variable in the environment of the sidecar; `up` hands its own on.")
    .example("REDIS_PASSWORD")
    .optional(),
  file: text({ pattern: /^\//, expected: "an absolute path", maxLength: 4096 })
    .about("A file that has nothing else in it; it is read again for each connection.")
    .example("/run/secrets/redis")
    .optional(),
}).check((value, report) => {
  const [first, second] = Object.keys(value);
  if (first === undefined) report("", "a password from nowhere", "add env: NAME or file: PATH");
  if (second !== undefined) report(second, "a password from two places", "keep one");
});

const server = object({
  url: url
    .about("Where it is; the last part is its database, 0 by default.")
    .example("redis://127.0.0.1:6379/0"),
  user: text({ maxLength: 256 }).about("As whom. The default user.").example("limits").optional(),
  password: password
    .about("Where its password is; a password itself does not belong in a file. None by default.")
    .example({ env: "REDIS_PASSWORD" })
    .optional(),
}).checkOf(["user", "password"], (value, report) => {
  if (value.user !== undefined && value.password === undefined) {
    report("user", "user without password", "add password: { env: NAME }");
  }
});

export const redis = map(server.about("One Redis."), {
  key: LABEL_PATTERN,
  keyExpected: LABEL_EXPECTED,
  max: 100,
});

export type RedisSpec = Infer<typeof server>;

export function redisBinding({ url, user, password }: RedisSpec): RedisBinding {
  const [, host = "", port, database] = REDIS_URL.exec(url)!;
  const { env, file } = password ?? {};
  const secret = env !== undefined ? { env } : file !== undefined ? { file } : undefined;
  return {
    host: host.replaceAll(/^\[|\]$/g, ""),
    port: Number(port ?? DEFAULT_PORT),
    database: Number(database ?? 0),
    ...(user === undefined ? {} : { user }),
    ...(secret === undefined ? {} : { password: secret }),
  };
}
