import { parseAddress } from "../../base/ip_address.ts";
import type { SocketAddress } from "../../base/world.ts";
import { text } from "../../schema/field.ts";
import type { Field } from "../../schema/field.ts";

/** `tcp://127.0.0.1:5514`, read. */
export interface ListenAddress<S extends string> {
  readonly scheme: S;
  readonly address: SocketAddress;
  /** As it was written, for people. */
  readonly written: string;
}

const NETWORK = /^([a-z]+):\/\/(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]]*))?:(\d{1,5})$/;
const UNIX = /^unix:(?:(?:\/\/)?(\/.+)|([^/].*))$/;
/** A path has to fit into `sockaddr_un`. */
const MAX_PATH_BYTES = 107;

/**
 * Where a source listens: `SCHEME://HOST:PORT`, `unix:///PATH`, or `unix:PATH` below the folder of
 * the Pipeline file. Without a host it is the loopback address; any other has to be written out.
 */
export function listenField<const S extends string>(
  schemes: readonly S[],
  example: string,
): Field<string> {
  const expected = `where to listen, such as "${example}"`;
  return text({ expected, check: (written) => listenProblem(written, schemes) });
}

/** @throws Error for what `listenField` refuses: a bug. */
export function readListen<const S extends string>(
  written: string,
  schemes: readonly S[],
): ListenAddress<S> {
  const read = parse(written, schemes);
  if (typeof read === "string") throw new Error(`bug: ${written}: ${read}`);
  return read;
}

function listenProblem(written: string, schemes: readonly string[]): string | null {
  const read = parse(written, schemes);
  return typeof read === "string" ? read : null;
}

function parse<S extends string>(
  written: string,
  schemes: readonly S[],
): ListenAddress<S> | string {
  const known = (scheme: string): scheme is S => (schemes as readonly string[]).includes(scheme);
  const unix = UNIX.exec(written);
  if (unix !== null && known("unix")) {
    const path = unix[1] ?? unix[2]!;
    if (Buffer.byteLength(path) > MAX_PATH_BYTES) return "the path of a socket is 107 bytes at most";
    return { scheme: "unix" as S, address: { path }, written };
  }
  const network = NETWORK.exec(written);
  if (network === null || !known(network[1]!) || network[1] === "unix") {
    return `expected one of ${schemes.map((scheme) => `${scheme}:`).join(", ")} and host and port`;
  }
  const [, scheme, six, four, digits] = network;
  const port = Number(digits);
  if (port > 65_535) return `${port} is no port`;
  const host = six ?? (four === "" || four === undefined ? "127.0.0.1" : four);
  const literal = host === "localhost" ? "127.0.0.1" : host;
  if (parseAddress(literal) === null) return `"${host}" is no IP address; 0.0.0.0 is every IPv4 address`;
  return { scheme: scheme as S, address: { host: literal, port }, written };
}
