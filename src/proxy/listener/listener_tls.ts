import type { ListenerTlsBinding, ListenerTlsPolicy, Snapshot } from "../../api/snapshot.ts";
import type { CertificateStats } from "../../api/stats.ts";
import { Failure } from "../../base/failure.ts";
import type { CertificateFacts, TlsContext, TlsServerOptions } from "../../base/world.ts";
import type { ProxyContext } from "../context.ts";
import type { TlsCounters } from "../telemetry/counters.ts";
import { WatchedFiles } from "../watched_files.ts";

/** Renewals come a month before the end as a rule: two weeks before it something is wrong. */
const EXPIRES_SOON_MS = 14 * 86_400_000;

/** HTTP/2 is not offered yet. */
const ALPN = ["http/1.1"] as const;

const PLAINTEXT_BODY = "This port speaks HTTPS: ask for https:// instead of http://.\n";
const PLAINTEXT_ANSWER = new TextEncoder().encode(
  "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n" +
    `content-length: ${PLAINTEXT_BODY.length}\r\n\r\n${PLAINTEXT_BODY}`,
);

interface Loaded {
  readonly name: string;
  readonly context: TlsContext;
  readonly facts: CertificateFacts;
}

/**
 * The certificates of one listener: read from their files, and again when these change. What cannot
 * be used is reported, and what was in force stays so.
 */
export class ListenerTls {
  /** Told when there are new `options`. */
  changed: () => void = () => {};
  readonly #listener: string;
  readonly #policy: ListenerTlsPolicy;
  readonly #binding: ListenerTlsBinding;
  readonly #context: ProxyContext;
  readonly #counters: TlsCounters;
  #loaded: readonly Loaded[];
  #options: TlsServerOptions;
  readonly #watched: WatchedFiles;
  readonly #expiring = new Set<string>();

  /** @throws Failure `refused` that names the file and what is wrong with it. */
  constructor(
    listener: string,
    policy: ListenerTlsPolicy,
    binding: ListenerTlsBinding,
    counters: TlsCounters,
    context: ProxyContext,
  ) {
    this.#listener = listener;
    this.#policy = policy;
    this.#binding = binding;
    this.#counters = counters;
    this.#context = context;
    // Before they are read, so that no change is missed.
    this.#watched = new WatchedFiles(
      context,
      this.#paths(),
      () => this.#reload(),
      (text) => this.#complain(text),
      () => this.#warn(),
    );
    try {
      this.#loaded = this.#load([]);
    } catch (error) {
      this.#watched.close();
      throw error;
    }
    this.#options = this.#makeOptions();
    this.#warn();
  }

  get options(): TlsServerOptions {
    return this.#options;
  }

  get certificates(): readonly CertificateStats[] {
    return this.#loaded.map(({ name, facts }) => ({
      name,
      subject: facts.subject,
      notAfterMs: facts.notAfterMs,
      fingerprint: facts.fingerprint,
    }));
  }

  close(): void {
    this.changed = () => {};
    this.#watched.close();
  }

  // -------------------------------------------------------------- reading

  /** Certificates whose files did not change keep their contexts, and so their sessions. */
  #load(before: readonly Loaded[]): readonly Loaded[] {
    const { clientCa } = this.#binding;
    const isNew = (path: string): boolean => this.#watched.isNew(path);
    const caIsNew = clientCa !== null && isNew(clientCa);
    const ca = clientCa === null ? null : this.#read(clientCa, "the file of client CAs");
    return this.#policy.certificates.map((name): Loaded => {
      const files = this.#binding.certificates[name];
      if (files === undefined) throw this.#refusal(`certificate ${name} has no files`);
      const old = before.find((one) => one.name === name);
      const isSame = !isNew(files.certificate) && !isNew(files.key) && !caIsNew;
      return old !== undefined && isSame ? old : this.#make(name, ca);
    });
  }

  #make(name: string, ca: string | null): Loaded {
    const files = this.#binding.certificates[name]!;
    const certificate = this.#read(files.certificate, `certificate ${name}`);
    const key = this.#read(files.key, `the key of certificate ${name}`);
    try {
      const identity = { certificate, key, ...(ca === null ? {} : { ca }) };
      const context = this.#context.net.tlsContext(identity);
      return { name, context, facts: context.certificate! };
    } catch (error) {
      const where = `${files.certificate} with ${files.key}`;
      const which = ca === null ? where : `${where}, or ${this.#binding.clientCa!}`;
      throw this.#refusal(`certificate ${name}: ${(error as Error).message} (${which})`);
    }
  }

  #read(path: string, what: string): string {
    try {
      return this.#context.world.files.readText(path);
    } catch (error) {
      throw this.#refusal(`${what}: ${(error as Error).message}`);
    }
  }

  #refusal(text: string): Failure {
    return new Failure("refused", `listener ${this.#listener}: ${text}`);
  }

  #paths(): string[] {
    const { certificates, clientCa } = this.#binding;
    const paths = Object.values(certificates).flatMap(({ certificate, key }) => [certificate, key]);
    return clientCa === null ? paths : [...paths, clientCa];
  }

  #makeOptions(): TlsServerOptions {
    const { clientCertificate, minVersion, handshakeTimeoutMs } = this.#policy;
    const table = new NameTable(this.#loaded);
    return {
      contextFor: (serverName) => table.find(serverName),
      clientCertificate,
      minVersion,
      handshakeTimeoutMs,
      alpn: ALPN,
      plaintextAnswer: PLAINTEXT_ANSWER,
    };
  }

  // -------------------------------------------------------------- changes

  /** @throws Failure where they cannot be used. */
  #reload(): void {
    const before = this.#loaded;
    this.#loaded = this.#load(before);
    const renewed = this.#loaded.filter((one) => !before.includes(one));
    // Touched, not changed.
    if (renewed.length === 0) return;
    this.#options = this.#makeOptions();
    this.#counters.reloads++;
    for (const { name, facts } of renewed) {
      const until = new Date(facts.notAfterMs).toISOString();
      const text = `certificate ${name} (${facts.subject}) is in force, valid until ${until}`;
      this.#context.events.add("certificate-loaded", this.#listener, text);
    }
    this.#warn();
    this.changed();
  }

  #complain(text: string): void {
    this.#counters.reloadFailures++;
    const stays = "what was in force stays so";
    this.#context.events.add("certificate-refused", this.#listener, `${text}; ${stays}`);
  }

  #warn(): void {
    const now = this.#context.clock.wallMs();
    for (const { name, facts } of this.#loaded) {
      const leftMs = facts.notAfterMs - now;
      if (leftMs > EXPIRES_SOON_MS) continue;
      const isOver = leftMs <= 0;
      const once = `${facts.fingerprint} ${isOver}`;
      if (this.#expiring.has(once)) continue;
      this.#expiring.add(once);
      const when = new Date(facts.notAfterMs).toISOString();
      const text = isOver ? `has expired at ${when}` : `expires at ${when}`;
      this.#context.events.add("certificate-expires", this.#listener, `certificate ${name} ${text}`);
    }
  }
}

