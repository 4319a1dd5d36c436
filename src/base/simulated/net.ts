import { isIP } from "node:net";
import { SocketRoom } from "../socket_room.ts";
import { NetError } from "../world.ts";
import type {
  Dial,
  DialHandler,
  Listener,
  ListeningSocket,
  ListenOptions,
  Net,
  ResolvedAddress,
  Socket,
  SocketAddress,
  SocketHandler,
  SocketHandover,
  TlsClientOptions,
  TlsContext,
  TlsIdentity,
  TlsServerOptions,
  UdpHandler,
  UdpOptions,
  UdpSocket,
} from "../world.ts";
import type { SimulatedClock } from "./clock.ts";
import { SimulatedSocket } from "./connection.ts";
import type { Wire } from "./connection.ts";
import { CALM } from "./faults.ts";
import type { LinkFaults } from "./faults.ts";
import type { SimulatedFiles } from "./files.ts";
import type { SimulatedRandom } from "./random.ts";
import { checkServerOptions, ClientHandshake, ServerHandshake, SimulatedTlsContext } from "./tls.ts";
import { Datagrams } from "./udp.ts";

/** As Linux does with six repetitions of a SYN. */
const CONNECT_GIVES_UP_MS = 127_000;
const DNS_TIMEOUT_MS = 5_000;
const LOCAL_TTL_MS = 60_000;
const FIRST_CLIENT_PORT = 32_768;
const FIRST_FREE_PORT = 20_000;

/** What DNS says of a name: addresses with a time to live, or how it fails. */
export type DnsAnswer =
  | { readonly addresses: readonly string[]; readonly ttlMs?: number }
  | "not-found"
  | "timeout";

interface Binding {
  readonly key: string;
  readonly accept: (socket: Socket) => SocketHandler | null;
  reusePort: boolean;
  readonly host: string;
  readonly port: number;
  tls: TlsServerOptions | undefined;
  /** The port was asked for by its number. */
  isAsked: boolean;
}

export interface FabricParts {
  readonly clock: SimulatedClock;
  readonly random: SimulatedRandom;
  readonly files: SimulatedFiles;
  readonly uncaught: (error: unknown) => void;
  readonly trace: (text: string) => void;
}

/** The one network that all simulated hosts are on. */
export class Fabric {
  openSockets = 0;
  pendingDials = 0;
  readonly names = new Map<string, DnsAnswer>();
  readonly hosts = new Set<string>();
  readonly parts: FabricParts;
  readonly datagrams: Datagrams;
  #bindings = new Map<string, Binding[]>();
  #links = new Map<string, Partial<LinkFaults>>();
  #cuts = new Set<string>();
  #nextClientPort = FIRST_CLIENT_PORT;
  #nextFreePort = FIRST_FREE_PORT;

  constructor(parts: FabricParts) {
    this.parts = parts;
    this.datagrams = new Datagrams(this);
  }

