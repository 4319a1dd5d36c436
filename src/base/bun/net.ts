import { lstatSync, realpathSync, renameSync, unlinkSync } from "node:fs";
import { isIP } from "node:net";
import { basename, dirname, join } from "node:path";
import { NetError } from "../world.ts";
import type {
  Dial,
  DialHandler,
  Listener,
  ListenOptions,
  Net,
  PortHolder,
  ResolvedAddress,
  Socket,
  SocketAddress,
  SocketHandler,
  TlsClientOptions,
  TlsContext,
  TlsIdentity,
  UdpHandler,
  UdpOptions,
  UdpSocket,
} from "../world.ts";
import { SocketRoom } from "../socket_room.ts";
import type { Dns } from "./dns.ts";
import { BunHandover } from "./handover.ts";
import { descriptorLimit, inUse, inWords, netError, outOfDescriptors } from "./net_error.ts";
import { holderOfPath } from "./port_holder.ts";
import { BunDial, BunSocket, NOBODY } from "./socket.ts";
import { BunTcpListener } from "./tcp_listener.ts";
import { BunTlsContext, nativeClientOptions, nativeServerOptions } from "./tls.ts";
import { closeSecure, tlsDialEvents } from "./tls_socket.ts";
import { openUdp } from "./udp.ts";
import type { Uncaught } from "./uncaught.ts";

/**
 * Bun cannot take back a connect: a dial that was aborted lives on until the kernel gives up (two
 * minutes for an unanswered SYN). So many of them at once, and no more dials until some have ended.
 */
const FORGOTTEN_DIALS_MAX = 1_024;

export class BunNet implements Net {
  forgottenDials = 0;
  #dns: Dns;
  #uncaught: Uncaught;
  #holderOfPort: (port: number) => PortHolder | null;
  #dialEvents: Bun.SocketHandler<BunSocket>;
  #tlsDialEvents: Bun.SocketHandler<BunSocket>;
  readonly handover = new BunHandover();
  readonly room = new SocketRoom(descriptorLimit());

