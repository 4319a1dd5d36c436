/**
 * The one seam to the outside world. Every room above `base/` is handed a World and touches nothing
 * else: so the same code runs on Bun (`bun/`) and in a seeded simulation (`simulated/`).
 */

import type { SocketRoom } from "./socket_room.ts";

export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  readonly files: Files;
  readonly processes: Processes;
  readonly threads: Threads;
  readonly modules: Modules;
  readonly signals: Signals;
  readonly stdio: Stdio;
}

// ---------------------------------------------------------------- time and chance

export interface Clock {
  /** Monotonic time in milliseconds, with fractions. Only differences mean anything. */
  now(): number;
  /** Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. */
  wallMs(): number;
  /** Calls `run` once, no sooner than `delayMs` from now. */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` every `intervalMs` until cancelled. */
  every(intervalMs: number, run: () => void): Timer;
  sleep(delayMs: number): Promise<void>;
}

export interface Timer {
  cancel(): void;
}

/** Chance for jitter, ids and balancing: reproducible in the simulation, never for secrets. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform unsigned 32-bit integer. */
  uint32(): number;
  /** Cryptographically strong outside the simulation. */
  secureBytes(length: number): Uint8Array;
}

// ---------------------------------------------------------------- network

/** An IP address with a port, or the path of a unix socket. Names are resolved before. */
export type SocketAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

export interface Socket {
  /**
   * Hands `length` bytes from `start` to the kernel and returns how many it took: 0 when it is full
   * (`onDrain` follows), -1 when the socket is closed. Nothing is buffered here.
   */
  write(bytes: Uint8Array, start: number, length: number): number;
  /** No `onData` until `resume`; the kernel's window then holds the peer back. */
  pause(): void;
  resume(): void;
  /** FIN: no more writes; reading goes on. Call it only when all bytes have been taken. */
  shutdown(): void;
  /** FIN and release. `onClose(null)` follows. Call it only when all bytes have been taken. */
  close(): void;
  /** RST and release. `onClose` follows. */
  terminate(): void;
  /** Empty and 0 on a unix socket. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** What the handshake agreed on; null before it ended, and on a socket without TLS. */
  readonly tls: TlsState | null;
}

/**
 * What a socket tells its owner. `onClose` comes exactly once, and last; after `close` or
 * `terminate` it may come before they return. A handler that throws loses its socket (it is
 * terminated) and its error goes to `Self.onUncaught`.
 */
export interface SocketHandler {
  /** With TLS after the handshake; one that fails is told by `onClose` alone, with a TlsError. */
  onOpen(socket: Socket): void;
  /** The bytes are the handler's own to keep. */
  onData(bytes: Uint8Array): void;
  onDrain(): void;
  /** The peer's FIN. Writing is still possible until one of `shutdown`, `close`, `terminate`. */
  onEnd(): void;
  onClose(error: NetError | null): void;
}

export interface DialHandler extends SocketHandler {
  /** Instead of `onOpen`; nothing follows. */
  onConnectError(error: NetError): void;
}

export interface Dial {
  /** Gives up: no event of this dial comes after it. Harmless once open or failed. */
  abort(): void;
}

export interface Listener {
  /** The port that was bound (0 in the request asks for a free one; 0 for a unix socket). */
  readonly port: number;
  /** Accepts no more; open sockets live on. */
  stop(): void;
  /**
   * For connections from now on, null for plain ones; open sockets live on, and no caller finds the
   * port closed. Not on a unix socket.
   * @throws TlsError where `tls` has no context for "".
   */
  setTls(tls: TlsServerOptions | null): void;
}

export interface ListenOptions {
  readonly address: SocketAddress;
  /** Several processes may share the port. */
  readonly reusePort?: boolean;
  /** Permission bits of a unix socket's file, for example 0o600. */
  readonly mode?: number;
  /** Not on a unix socket. */
  readonly tls?: TlsServerOptions;
  /** Callers are let in where `Net.room` has no place for others. So it is on a unix socket. */
  readonly isUrgent?: boolean;
  /** A caller was turned away because `Net.room` had no place for it. */
  readonly onNoRoom?: () => void;
}

// ---------------------------------------------------------------- TLS

export type TlsVersion = "1.2" | "1.3";

/** PEM texts. What is missing is not used; a server needs certificate and key. */
export interface TlsIdentity {
  /** The leaf first, then its intermediates. */
  readonly certificate?: string;
  /** The leaf's private key. */
  readonly key?: string;
  /** Who may sign a peer's certificate; the system's roots where it is missing. */
  readonly ca?: string;
}

/**
 * An identity made ready for handshakes. Make one for each certificate and keep it: the tickets of
 * resumption are bound to it, so a new one ends the trust that old sessions had.
 */
export interface TlsContext {
  readonly identity: TlsIdentity;
  /** Of the leaf; null where the identity has no certificate. */
  readonly certificate: CertificateFacts | null;
}

export interface CertificateFacts {
  /** As `CN=shop,O=Example`; may be empty. */
  readonly subject: string;
  readonly issuer: string;
  /** In its order: `DNS:shop.example`, `URI:spiffe://...`, `IP Address:10.0.0.1`. */
  readonly subjectAltNames: readonly string[];
  /** Wall clock. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SHA-256 of its DER, 64 lower-case hexadecimal digits. */
  readonly fingerprint: string;
  /** Upper-case hexadecimal digits. */
  readonly serialNumber: string;
  readonly pem: string;
}