/** Which certificate is for a name: exact names go before wildcards, the first file before others. */
class NameTable {
  readonly #exact = new Map<string, TlsContext>();
  /** By what stands behind `*.`. */
  readonly #wildcards = new Map<string, TlsContext>();
  readonly #first: TlsContext;

  constructor(loaded: readonly Loaded[]) {
    this.#first = loaded[0]!.context;
    for (const { context, facts } of loaded) {
      for (const name of namesOf(facts)) {
        const isWildcard = name.startsWith("*.");
        const table = isWildcard ? this.#wildcards : this.#exact;
        const key = isWildcard ? name.slice(2) : name;
        if (!table.has(key)) table.set(key, context);
      }
    }
  }

  /** A `*` is one whole label (RFC 9525, 6.3). */
  find(serverName: string): TlsContext {
    const exact = this.#exact.get(serverName);
    if (exact !== undefined) return exact;
    const parent = serverName.slice(serverName.indexOf(".") + 1);
    return this.#wildcards.get(parent) ?? this.#first;
  }
}

/** The common name counts only where there are no others. */
function namesOf({ subject, subjectAltNames }: CertificateFacts): string[] {
  const names = subjectAltNames.filter((name) => name.startsWith("DNS:"));
  if (names.length > 0) return names.map((name) => name.slice(4).toLowerCase());
  const commonName = /(?:^|,)CN=([^,]+)/.exec(subject)?.[1];
  return commonName === undefined ? [] : [commonName.toLowerCase()];
}

/** The certificates of all listeners of a proxy: what a new Snapshot leaves as it is lives on. */
export class TlsStores {
  readonly #context: ProxyContext;
  readonly #stores = new Map<string, ListenerTls>();

  constructor(context: ProxyContext) {
    this.#context = context;
  }

  /**
   * Null for a listener without TLS.
   * @throws Failure `refused` where its files cannot be used.
   */
  of(snapshot: Snapshot, listener: string, counters: TlsCounters): ListenerTls | null {
    const key = keyOf(snapshot, listener);
    if (key === null) return null;
    let store = this.#stores.get(key);
    if (store === undefined) {
      const { tls } = snapshot.policy.listeners[listener]!;
      const binding = snapshot.bindings.tls?.[listener];
      if (binding === undefined) {
        throw new Failure("refused", `listener ${listener} has no binding for its certificates`);
      }
      store = new ListenerTls(listener, tls!, binding, counters, this.#context);
      this.#stores.set(key, store);
    }
    return store;
  }

  /** Null: nothing. */
  keepOnly(snapshot: Snapshot | null): void {
    const names = snapshot === null ? [] : Object.keys(snapshot.policy.listeners);
    const kept = new Set(names.map((name) => keyOf(snapshot!, name)));
    for (const [key, store] of this.#stores) {
      if (kept.has(key)) continue;
      store.close();
      this.#stores.delete(key);
    }
  }
}

function keyOf({ policy, bindings }: Snapshot, listener: string): string | null {
  const { tls } = policy.listeners[listener]!;
  if (tls === undefined) return null;
  return JSON.stringify([listener, tls, bindings.tls?.[listener] ?? null]);
}
