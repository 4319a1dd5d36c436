import { closeSync, lstatSync, openSync, realpathSync, unlinkSync } from "node:fs";
import { isIP } from "node:net";
import { basename, dirname, join } from "node:path";
import { NetError } from "../world.ts";
import type {
  Dial,
  DialHandler,
  Listener,
  ListenOptions,
  Net,
  NetErrorCode,
  PortHolder,
  ResolvedAddress,
  Socket,
  SocketAddress,
  SocketHandler,
} from "../world.ts";
import type { Dns } from "./dns.ts";
import { holderOfPath } from "./port_holder.ts";
import type { Uncaught } from "./uncaught.ts";

/**
 * Bun cannot take back a connect: a dial that was aborted lives on until the kernel gives up (two
 * minutes for an unanswered SYN). So many of them at once, and no more dials until some have ended.
 */
const FORGOTTEN_DIALS_MAX = 1_024;

type RawSocket = Bun.Socket<BunSocket>;

/** Takes the place of an owner's handler once nothing may reach it any more. */
const NOBODY: DialHandler = {
  onOpen() {},
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
  onConnectError() {},
};

/**
 * One object a connection; Bun's socket holds it in `data`. Accepted or dialled, it has the same
 * shape, so that the shared events find its handler the same fast way.
 */
class BunSocket implements Socket {
  raw: RawSocket | null = null;
  /** Until it is open, where it was dialled. */
  dial: BunDial | null = null;
  handler: SocketHandler;
  /** A write was short: the owner waits for onDrain. */
  wasShort = false;
  peerEnded = false;
  /** By shutdown, close or terminate: no more writes. */
  weEnded = false;
  /** By close or terminate: the owner expects nothing more of the peer. */
  released = false;
  closed = false;
  #remoteAddress: string | null = null;
  #localAddress: string | null = null;

  constructor(handler: SocketHandler) {
    this.handler = handler;
  }

  write(bytes: Uint8Array, start: number, length: number): number {
    if (this.closed || this.weEnded) return -1;
    // All three arguments: without the length Bun takes the whole buffer's and throws.
    const taken = this.raw!.write(bytes, start, length);
    if (taken < length) this.wasShort = true;
    return taken;
  }

  pause(): void {
    if (!this.closed) this.raw!.pause();
  }

  resume(): void {
    if (!this.closed) this.raw!.resume();
  }

  shutdown(): void {
    if (this.closed || this.weEnded) return;
    this.weEnded = true;
    // Both directions have ended: release it, as nothing else will.
    if (this.peerEnded) this.raw!.end();
    else this.raw!.shutdown();
  }

  close(): void {
    if (this.closed) return;
    this.weEnded = true;
    this.released = true;
    this.raw!.end();
  }

  terminate(): void {
    if (this.closed) return;
    this.weEnded = true;
    this.released = true;
    this.raw!.terminate();
  }

