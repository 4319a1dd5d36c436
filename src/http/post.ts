import { NetError, type TlsContext, type World } from "../base/world.ts";
import { HttpClient, HttpError } from "./client.ts";

export interface PostAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export interface PostOptions {
  /** Whom to trust over https://, and who we are; the system's roots without it. */
  readonly tls?: TlsContext;
  /** Of the whole exchange; 30 s without it. */
  readonly timeoutMs?: number;
}

/** POST to an http:// or https:// URL over kept connections. Rejects with HttpError where no answer comes. */
export function createPost(
  world: World,
): (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  options?: PostOptions,
) => Promise<PostAnswer> {
  const client = new HttpClient(world, { maxIdle: 4 });
  let systemRoots: TlsContext | null = null;
  return async (url, headers, body, options = {}) => {
    const { hostname, port, pathname, search, host, protocol } = new URL(url);
    if (protocol !== "http:" && protocol !== "https:") {
      throw new HttpError("connect", `${url}: only http:// and https:// are possible`);
    }
    const secure = protocol === "https:";
    const serverName = hostname.replace(/^\[(.*)\]$/, "$1");
    const context = secure ? (options.tls ?? (systemRoots ??= world.net.tlsContext({}))) : null;
    const known = port === "" ? (secure ? 443 : 80) : Number(port);
    const answer = await client.request({
      method: "POST",
      address: { host: await resolveHost(world, hostname), port: known },
      ...(context === null ? {} : { tls: { context, serverName, alpn: ["http/1.1"] } }),
      path: `${pathname}${search}`,
      host,
      headers,
      body,
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      maxBodyBytes: MAX_ANSWER_BYTES,
    });
    return {
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: Buffer.from(answer.body).toString(),
    };
  };
}

/** @throws HttpError "connect" where the name has no address. */
export async function resolveHost(world: World, hostname: string): Promise<string> {
  const bare = hostname.replace(/^\[(.*)\]$/, "$1");
  // No name ends in a number (URL Standard, 5.1), and none holds a colon.
  if (bare.includes(":") || /(?:^|\.)\d+$/.test(bare)) return bare;
  try {
    const [first] = await world.net.resolve(bare);
    if (first !== undefined) return first.address;
    throw new HttpError("connect", `${bare}: the name has no address`);
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    throw new HttpError("connect", `${bare}: ${error.message}`, error);
  }
}