  get listeners(): number {
    let count = 0;
    for (const bindings of this.#bindings.values()) count += bindings.length;
    return count;
  }

  // ------------------------------------------------------------ links

  setLink(from: string, to: string, faults: Partial<LinkFaults>): void {
    const key = `${from}>${to}`;
    this.#links.set(key, { ...this.#links.get(key), ...faults });
  }

  /** The most general first: a link between two hosts has the last word. */
  faults(from: string, to: string): LinkFaults {
    let faults = CALM;
    const half = [`${from}>*`, `*>${from}`, `${to}>*`, `*>${to}`];
    for (const key of ["*>*", ...half, `${from}>${to}`, `${to}>${from}`]) {
      const some = this.#links.get(key);
      if (some !== undefined) faults = { ...faults, ...some };
    }
    return faults;
  }

  partition(a: string, b: string): void {
    this.#cuts.add(pairKey(a, b));
  }

  heal(a: string, b: string): void {
    this.#cuts.delete(pairKey(a, b));
  }

  isCut(a: string, b: string): boolean {
    if (this.#cuts.size === 0) return false;
    return [pairKey(a, b), pairKey(a, "*"), pairKey(b, "*")].some((key) => this.#cuts.has(key));
  }

  // ------------------------------------------------------------ listening

  listen(
    host: string,
    options: ListenOptions,
    accept: (socket: Socket) => SocketHandler | null,
    isInherited = false,
  ): Listener {
    const { address } = options;
    const reusePort = options.reusePort === true;
    if ("path" in address) {
      if (options.tls !== undefined) throw new Error("TLS on a unix socket is not offered");
      const binding = this.#bind(`unix:${address.path}`, "", 0, reusePort, accept, address);
      this.parts.files.placeSocket(address.path, options.mode ?? 0o777);
      return this.#listener(binding, () => this.parts.files.remove(address.path));
    }
    if (isIP(address.host) === 0) {
      const text = `listening on ${inWords(address)}: "${address.host}" is not an IP address`;
      throw new NetError("address-unavailable", text);
    }
    const port = address.port === 0 ? this.#freePort(host, address.host) : address.port;
    const key = bindingKey(host, address.host, port);
    const bound = { host: address.host, port };
    if (options.tls !== undefined) checkServerOptions(options.tls);
    const shares = reusePort || isInherited;
    if (isInherited) for (const other of this.#bindings.get(key) ?? []) other.reusePort = true;
    const binding = this.#bind(key, address.host, port, shares, accept, bound);
    binding.isAsked = address.port !== 0;
    binding.tls = options.tls;
    return this.#listener(binding, () => {});
  }

  /** A socket's place in this list is the number that it goes by. */
  listening(): readonly ListeningSocket[] {
    const all = [...this.#bindings.values()].flat().filter(({ isAsked }) => isAsked);
    return all.map(({ host, port }, descriptor) => ({ host, port, descriptor }));
  }

  holderOfPort(host: string, port: number): boolean {
    for (const bindings of this.#bindings.values()) {
      for (const binding of bindings) {
        const isHere = !isLoopback(binding.host) || binding.key.startsWith(`${host}|`);
        if (binding.port === port && isHere) return true;
      }
    }
    return false;
  }

  #bind(
    key: string,
    host: string,
    port: number,
    reusePort: boolean,
    accept: (socket: Socket) => SocketHandler | null,
    address: SocketAddress,
  ): Binding {
    const there = this.#bindings.get(key) ?? [];
    if (there.some((other) => !(other.reusePort && reusePort))) {
      const text = `${inWords(address)} is in use by another listener of this simulation`;
      throw new NetError("address-in-use", text);
    }
    const binding = { key, accept, reusePort, host, port, tls: undefined, isAsked: false };
    this.#bindings.set(key, [...there, binding]);
    return binding;
  }

  #listener(binding: Binding, stopped: () => void): Listener {
    return {
      port: binding.port,
      stop: () => {
        const left = this.#bindings.get(binding.key) ?? [];
        if (!left.includes(binding)) return;
        const others = left.filter((other) => other !== binding);
        if (others.length > 0) this.#bindings.set(binding.key, others);
        else this.#bindings.delete(binding.key);
        stopped();
      },
      setTls: (tls) => {
        if (binding.host === "") throw new Error("TLS on a unix socket is not offered");
        if (tls !== null) checkServerOptions(tls);
        binding.tls = tls ?? undefined;
      },
    };
  }

  #freePort(host: string, address: string): number {
    do this.#nextFreePort += 1;
    while (this.#bindings.has(bindingKey(host, address, this.#nextFreePort)));
    return this.#nextFreePort;
  }

  /** Who answers at an address, seen from a host: each host has a loopback of its own. */
  find(from: string, address: SocketAddress): Binding | undefined {
    for (const key of this.#keysOf(from, address)) {
      const bindings = this.#bindings.get(key);
      if (bindings === undefined) continue;
      return bindings[this.parts.random.integer(0, bindings.length - 1)];
    }
    return undefined;
  }

  #keysOf(from: string, address: SocketAddress): string[] {
    if ("path" in address) return [`unix:${address.path}`];
    const { host, port } = address;
    const owner = isLoopback(host) || !this.hosts.has(host) ? from : host;
    const any = [bindingKey(owner, "0.0.0.0", port), bindingKey(owner, "::", port)];
    return [bindingKey(from, host, port), ...any];
  }

  clientPort(): number {
    const next = this.#nextClientPort + 1;
    this.#nextClientPort = next > 65_535 ? FIRST_CLIENT_PORT : next;
    return this.#nextClientPort;
  }
}

/** The network as one host sees it. */
export class SimulatedNet implements Net {
  #fabric: Fabric;
  #host: string;
  readonly handover: SocketHandover;
  /** A test sets its bounds. */
  readonly room = new SocketRoom(null);

  constructor(fabric: Fabric, host: string) {
    this.#fabric = fabric;
    this.handover = new SimulatedHandover(fabric);
    this.#host = host;
  }

  /** Sockets whose onClose is yet to come, both ends counted. */
  get openSockets(): number {
    return this.#fabric.openSockets;
  }

  get listeners(): number {
    return this.#fabric.listeners;
  }

  get udpSockets(): number {
    return this.#fabric.datagrams.sockets;
  }

  /** Connects without an answer yet that nobody gave up. */
  get pendingDials(): number {
    return this.#fabric.pendingDials;
  }

  /** How all links behave, where `setLink` says nothing else. May change at any time. */
  setFaults(faults: Partial<LinkFaults>): void {
    this.#fabric.setLink("*", "*", faults);
  }

  /**
   * How the link between two hosts behaves, both ways. Either may be `*`. Connections to a loopback
   * address are on the link between that address and itself; unix sockets from `unix` to `unix`.
   */
  setLink(from: string, to: string, faults: Partial<LinkFaults>): void {
    this.#fabric.setLink(from, to, faults);
  }

  /** Nothing gets through between the two (`*`: all others) until `heal`. Connections stay open. */
  partition(a: string, b: string): void {
    this.#fabric.partition(a, b);
  }

  heal(a: string, b: string): void {
    this.#fabric.heal(a, b);
  }

  setName(name: string, answer: DnsAnswer): void {
    this.#fabric.names.set(name, answer);
  }

  listen(options: ListenOptions, accept: (socket: Socket) => SocketHandler | null): Listener {
    const { address } = options;
    const isInherited = "port" in address && this.handover.take(address).length > 0;
    const { room } = this;
    const acceptWithin = (socket: Socket): SocketHandler | null => {
      const isUrgent = options.isUrgent === true || "path" in options.address;
      const most = isUrgent ? room.maxForUrgent : room.maxForCallers;
      if (this.openSockets <= most) return accept(socket);
      options.onNoRoom?.();
      return null;
    };
    return this.#fabric.listen(this.#host, options, acceptWithin, isInherited);
  }

  connect(address: SocketAddress, handler: DialHandler, tls?: TlsClientOptions): Dial {
    return new SimulatedDial(this.#fabric, this.#host, address, handler, tls ?? null);
  }

  tlsContext(identity: TlsIdentity): TlsContext {
    return new SimulatedTlsContext(identity);
  }

  udp(options: UdpOptions, handler: UdpHandler): Promise<UdpSocket> {
    return this.#fabric.datagrams.open(this.#host, options, handler);
  }

  async resolve(name: string): Promise<readonly ResolvedAddress[]> {
    const { clock, random } = this.#fabric.parts;
    const plain = (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();
    if (isIP(plain) !== 0) return [{ address: plain, ttlMs: LOCAL_TTL_MS }];
    if (plain === "localhost" || plain.endsWith(".localhost")) {
      return [{ address: "127.0.0.1", ttlMs: LOCAL_TTL_MS }];
    }
    const { latencyMs } = this.#fabric.faults(this.#host, "dns");
    await new Promise<void>((resolve) => {
      clock.plan(random.between(...latencyMs) + random.between(...latencyMs), resolve);
    });
    const isLost = this.#fabric.isCut(this.#host, "dns");
    const answer = isLost ? "timeout" : (this.#fabric.names.get(plain) ?? "not-found");
    if (answer === "timeout") {
      await new Promise<void>((resolve) => clock.plan(DNS_TIMEOUT_MS, resolve));
      throw new NetError("name-timeout", `DNS did not answer for "${name}" within 5 s`);
    }
    if (answer === "not-found" || answer.addresses.length === 0) {
      throw new NetError("name-not-found", `DNS has no address for "${name}"`);
    }
    return answer.addresses.map((one) => ({ address: one, ttlMs: answer.ttlMs ?? 30_000 }));
  }
}

/** Two listeners at one address, as two processes have that share its socket. */
class SimulatedHandover implements SocketHandover {
  #fabric: Fabric;
  #inherited: ListeningSocket[] = [];

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  listening(): readonly ListeningSocket[] {
    return this.#fabric.listening();
  }

  inherit(sockets: readonly ListeningSocket[]): void {
    this.#inherited.push(...sockets);
  }

  take(address?: { readonly host: string; readonly port: number }): ListeningSocket[] {
    const isMeant = ({ host, port }: ListeningSocket): boolean =>
      address === undefined || (host === address.host && port === address.port);
    const taken = this.#inherited.filter(isMeant);
    this.#inherited = this.#inherited.filter((one) => !isMeant(one));
    return taken;
  }

  close(): void {}
}

class SimulatedDial implements Dial {
  #fabric: Fabric;
  #host: string;
  #address: SocketAddress;
  #handler: DialHandler;
  #isPending = true;
  #from: string;
  #to: string;
  #tls: TlsClientOptions | null;
  /** Open, in the middle of its handshake. */
  #handshaking: SimulatedSocket | null = null;

  constructor(
    fabric: Fabric,
    host: string,
    address: SocketAddress,
    handler: DialHandler,
    tls: TlsClientOptions | null,
  ) {
    this.#tls = tls;
    this.#fabric = fabric;
    this.#host = host;
    this.#address = address;
    this.#handler = handler;
    this.#to = "path" in address ? "unix" : address.host;
    this.#from = "path" in address ? "unix" : isLoopback(address.host) ? address.host : host;
    fabric.pendingDials += 1;
    fabric.parts.clock.plan(this.#latency(), () => this.#arrive());
  }

  abort(): void {
    if (this.#settle()) this.#handshaking?.terminate();
  }

  #settle(): boolean {
    if (!this.#isPending) return false;
    this.#isPending = false;
    this.#fabric.pendingDials -= 1;
    return true;
  }

  #latency(): number {
    const { latencyMs } = this.#fabric.faults(this.#from, this.#to);
    return this.#fabric.parts.random.between(...latencyMs);
  }

  #fail(delayMs: number, code: "refused" | "timeout" | "other", text: string): void {
    this.#fabric.parts.clock.plan(delayMs, () => {
      if (!this.#settle()) return;
      this.#fabric.parts.trace(`connect ${inWords(this.#address)} ${code}`);
      const error = new NetError(code, `connecting to ${inWords(this.#address)}: ${text}`);
      this.#handler.onConnectError(error);
    });
  }

  /** The SYN is there. */
  #arrive(): void {
    if (!this.#isPending) return;
    const { random } = this.#fabric.parts;
    const address = this.#address;
    if ("host" in address && isIP(address.host) === 0) {
      this.#fail(0, "other", `"${address.host}" is not an IP address`);
      return;
    }
    const faults = this.#fabric.faults(this.#from, this.#to);
    if (this.#fabric.isCut(this.#from, this.#to) || random.chance(faults.connectLost)) {
      this.#fail(CONNECT_GIVES_UP_MS, "timeout", "no answer");
      return;
    }
    const binding = this.#fabric.find(this.#host, address);
    if (binding === undefined || random.chance(faults.connectRefused)) {
      this.#fail(this.#latency(), "refused", "nothing listens there");
      return;
    }
    this.#connect(binding);
  }

  #connect(binding: Binding): void {
    const { clock } = this.#fabric.parts;
    const [ours, theirs] = this.#pair();
    clock.plan(this.#latency(), () => {
      if (!this.#isPending) ours.terminate();
      else if (this.#tls !== null) this.#shakeHands(ours, this.#tls);
      else if (this.#settle()) ours.open(this.#handler);
    });
    // The listener hears of it before or after the client, as chance has it.
    clock.plan(this.#latency(), () => {
      if (theirs.closed) return;
      const handler = this.#accept(binding, theirs);
      if (handler === null) theirs.terminate();
      else if (!theirs.closed) {
        const { tls } = binding;
        theirs.open(tls === undefined ? handler : new ServerHandshake(theirs, clock, tls, handler));
      }
    });
  }

  #shakeHands(ours: SimulatedSocket, tls: TlsClientOptions): void {
    this.#handshaking = ours;
    const handshake = new ClientHandshake(ours, this.#fabric.parts.clock, tls, {
      opened: () => (this.#settle() ? this.#handler : null),
      failed: (error) => {
        if (this.#settle()) this.#handler.onConnectError(error);
      },
    });
    ours.open(handshake);
  }

  #accept(binding: Binding, socket: SimulatedSocket): SocketHandler | null {
    if (this.#fabric.find(this.#host, this.#address) === undefined) return null;
    try {
      return binding.accept(socket);
    } catch (error) {
      this.#fabric.parts.uncaught(error);
      return null;
    }
  }

  #pair(): [SimulatedSocket, SimulatedSocket] {
    const fabric = this.#fabric;
    const address = this.#address;
    const [from, to] = [this.#from, this.#to];
    const wire: Wire = {
      clock: fabric.parts.clock,
      random: fabric.parts.random,
      faults: () => fabric.faults(from, to),
      isCut: () => fabric.isCut(from, to),
      call: (socket, run) => {
        try {
          run();
        } catch (error) {
          fabric.parts.uncaught(error);
          socket.terminate();
        }
      },
      trace: fabric.parts.trace,
      closed: () => {
        fabric.openSockets -= 1;
      },
    };
    const isUnix = "path" in address;
    const port = isUnix ? 0 : fabric.clientPort();
    const name = `${isUnix ? "unix" : `${from}:${port}`}`;
    const target = inWords(address);
    const [near, far] = isUnix ? ["", ""] : [from, to];
    const farPort = isUnix ? 0 : address.port;
    const ours = new SimulatedSocket(wire, `${name}>${target}`, near, port, far, farPort);
    const theirs = new SimulatedSocket(wire, `${target}<${name}`, far, farPort, near, port);
    ours.peer = theirs;
    theirs.peer = ours;
    fabric.openSockets += 2;
    return [ours, theirs];
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

function bindingKey(host: string, address: string, port: number): string {
  const isOwn = isLoopback(address) || address === "0.0.0.0" || address === "::";
  return isOwn ? `${host}|${address}:${port}` : `${address}:${port}`;
}

function pairKey(a: string, b: string): string {
  return a < b ? `${a}>${b}` : `${b}>${a}`;
}

function inWords(address: SocketAddress): string {
  return "path" in address ? address.path : `${address.host}:${address.port}`;
}