  // Read once and kept: Bun forgets them when the socket closes.
  get remoteAddress(): string {
    return (this.#remoteAddress ??= plainAddress(this.raw?.remoteAddress));
  }

  get remotePort(): number {
    return this.raw?.remotePort ?? 0;
  }

  get localAddress(): string {
    return (this.#localAddress ??= plainAddress(this.raw?.localAddress));
  }

  get localPort(): number {
    return this.raw?.localPort ?? 0;
  }
}

class BunDial implements Dial {
  readonly socket: BunSocket;
  #net: BunNet;
  #handler: DialHandler;
  #state: "dialling" | "settled" | "forgotten" = "dialling";
  /** connect() has returned: the owner holds the dial and may hear of it. */
  returned = false;

  constructor(
    net: BunNet,
    readonly address: SocketAddress,
    handler: DialHandler,
  ) {
    this.#net = net;
    this.#handler = handler;
    this.socket = new BunSocket(handler);
    this.socket.dial = this;
  }

  abort(): void {
    if (this.#state !== "dialling") return;
    this.#state = "forgotten";
    this.socket.handler = NOBODY;
    this.#net.forgottenDials += 1;
  }

  opened(): void {
    const { socket } = this;
    socket.dial = null;
    if (this.#settle()) socket.handler.onOpen(socket);
    else socket.terminate();
  }

  fail(error: NetError): void {
    if (!this.returned) {
      queueMicrotask(() => this.fail(error));
      return;
    }
    this.socket.closed = true;
    if (this.#settle()) this.#handler.onConnectError(error);
  }

  /** True where the owner still wants to hear of it. */
  #settle(): boolean {
    const isWanted = this.#state === "dialling";
    if (this.#state === "forgotten") this.#net.forgottenDials -= 1;
    this.#state = "settled";
    return isWanted;
  }
}

export class BunNet implements Net {
  forgottenDials = 0;
  #dns: Dns;
  #uncaught: Uncaught;
  #holderOfPort: (port: number) => PortHolder | null;
  #dialEvents: Bun.SocketHandler<BunSocket>;

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
      connectError(raw, error) {
        const dial = raw.data.dial!;
        const cause = outOfDescriptors() ?? error;
        dial.fail(netError(cause, `connecting to ${inWords(dial.address)}`));
      },
    };
  }

  listen(options: ListenOptions, accept: (socket: Socket) => SocketHandler | null): Listener {
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
    const { address } = options;
    if ("path" in address) return this.#listenOnPath(address.path, options.mode, events);
    try {
      return new BunListener(
        Bun.listen<BunSocket>({
          hostname: address.host,
          port: address.port,
          reusePort: options.reusePort === true,
          allowHalfOpen: true,
          socket: events,
        } as Bun.TCPSocketListenOptions<BunSocket>),
      );
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
      return new BunListener(Bun.listen<BunSocket>(options));
    } catch (error) {
      throw this.#listenError(error, { path });
    } finally {
      if (before !== null) process.umask(before);
    }
  }

  connect(address: SocketAddress, handler: DialHandler): Dial {
    const dial = new BunDial(this, address, handler);
    const refusal = this.#refusal(address);
    if (refusal !== null) dial.fail(refusal);
    else this.#start(dial);
    dial.returned = true;
    return dial;
  }

  #refusal(address: SocketAddress): NetError | null {
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

  #start(dial: BunDial): void {
    const { address } = dial;
    const where =
      "path" in address
        ? { unix: address.path }
        : { hostname: address.host, port: address.port };
    const owned = { allowHalfOpen: true, data: dial.socket, socket: this.#dialEvents };
    const options = { ...where, ...owned };
    try {
      // The promise only repeats what connectError says.
      Bun.connect<BunSocket>(options as Bun.TCPSocketConnectOptions<BunSocket>).catch(() => {});
    } catch (error) {
      // A port out of range and the like: Bun throws before it starts.
      dial.fail(netError(error, `connecting to ${inWords(address)}`));
    }
  }

  resolve(name: string): Promise<readonly ResolvedAddress[]> {
    return this.#dns.resolve(name);
  }

  /** The hot path: a handful of shared functions, one property to reach the owner. */
  #events(): Bun.SocketHandler<BunSocket> {
    const uncaught = this.#uncaught;
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
        const socket = raw.data;
        if (socket.closed) return;
        socket.closed = true;
        const { handler } = socket;
        socket.handler = NOBODY;
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

class BunListener implements Listener {
  #raw: Bun.SocketListener<BunSocket>;
  readonly port: number;

  constructor(raw: Bun.SocketListener<BunSocket>) {
    this.#raw = raw;
    this.port = (raw as Partial<Bun.TCPSocketListener<BunSocket>>).port ?? 0;
  }

  stop(): void {
    this.#raw.stop();
  }
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

function inUse(address: SocketAddress, holder: PortHolder | null): NetError {
  const by = holder === null ? "" : ` by ${holder.command} (pid ${holder.pid})`;
  return new NetError("address-in-use", `${inWords(address)} is in use${by}`);
}

function inWords(address: SocketAddress): string {
  if ("path" in address) return address.path;
  return address.host.includes(":")
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

/** An IPv4 peer of a dual-stack listener shows as ::ffff:10.0.0.1 (RFC 4291, 2.5.5.2). */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}

const NET_ERRORS: Readonly<Record<string, readonly [NetErrorCode, string]>> = {
  ECONNREFUSED: ["refused", "nothing listens there"],
  ENOENT: ["refused", "no such socket"],
  ECONNRESET: ["reset", "reset by the peer"],
  EPIPE: ["reset", "closed by the peer"],
  ETIMEDOUT: ["timeout", "no answer"],
  EHOSTUNREACH: ["unreachable", "no route to the host"],
  ENETUNREACH: ["unreachable", "no route to the network"],
  EADDRINUSE: ["address-in-use", "the address is in use"],
  EADDRNOTAVAIL: ["address-unavailable", "this machine has no such address"],
  EACCES: ["permission", "the system does not permit it"],
  EPERM: ["permission", "the system does not permit it"],
  EMFILE: ["too-many-open", "this process has too many files open"],
  ENFILE: ["too-many-open", "this machine has too many files open"],
};

/** Bun reports a lack of descriptors as ECONNREFUSED, which would send people the wrong way. */
function outOfDescriptors(): unknown {
  try {
    closeSync(openSync("/dev/null", "r"));
    return null;
  } catch (error) {
    return error;
  }
}

function netError(error: unknown, doing: string): NetError {
  const code = (error as { code?: unknown } | null)?.code;
  const known = typeof code === "string" ? NET_ERRORS[code] : undefined;
  if (known !== undefined) return new NetError(known[0], `${doing}: ${known[1]} (${String(code)})`);
  const text = error instanceof Error ? error.message : String(error);
  return new NetError("other", `${doing}: ${text}`);
}