  constructor(dns: Dns, uncaught: Uncaught, holderOfPort: (port: number) => PortHolder | null) {
    this.#dns = dns;
    this.#uncaught = uncaught;
    this.#holderOfPort = holderOfPort;
    this.#dialEvents = {
      ...this.#events(),
      open(raw) {
        raw.data.raw = raw;
        raw.data.dial!.opened();
      },
      connectError: (raw, error) => {
        this.room.open--;
        const dial = raw.data.dial!;
        const cause = outOfDescriptors() ?? error;
        dial.fail(netError(cause, `connecting to ${inWords(dial.address)}`));
      },
    };
    this.#tlsDialEvents = { ...this.#dialEvents, ...tlsDialEvents(this.#uncaught) };
  }

  listen(options: ListenOptions, owner: (socket: Socket) => SocketHandler | null): Listener {
    const { room } = this;
    const isUrgent = options.isUrgent === true || "path" in options.address;
    const accept = (socket: Socket): SocketHandler | null => {
      // Its close, which follows, takes it off again.
      if (++room.open <= (isUrgent ? room.maxForUrgent : room.maxForCallers)) return owner(socket);
      options.onNoRoom?.();
      return null;
    };
    const events: Bun.SocketHandler<BunSocket> = {
      ...this.#events(),
      open(raw) {
        const socket = new BunSocket(NOBODY);
        socket.raw = raw;
        raw.data = socket;
        const handler = accept(socket);
        if (handler === null) {
          socket.terminate();
          return;
        }
        socket.handler = handler;
        handler.onOpen(socket);
      },
    };
    const { address, tls } = options;
    if ("path" in address) {
      if (tls !== undefined) throw new Error("TLS on a unix socket is not offered");
      return this.#listenOnPath(address.path, options.mode, events);
    }
    // Before the address is taken, so that bad options leave nothing behind.
    if (tls !== undefined) nativeServerOptions(tls);
    const { host: hostname, port } = address;
    const inherited = this.handover.take(address);
    const places =
      inherited.length > 0
        ? inherited.map(({ descriptor }) => ({ fd: descriptor }))
        : [{ hostname, port, reusePort: options.reusePort === true }];
    try {
      const listener = new BunTcpListener(events, accept, tls ?? null, places, this.#uncaught);
      if (port !== 0) this.handover.add(listener, address);
      return listener;
    } catch (error) {
      throw this.#listenError(error, address);
    }
  }

  #listenOnPath(
    path: string,
    mode: number | undefined,
    events: Bun.SocketHandler<BunSocket>,
  ): Listener {
    removeStaleSocket(path);
    // The file appears with its final bits, so nobody slips in before a chmod.
    const before = mode === undefined ? null : process.umask(~mode & 0o777);
    try {
      const options = { unix: path, allowHalfOpen: true, socket: events };
      return new BunPathListener(Bun.listen<BunSocket>(options), path);
    } catch (error) {
      throw this.#listenError(error, { path });
    } finally {
      if (before !== null) process.umask(before);
    }
  }

  tlsContext(identity: TlsIdentity): TlsContext {
    return new BunTlsContext(identity);
  }

  connect(address: SocketAddress, handler: DialHandler, tls?: TlsClientOptions): Dial {
    const dial = new BunDial(this, address, handler);
    const refusal = this.#refusal(address);
    if (refusal !== null) dial.fail(refusal);
    else this.#start(dial, tls);
    dial.returned = true;
    return dial;
  }

  #refusal(address: SocketAddress): NetError | null {
    if (this.room.open >= this.room.maxForAll) {
      const text = `connecting to ${inWords(address)}: this process has too many connections open`;
      return new NetError("too-many-open", text);
    }
    if (this.forgottenDials >= FORGOTTEN_DIALS_MAX) {
      const text = `${FORGOTTEN_DIALS_MAX} connects that were given up are still unanswered`;
      return new NetError("too-many-open", text);
    }
    if ("host" in address && isIP(address.host) === 0) {
      const text = `connecting to ${inWords(address)}: "${address.host}" is not an IP address`;
      return new NetError("other", text);
    }
    return null;
  }

  #start(dial: BunDial, tls: TlsClientOptions | undefined): void {
    const { address } = dial;
    const where =
      "path" in address
        ? { unix: address.path }
        : { hostname: address.host, port: address.port };
    const common = { ...where, allowHalfOpen: true, data: dial.socket };
    const options =
      tls === undefined
        ? { ...common, socket: this.#dialEvents }
        : { ...common, socket: this.#tlsDialEvents, tls: nativeClientOptions(tls) };
    if (tls !== undefined) dial.tls = tls;
    try {
      this.room.open++;
      // The promise only repeats what connectError says.
      Bun.connect<BunSocket>(options as Bun.TCPSocketConnectOptions<BunSocket>).catch(() => {});
    } catch (error) {
      this.room.open--;
      // A port out of range and the like: Bun throws before it starts.
      dial.fail(netError(error, `connecting to ${inWords(address)}`));
    }
  }

  udp(options: UdpOptions, handler: UdpHandler): Promise<UdpSocket> {
    return openUdp(options, handler, this.#uncaught);
  }

  resolve(name: string): Promise<readonly ResolvedAddress[]> {
    return this.#dns.resolve(name);
  }

  /** The hot path: a handful of shared functions, one property to reach the owner. */
  #events(): Bun.SocketHandler<BunSocket> {
    const uncaught = this.#uncaught;
    const { room } = this;
    return {
      binaryType: "uint8array",
      data(raw, bytes) {
        raw.data.handler.onData(bytes);
      },
      drain(raw) {
        const socket = raw.data;
        if (!socket.wasShort) return;
        socket.wasShort = false;
        socket.handler.onDrain();
      },
      end(raw) {
        const socket = raw.data;
        socket.peerEnded = true;
        socket.handler.onEnd();
        if (socket.weEnded && !socket.closed) raw.end();
      },
      close(raw, error) {
        room.open--;
        const socket = raw.data;
        if (socket.closed) return;
        socket.closed = true;
        const { handler, secure } = socket;
        socket.handler = NOBODY;
        if (secure !== null) {
          closeSecure(socket, secure, handler, error);
          return;
        }
        // After a shutdown of ours Bun takes the peer's FIN for the close and leaves `end` out.
        const endIsDue = !error && !socket.peerEnded && !socket.released;
        socket.peerEnded = true;
        if (endIsDue) tellEnd(handler, uncaught);
        handler.onClose(error ? netError(error, "the connection") : null);
      },
      // Comes when a handler threw. Bun leaves the socket open, so it is closed here.
      error(raw, error) {
        uncaught.report(error);
        raw.data?.terminate();
      },
    };
  }

  #listenError(error: unknown, address: SocketAddress): NetError {
    const failure = netError(outOfDescriptors() ?? error, `listening on ${inWords(address)}`);
    if (failure.code !== "address-in-use" || !("port" in address)) return failure;
    return inUse(address, this.#holderOfPort(address.port));
  }
}

/** A handler that throws must still hear of the close. */
function tellEnd(handler: SocketHandler, uncaught: Uncaught): void {
  try {
    handler.onEnd();
  } catch (error) {
    uncaught.report(error);
  }
}

class BunPathListener implements Listener {
  readonly port = 0;
  readonly #raw: Bun.SocketListener<BunSocket>;
  readonly #path: string;
  readonly #inode: number | null;

  constructor(raw: Bun.SocketListener<BunSocket>, path: string) {
    this.#raw = raw;
    this.#path = path;
    this.#inode = inodeOf(path);
  }

  /** Bun removes whatever lies at the path, which may be a successor's socket by now. */
  stop(): void {
    const now = inodeOf(this.#path);
    if (now === null || now === this.#inode) {
      this.#raw.stop();
      return;
    }
    const aside = `${this.#path}.kept`;
    renameSync(this.#path, aside);
    this.#raw.stop();
    renameSync(aside, this.#path);
  }

  setTls(): void {
    throw new Error("TLS on a unix socket is not offered");
  }
}

function inodeOf(path: string): number | null {
  return lstatSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

/** A process that was killed leaves its socket's file, which would keep the next one out. */
function removeStaleSocket(path: string): void {
  try {
    if (!lstatSync(path).isSocket()) {
      throw new NetError("address-in-use", `${path} exists and is not a socket`);
    }
  } catch (error) {
    if (error instanceof NetError) throw error;
    return;
  }
  const holder = holderOfPath(path) ?? holderOfPath(realSocketPath(path));
  if (holder !== null) throw inUse({ path }, holder);
  if (process.platform === "linux") unlinkSync(path);
}

function realSocketPath(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}
