import type { ListeningSocket, SocketHandover } from "../world.ts";
import { closeDescriptor } from "./libc.ts";
import type { BunTcpListener } from "./tcp_listener.ts";

interface Address {
  readonly host: string;
  readonly port: number;
}

/** The open listeners of one thread, and what it inherited. */
export class BunHandover implements SocketHandover {
  readonly #listeners = new Map<BunTcpListener, Address>();
  #inherited: ListeningSocket[] = [];

  add(listener: BunTcpListener, address: Address): void {
    this.#listeners.set(listener, address);
    listener.whenStopped = () => void this.#listeners.delete(listener);
  }

  listening(): readonly ListeningSocket[] {
    return [...this.#listeners].flatMap(([{ descriptors }, { host, port }]) =>
      descriptors.map((descriptor) => ({ host, port, descriptor })),
    );
  }

  inherit(sockets: readonly ListeningSocket[]): void {
    this.#inherited.push(...sockets);
  }

  take(address?: Address): ListeningSocket[] {
    if (this.#inherited.length === 0) return [];
    const isMeant = ({ host, port }: ListeningSocket): boolean =>
      address === undefined || (host === address.host && port === address.port);
    const taken = this.#inherited.filter(isMeant);
    this.#inherited = this.#inherited.filter((one) => !isMeant(one));
    return taken;
  }

  close(sockets: readonly ListeningSocket[]): void {
    for (const { descriptor } of sockets) closeDescriptor(descriptor);
  }
}
