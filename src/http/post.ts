import { NetError, type World } from "../base/world.ts";
import { HttpClient, HttpError } from "./client.ts";

export interface PostAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** POST to an http:// URL over kept connections. Rejects with HttpError where no answer comes. */
export function createPost(
  world: World,
): (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
) => Promise<PostAnswer> {
  const client = new HttpClient(world, { maxIdle: 4 });
  return async (url, headers, body) => {
    const { hostname, port, pathname, search, host, protocol } = new URL(url);
    if (protocol !== "http:") throw new HttpError("connect", `${url}: only http:// is possible`);
    const answer = await client.request({
      method: "POST",
      address: { host: await resolveHost(world, hostname), port: port === "" ? 80 : Number(port) },
      path: `${pathname}${search}`,
      host,
      headers,
      body,
      timeoutMs: TIMEOUT_MS,
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
