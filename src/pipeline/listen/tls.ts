import { resolve } from "node:path";
import { FileError, TlsError } from "../../base/world.ts";
import type { Timer, TlsContext, TlsServerOptions, World } from "../../base/world.ts";
import { choice, object, text } from "../../schema/field.ts";
import type { CheckReport, Infer } from "../../schema/field.ts";
import type { Count, Report } from "../component.ts";

export const tlsField = object({
  certificate: text()
    .about("PEM file: the certificate and its intermediates. Read again when it changes.")
    .example("tls/server.crt"),
  key: text().about("PEM file of its private key.").example("tls/server.key"),
  ca: text()
    .about("PEM file: who may sign the senders' certificates.")
    .example("tls/senders.crt")
    .optional(),
  clientCertificate: choice(["none", "request", "require"])
    .about("Whether senders have to show a certificate that `ca` signed.")
    .default("none"),
});

export type TlsFiles = Infer<typeof tlsField>;

/** What serves by it: a listener, or a server that has one. */
interface Served {
  setTls(tls: TlsServerOptions): void;
}

/**
 * For a source that listens by several schemes, of which one is TLS: `tls` is there with it, and not
 * without it. The check of the fields `listen` and `tls`.
 */
export function checkTls(scheme: string) {
  return (
    { listen, tls }: { readonly listen: string; readonly tls?: TlsFiles | undefined },
    report: CheckReport,
  ): void => {
    const isTls = listen.startsWith(`${scheme}:`);
    if (isTls && tls === undefined) report("tls", `${listen} needs tls`);
    if (isTls || tls === undefined) return;
    const advice = `write ${scheme}:// in listen, or leave tls out`;
    report("tls", `tls is for "${scheme}://..."`, advice);
  };
}

/** Certificates are replaced long before they end; a look is three stats. */
const LOOK_MS = 10_000;

/** The certificate of one listener, read again when one of its files changes. */
export class ListenerTls {
  #world: World;
  #files: TlsFiles;
  #folder: string;
  #report: Report;
  #count: Count;
  #saidFailure = false;
  #context: TlsContext;
  #listener: Served | null = null;
  #seen: string;
  #timer: Timer | null = null;

  /** @throws FileError or TlsError where a file is missing or wrong. */
  constructor(world: World, files: TlsFiles, folder: string, report: Report, count: Count) {
    this.#world = world;
    this.#files = files;
    this.#folder = folder;
    this.#report = report;
    this.#count = count;
    this.#seen = this.#look(files);
    this.#context = this.#read(files);
  }

  get options(): TlsServerOptions {
    const context = this.#context;
    return { contextFor: () => context, clientCertificate: this.#files.clientCertificate };
  }

  /** A connection ended so: counted where it is a handshake's failure, and said once. */
  ended(error: Error | null): void {
    if (!(error instanceof TlsError)) return;
    this.#count("tls_failures");
    if (!this.#saidFailure) this.#report(`${error.message} (said once; counted from here on)`);
    this.#saidFailure = true;
  }

  /** Other files for the same listener. @throws FileError or TlsError */
  reconfigure(files: TlsFiles): () => void {
    const context = this.#read(files);
    const seen = this.#look(files);
    return () => {
      this.#files = files;
      this.#context = context;
      this.#seen = seen;
      this.#listener?.setTls(this.options);
    };
  }

  watch(listener: Served): void {
    this.#listener = listener;
    this.#timer = this.#world.clock.every(LOOK_MS, () => this.#renew(listener));
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** What cannot be read leaves the last good one in force. */
  #renew(listener: Served): void {
    const seen = this.#look(this.#files);
    if (seen === this.#seen) return;
    this.#seen = seen;
    try {
      this.#context = this.#read(this.#files);
      listener.setTls(this.options);
      this.#report(`the certificate was read again from ${this.#files.certificate}`);
    } catch (error) {
      if (!(error instanceof FileError) && !(error instanceof TlsError)) throw error;
      this.#report(`${error.message}; the certificate before it stays in force`);
    }
  }

  #paths({ certificate, key, ca }: TlsFiles): string[] {
    const written = ca === undefined ? [certificate, key] : [certificate, key, ca];
    return written.map((path) => resolve(this.#folder, path));
  }

  #look(files: TlsFiles): string {
    const looks = this.#paths(files).map((path) => {
      try {
        const stat = this.#world.files.stat(path);
        return stat === null ? "-" : `${stat.inode}.${stat.sizeBytes}.${stat.modifiedMs}`;
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        return error.code;
      }
    });
    return looks.join(" ");
  }

  #read(files: TlsFiles): TlsContext {
    const [certificate, key, ca] = this.#paths(files).map((path) => this.#world.files.readText(path));
    const identity = { certificate: certificate!, key: key! };
    return this.#world.net.tlsContext(ca === undefined ? identity : { ...identity, ca });
  }
}
