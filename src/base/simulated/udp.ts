import { isIP } from "node:net";
import { NetError } from "../world.ts";
import type { UdpAddress, UdpHandler, UdpOptions, UdpSocket } from "../world.ts";
import type { Fabric } from "./net.ts";

/** What fits into a datagram of IPv4: 65,535 less the headers of IP and UDP. */
const LARGEST_BYTES = 65_507;
const FIRST_FREE_PORT = 40_000;

interface Bound {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly handler: UdpHandler;
  isOpen: boolean;
}

/** All UDP sockets of a simulated network. Datagrams may be lost and overtake each other. */
export class Datagrams {
  readonly #fabric: Fabric;
  readonly #bound: Bound[] = [];
  #nextPort = FIRST_FREE_PORT;

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  get sockets(): number {
    return this.#bound.length;
  }

  async open(host: string, options: UdpOptions, handler: UdpHandler): Promise<UdpSocket> {
    const { host: address, port: wish } = options.address;
    if (isIP(address) === 0) {
      const text = `listening on ${address}:${wish} (UDP): "${address}" is not an IP address`;
      throw new NetError("address-unavailable", text);
    }
    const port = wish === 0 ? (this.#nextPort += 1) : wish;
    if (this.#bound.some((other) => other.port === port && other.host === host)) {
      const text = `listening on ${address}:${port} (UDP): the address is in use`;
      throw new NetError("address-in-use", text);
    }
    const bound: Bound = { host, address, port, handler, isOpen: true };
    this.#bound.push(bound);
    return {
      port,
      send: (bytes, to) => this.#send(bound, bytes, to),
      close: () => {
        if (!bound.isOpen) return;
        bound.isOpen = false;
        this.#bound.splice(this.#bound.indexOf(bound), 1);
      },
    };
  }

  #send(from: Bound, bytes: Uint8Array, to: UdpAddress): boolean {
    if (!from.isOpen || bytes.length > LARGEST_BYTES || isIP(to.host) === 0) return false;
    const { clock, random } = this.#fabric.parts;
    const near = isLoopback(to.host) ? to.host : from.host;
    const faults = this.#fabric.faults(near, to.host);
    if (this.#fabric.isCut(near, to.host) || random.chance(faults.datagramLost)) return true;
    const copy = bytes.slice();
    clock.plan(random.between(...faults.latencyMs), () => {
      const target = this.#find(from.host, to);
      if (target === undefined) return;
      try {
        target.handler.onMessage(copy, near, from.port, false);
      } catch (error) {
        this.#fabric.parts.uncaught(error);
      }
    });
    return true;
  }

  #find(host: string, to: UdpAddress): Bound | undefined {
    const owner = isLoopback(to.host) || !this.#fabric.hosts.has(to.host) ? host : to.host;
    return this.#bound.find(({ host, address, port }) => {
      const isAny = address === "0.0.0.0" || address === "::";
      return port === to.port && host === owner && (isAny || address === to.host);
    });
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}