/** A TCP listener's socket, as one process or thread hands it on to the next. */
export interface ListeningSocket {
  /** As `listen` was asked for it. */
  readonly host: string;
  readonly port: number;
  /** The number that it has in the process that holds it. */
  readonly descriptor: number;
}

/** How a handshake with a caller goes. */
export interface TlsServerOptions {
  /**
   * The context for the name that the caller asks for (SNI, lower case), or null to refuse it. It
   * is asked once for the empty name, when these options come into force: for who names none.
   */
  readonly contextFor: (serverName: string) => TlsContext | null;
  /**
   * The caller's certificate, to be signed by the chosen context's `ca`. `none` without it;
   * `request` lets callers in that show none, and refuses a bad one as `require` does. A session
   * that is resumed keeps its identity: so let all contexts of one listener trust the same `ca`.
   */
  readonly clientCertificate?: "none" | "request" | "require";
  /** 1.2 without it; nothing below is offered. */
  readonly minVersion?: TlsVersion;
  /** In order of preference, as `http/1.1`. None are agreed on without it. */
  readonly alpn?: readonly string[];
  /** From the accept to the end of the handshake. 10 s. */
  readonly handshakeTimeoutMs?: number;
  /** Sent to who speaks HTTP without TLS here, before it is closed. Nothing without it. */
  readonly plaintextAnswer?: Uint8Array;
}

/** How a handshake with a callee goes. */
export interface TlsClientOptions {
  readonly context: TlsContext;
  /** Sent as SNI, and the name or IP address that the certificate must be for. */
  readonly serverName: string;
  /**
   * `name`: the chain must be good and the name in it; `chain`: the name is left to the owner, who
   * looks at `tls.peer()` in `onOpen`; `none`: all is taken, and `tls` tells what it is. `name`.
   */
  readonly verify?: "name" | "chain" | "none";
  readonly alpn?: readonly string[];
  /** 1.2 without it. */
  readonly minVersion?: TlsVersion;
  /** From the open connection to the end of the handshake. 10 s. */
  readonly handshakeTimeoutMs?: number;
  /** Where sessions of this callee are kept for resumption; full handshakes without it. */
  readonly sessions?: TlsSessions;
}

/** One callee's newest session. Taken once: no ticket is used twice (RFC 8446, C.4). */
export interface TlsSessions {
  take(): Uint8Array | null;
  keep(session: Uint8Array): void;
}

/** What was agreed on, and who the peer is. */
export interface TlsState {
  readonly version: TlsVersion;
  /** OpenSSL's name. */
  readonly cipher: string;
  /** Empty where nothing was agreed on. */
  readonly alpn: string;
  /** The name that the client asked for; empty where it named none. */
  readonly serverName: string;
  readonly resumed: boolean;
  /** The peer showed a certificate and its chain is good; a callee's name too. */
  readonly authorized: boolean;
  /** Why not, as OpenSSL's code; empty where it is, and where the peer showed none. */
  readonly authorizationError: string;
  /** The peer's leaf; null where it showed none. Costs some microseconds at the first call. */
  peer(): CertificateFacts | null;
}

