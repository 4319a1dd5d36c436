import { isIP } from "node:net";
import { NetError } from "../world.ts";
import type { UdpAddress, UdpHandler, UdpOptions, UdpSocket } from "../world.ts";
import { setReceiveBuffer } from "./libc.ts";
import { inWords, netError, plainAddress } from "./net_error.ts";
import type { Uncaught } from "./uncaught.ts";

type RawUdp = Bun.udp.Socket<"uint8array">;

/** What Bun hands to `data` behind the address; not in its types. */
interface Flags {
  readonly truncated?: boolean;
}

/** @throws NetError where the address cannot be had. */
export async function openUdp(
  options: UdpOptions,
  handler: UdpHandler,
  uncaught: Uncaught,
): Promise<UdpSocket> {
  const { host, port } = options.address;
  const doing = `listening on ${inWords(options.address)} (UDP)`;
  if (isIP(host) === 0) {
    throw new NetError("address-unavailable", `${doing}: "${host}" is not an IP address`);
  }
  const raw = await openRaw(host, port, handler, uncaught).catch((error: unknown) => {
    throw netError(error, doing);
  });
  const { fd } = raw as unknown as { readonly fd: number };
  if (options.receiveBufferBytes !== undefined) setReceiveBuffer(fd, options.receiveBufferBytes);
  return new BunUdp(raw);
}

/** Bun throws some errors at once, and tells others by the promise. */
async function openRaw(
  host: string,
  port: number,
  handler: UdpHandler,
  uncaught: Uncaught,
): Promise<RawUdp> {
  return await Bun.udpSocket({
    hostname: host,
    port,
    binaryType: "uint8array",
    socket: {
      data(_raw, bytes, fromPort, fromAddress, flags?: Flags) {
        try {
          const isShort = flags?.truncated === true;
          handler.onMessage(bytes, plainAddress(fromAddress), fromPort, isShort);
        } catch (error) {
          uncaught.report(error);
        }
      },
      // That nobody listens where something was sent to (ICMP): a lost datagram like any other.
      error() {},
    },
  } as Bun.udp.SocketOptions<"uint8array">);
}

const ATTEMPTS = 3;

class BunUdp implements UdpSocket {
  readonly #raw: RawUdp;
  readonly port: number;
  #closed = false;

  constructor(raw: RawUdp) {
    this.#raw = raw;
    this.port = raw.port;
  }

  send(bytes: Uint8Array, to: UdpAddress): boolean {
    if (this.#closed) return false;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      try {
        return this.#raw.send(bytes as Uint8Array<ArrayBuffer>, to.port, to.host);
      } catch (error) {
        // Said of an earlier datagram, instead of taking this one.
        if ((error as { readonly code?: string }).code === "ECONNREFUSED") continue;
        // Too long, no such address, no route.
        return false;
      }
    }
    return false;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#raw.close();
  }
}