/** Why a handshake failed, seen from here. */
export type TlsFailure =
  /** A certificate, key or CA that cannot be used. */
  | "bad-identity"
  | "timeout"
  /** The peer speaks something else. */
  | "not-tls"
  | "no-common-version"
  | "no-common-cipher"
  | "no-common-alpn"
  /** No context for the name that was asked for. */
  | "unknown-name"
  /** The caller showed no certificate where one is required. */
  | "no-certificate"
  /** The peer's certificate is not good enough for us. */
  | "untrusted-peer"
  /** The peer does not accept ours, or wants one: it said so by an alert. */
  | "refused-by-peer"
  /** The peer left in the middle. */
  | "closed"
  | "other";

// ---------------------------------------------------------------- datagrams

export interface UdpOptions {
  readonly address: UdpAddress;
  /**
   * Room in the system for datagrams that came and were not handed over yet; what comes on top is
   * lost. The system's own (about 200 KiB) without it, and it may give less.
   */
  readonly receiveBufferBytes?: number;
}

export interface UdpAddress {
  readonly host: string;
  /** 0 asks for a free one. */
  readonly port: number;
}

export interface UdpHandler {
  /** The bytes are the handler's own to keep. `truncated`: the rest of the datagram is lost. */
  onMessage(bytes: Uint8Array, fromAddress: string, fromPort: number, truncated: boolean): void;
}

export interface UdpSocket {
  readonly port: number;
  /** False where the system did not take it: it is lost, as any datagram may be. */
  send(bytes: Uint8Array, to: UdpAddress): boolean;
  close(): void;
}

// ---------------------------------------------------------------- the network as a whole

export interface ResolvedAddress {
  readonly address: string;
  readonly ttlMs: number;
}

export interface Net {
  /**
   * `accept` returns the new connection's handler, or null to refuse it (it is terminated).
   * With TLS `accept` comes before the handshake, and `onOpen` after it.
   * @throws NetError with code `address-in-use` (its message names the holder where the system
   *   tells), `address-unavailable` or `permission`; TlsError where `tls` has no context for "".
   */
  listen(options: ListenOptions, accept: (socket: Socket) => SocketHandler | null): Listener;
  readonly handover: SocketHandover;
  readonly room: SocketRoom;
  /**
   * Calls nothing of `handler` before it returns. A host that is no IP address fails. With TLS
   * `onOpen` comes after the handshake, and `onConnectError` (a TlsError) where it fails. Under TLS
   * 1.3 a callee that does not accept our certificate says so later only: by `onClose`.
   */
  connect(address: SocketAddress, handler: DialHandler, tls?: TlsClientOptions): Dial;
  /** @throws TlsError `bad-identity`, in words that name what is wrong with which of the texts. */
  tlsContext(identity: TlsIdentity): TlsContext;
  /** @throws NetError as `listen` does. */
  udp(options: UdpOptions, handler: UdpHandler): Promise<UdpSocket>;
  /**
   * A and AAAA records, asked of DNS and never of the hosts file; `localhost` is the loopback
   * address (RFC 6761, 6.3).
   * @throws NetError with code `name-not-found` or `name-timeout`.
   */
  resolve(name: string): Promise<readonly ResolvedAddress[]>;
}

/** Listening sockets that one process hands on to the next, or a thread to another. */
export interface SocketHandover {
  /** Of all open TCP listeners but those that asked for any free port. */
  listening(): readonly ListeningSocket[];
  /**
   * Sockets that this process was started with (`SpawnOptions.descriptors`): the next `listen` at an
   * address takes over all that were inherited for it, with whoever waits to be accepted there.
   */
  inherit(sockets: readonly ListeningSocket[]): void;
  /** Takes out what was inherited for an address, or all of it, to hand it on. */
  take(address?: { readonly host: string; readonly port: number }): ListeningSocket[];
  /** Gives sockets back to the system; who waits there to be accepted is reset. */
  close(sockets: readonly ListeningSocket[]): void;
}

export type NetErrorCode =
  | "refused"
  | "reset"
  | "timeout"
  | "unreachable"
  | "closed"
  | "address-in-use"
  | "address-unavailable"
  | "permission"
  | "name-not-found"
  | "name-timeout"
  | "too-many-open"
  | "tls"
  | "other";

export class NetError extends Error {
  override readonly name = "NetError";
  constructor(
    readonly code: NetErrorCode,
    message: string,
  ) {
    super(message);
  }
}

export class TlsError extends NetError {
  constructor(
    readonly reason: TlsFailure,
    message: string,
  ) {
    super("tls", message);
  }
}

// ---------------------------------------------------------------- files

/** Synchronous: on a local disk a call is cheaper than a promise (about 1 us against 40). */
export interface Files {
  readText(path: string): string;
  readBytes(path: string): Uint8Array;
  /** Creates or truncates. `mode` applies to a new file. */
  write(path: string, data: string | Uint8Array, options?: { readonly mode?: number }): void;
  /** Write beside, fsync, rename: readers see the old content or the new, also after a crash. */
  replace(path: string, data: string | Uint8Array, options?: { readonly mode?: number }): void;
  /** Follows links. Null where nothing is. */
  stat(path: string): FileStat | null;
  /** Names in a folder, sorted. */
  list(path: string): readonly string[];
  makeFolder(path: string, options?: { readonly mode?: number }): void;
  /** A file or a whole folder; no error where nothing is. */
  remove(path: string): void;
  rename(from: string, to: string): void;
  realPath(path: string): string;
  /** `append` and `write` create the file; `write` truncates it; `create` takes none that is there. */
  open(
    path: string,
    how: OpenMode,
    options?: { readonly mode?: number },
  ): OpenFile;
  /**
   * Calls `changed` after something in the folder was created, renamed, removed or written; several
   * changes may be one call. A hint only: some are missed, so keep a slow poll beside it.
   */
  watch(folder: string, changed: () => void): FileWatcher;
}

export interface FileStat {
  readonly kind: "file" | "folder" | "other";
  readonly sizeBytes: number;
  readonly device: number;
  readonly inode: number;
  readonly modifiedMs: number;
  readonly mode: number;
}

export interface OpenFile {
  stat(): FileStat;
  /** Bytes read; 0 at the end. */
  readAt(into: Uint8Array, offset: number, length: number, position: number): number;
  /** Writes all of it, or throws. */
  write(bytes: Uint8Array): void;
  /** fdatasync. */
  sync(): void;
  truncate(sizeBytes: number): void;
  close(): void;
}

export interface FileWatcher {
  close(): void;
}

export type OpenMode = "read" | "append" | "write" | "create";

export type FileErrorCode =
  | "not-found"
  | "exists"
  | "permission"
  | "disk-full"
  | "not-a-file"
  | "not-a-folder"
  | "too-many-open"
  /** The reader of a pipe is gone. */
  | "closed"
  | "other";

export class FileError extends Error {
  override readonly name = "FileError";
  constructor(
    readonly code: FileErrorCode,
    readonly path: string,
    message: string,
  ) {
    super(message);
  }
}

// ---------------------------------------------------------------- processes

export interface Processes {
  readonly self: Self;
  /** @throws ProcessError `not-found` or `permission` where the command cannot be started. */
  spawn(options: SpawnOptions): ChildProcess;
  isAlive(pid: number): boolean;
  /** A signal to a process, or to its whole group. No error where it is gone. */
  signal(pid: number, signal: SignalName, whom: "process" | "group"): void;
  /** Who listens on a local TCP port, where the system tells. */
  holderOfPort(port: number): PortHolder | null;
  /**
   * From now on processes that this one's children leave behind become its own (Linux; process 1 has
   * them anyway). Those that end are reaped and told to `onExit`, where they were not started here.
   * False where the system has no such thing.
   */
  adoptOrphans(onExit: (pid: number, status: ExitStatus) => void): boolean;
}

export interface Self {
  readonly pid: number;
  /** The words that start this program again: `[binary]`, or `[bun, main.ts]` from source. */
  readonly command: readonly string[];
  /** Arguments behind the program. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  readonly platform: string;
  exit(code: number): never;
  /** Ends the whole process at once, from whichever of its threads; nothing is run or flushed. */
  halt(code: number): never;
  usage(): ProcessUsage;
  /** All that is unused in this thread, at once: it stands still for some 10 ms. */
  collectGarbage(): void;
  /**
   * Errors that nobody caught, and promises that nobody waited for. Who came last is asked first;
   * who returns true has dealt with it, and nobody else is told.
   */
  onUncaught(report: (error: unknown) => unknown): void;
}

export interface ProcessUsage {
  readonly residentBytes: number;
  readonly userMs: number;
  readonly systemMs: number;
}

export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

export interface SpawnOptions {
  /** Program and arguments; no shell. */
  readonly command: readonly string[];
  readonly folder?: string;
  /** The child's whole environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** A session and process group of its own, so that the whole group can be signalled. */
  readonly ownGroup?: boolean;
  /** A callback per chunk, `inherit`, or `ignore` (the default). */
  readonly stdout?: ((bytes: Uint8Array) => void) | "inherit" | "ignore";
  readonly stderr?: ((bytes: Uint8Array) => void) | "inherit" | "ignore";
  readonly stdin?: "pipe" | "ignore";
  /** Open descriptors of this process that the child gets too, as 3, 4, and so on. */
  readonly descriptors?: readonly number[];
  /** Comes once, after the last byte of stdout and stderr. */
  readonly onExit?: (status: ExitStatus) => void;
}

export interface ExitStatus {
  /** The exit code, or 128 + n for signal n. */
  readonly code: number;
  readonly signal: SignalName | null;
}

export interface ChildProcess {
  readonly pid: number;
  kill(signal: SignalName): void;
  /** Only with `stdin: "pipe"`. */
  write(bytes: Uint8Array): void;
  closeInput(): void;
}

export type ProcessErrorCode = "not-found" | "permission" | "other";

export class ProcessError extends Error {
  override readonly name = "ProcessError";
  constructor(
    readonly code: ProcessErrorCode,
    message: string,
  ) {
    super(message);
  }
}

// ---------------------------------------------------------------- threads

/** Threads of this process: each runs the program's entry for threads in a World of its own. */
export interface Threads {
  start(handler: ThreadHandler): Thread;
}

/**
 * Messages are plain data and are copied; a SharedArrayBuffer in them is shared. They arrive in
 * order, also those that were sent before the other side listened.
 */
export interface Thread {
  post(message: unknown): void;
  /** Ends it at once, wherever it is; `onExit` follows. */
  terminate(): void;
}

export interface ThreadHandler {
  onMessage(message: unknown): void;
  /** Once, and last. */
  onExit(reason: string): void;
}

/** The other end, in the thread itself. */
export interface ThreadPort {
  post(message: unknown): void;
  /** Call it once, at the start. */
  onMessage(run: (message: unknown) => void): void;
}

// ---------------------------------------------------------------- modules

export interface Modules {
  /**
   * Runs a file of TypeScript or JavaScript and returns what it exports. It runs again where the
   * version is another one, and so do the files of `imports`. What was loaded before stays in
   * memory. Rejects with what is wrong with the file, or with what it threw.
   */
  load(path: string, version: number): Promise<Readonly<Record<string, unknown>>>;
  /**
   * The files that it imports by relative paths, and those that these import, at most
   * `MAX_OWN_IMPORTS`. One that cannot be read has none.
   */
  imports(path: string): readonly string[];
}

export const MAX_OWN_IMPORTS = 200;

// ---------------------------------------------------------------- signals

export type SignalName =
  | "SIGTERM"
  | "SIGINT"
  | "SIGHUP"
  | "SIGUSR1"
  | "SIGUSR2"
  | "SIGKILL"
  | "SIGWINCH";

export interface Signals {
  /** Returns how to stop listening. The first listener of a signal replaces its default effect. */
  on(signal: SignalName, run: () => void): () => void;
}

export interface Stdio {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly stdin: TextInput;
}

export interface TextOutput {
  readonly isTerminal: boolean;
  /** 0 where it is no terminal. */
  readonly columns: number;
  readonly rows: number;
  /** Writes all of it before it returns, or throws FileError `closed` when the reader is gone. */
  write(data: string | Uint8Array): void;
  /**
   * The same without stalling the loop: resolves when the reader has taken it. The bytes may not
   * change until then.
   */
  writeAll(data: string | Uint8Array): Promise<void>;
}

export interface TextInput {
  readonly isTerminal: boolean;
  readAll(): Promise<string>;
  /** Calls `run` per chunk, `end` once. A promise that `run` returns holds the next chunk back. */
  read(run: (bytes: Uint8Array) => void | Promise<void>, end: () => void): void;
}
