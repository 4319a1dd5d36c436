import type { ClusterTlsBinding, ClusterTlsPolicy, Snapshot } from "../../api/snapshot.ts";
import { Failure } from "../../base/failure.ts";
import type {
  CertificateFacts,
  TlsClientOptions,
  TlsContext,
  TlsError,
  TlsSessions,
  TlsState,
} from "../../base/world.ts";
import type { ProxyContext } from "../context.ts";
import { HandshakeReport } from "../listener/handshake_report.ts";
import { increment, TlsCounters } from "../telemetry/counters.ts";
import { WatchedFiles } from "../watched_files.ts";
import type { Endpoint } from "./endpoint.ts";

const ALPN = ["http/1.1"] as const;

/**
 * How a cluster's connections are secured: whom to trust, the name that the callee must have, and the
 * certificate to show it. Files are read again when they change; connections that are open live on.
 */
export class ClusterTls {
  readonly counters = new TlsCounters();
  readonly #cluster: string;
  readonly #policy: ClusterTlsPolicy;
  readonly #binding: ClusterTlsBinding;
  readonly #context: ProxyContext;
  readonly #failures: HandshakeReport;
  readonly #watched: WatchedFiles;
  #tls: TlsContext;
  /** Each endpoint has its own tickets. With other files none of before is shown any more. */
  #sessions = new WeakMap<Endpoint, TlsClientOptions>();

  /** @throws Failure `refused` that names the file and what is wrong with it. */
  constructor(
    cluster: string,
    policy: ClusterTlsPolicy,
    binding: ClusterTlsBinding,
    context: ProxyContext,
  ) {
    this.#cluster = cluster;
    this.#policy = policy;
    this.#binding = binding;
    this.#context = context;
    this.#failures = new HandshakeReport(context);
    const { ca, client } = binding;
    const paths = [ca, client?.certificate, client?.key].filter((path) => typeof path === "string");
    // Before they are read, so that no change is missed.
    this.#watched = new WatchedFiles(
      context,
      paths,
      () => this.#reload(),
      (text) => {
        this.counters.reloadFailures++;
        const stays = "what was in force stays so";
        context.events.add("certificate-refused", cluster, `${text}; ${stays}`);
      },
    );
    try {
      this.#tls = this.#load();
    } catch (error) {
      this.#watched.close();
      throw error;
    }
  }

  /** What it shows callees that ask; null for nothing. */
  get certificate(): CertificateFacts | null {
    return this.#tls.certificate;
  }

  optionsFor(endpoint: Endpoint): TlsClientOptions {
    let options = this.#sessions.get(endpoint);
    if (options === undefined) {
      options = {
        context: this.#tls,
        serverName: this.#policy.serverName,
        minVersion: this.#policy.minVersion,
        alpn: ALPN,
        sessions: new NewestSession(),
      };
      this.#sessions.set(endpoint, options);
    }
    return options;
  }

  opened({ version, resumed }: TlsState): void {
    increment(this.counters.handshakes, version);
    if (resumed) this.counters.resumed++;
  }

  failed(error: TlsError): void {
    increment(this.counters.failures, error.reason);
    this.#failures.add(this.#cluster, error);
  }

  close(): void {
    this.#watched.close();
  }

  #load(): TlsContext {
    const { ca, client } = this.#binding;
    const identity = {
      ...(ca === null ? {} : { ca: this.#read(ca) }),
      ...(client === null
        ? {}
        : { certificate: this.#read(client.certificate), key: this.#read(client.key) }),
    };
    try {
      return this.#context.net.tlsContext(identity);
    } catch (error) {
      const files = [ca, client?.certificate, client?.key].filter((path) => path != null);
      throw this.#refusal(`${(error as Error).message} (${files.join(", ")})`);
    }
  }

  #read(path: string): string {
    try {
      return this.#context.world.files.readText(path);
    } catch (error) {
      throw this.#refusal((error as Error).message);
    }
  }

  #refusal(text: string): Failure {
    return new Failure("refused", `TLS to cluster ${this.#cluster}: ${text}`);
  }

  #reload(): void {
    this.#tls = this.#load();
    this.#sessions = new WeakMap();
    this.counters.reloads++;
    const { certificate } = this.#tls;
    const shown =
      certificate === null
        ? "other CAs are trusted"
        : `the certificate ${certificate.subject} is shown, valid until ` +
          new Date(certificate.notAfterMs).toISOString();
    const text = `from now on ${shown}`;
    this.#context.events.add("certificate-loaded", this.#cluster, text);
  }
}

/** No ticket is used twice (RFC 8446, C.4). */
class NewestSession implements TlsSessions {
  #session: Uint8Array | null = null;

  take(): Uint8Array | null {
    const session = this.#session;
    this.#session = null;
    return session;
  }

  keep(session: Uint8Array): void {
    this.#session = session;
  }
}

/** The TLS of all clusters of a proxy: what a new Snapshot leaves as it is lives on. */
export class ClusterTlsStores {
  readonly #context: ProxyContext;
  readonly #stores = new Map<string, ClusterTls>();

  constructor(context: ProxyContext) {
    this.#context = context;
  }

  /**
   * Null for a cluster without TLS.
   * @throws Failure `refused` where its files cannot be used.
   */
  of(snapshot: Snapshot, cluster: string): ClusterTls | null {
    const { tls } = snapshot.policy.clusters[cluster]!;
    if (tls === undefined) return null;
    const binding = snapshot.bindings.clusters[cluster]?.tls ?? { ca: null, client: null };
    const key = keyOf(snapshot, cluster)!;
    let store = this.#stores.get(key);
    if (store === undefined) {
      store = new ClusterTls(cluster, tls, binding, this.#context);
      this.#stores.set(key, store);
    }
    return store;
  }

  /** Null: nothing. */
  keepOnly(snapshot: Snapshot | null): void {
    const names = snapshot === null ? [] : Object.keys(snapshot.policy.clusters);
    const kept = new Set(names.map((name) => keyOf(snapshot!, name)));
    for (const [key, store] of this.#stores) {
      if (kept.has(key)) continue;
      store.close();
      this.#stores.delete(key);
    }
  }
}

function keyOf({ policy, bindings }: Snapshot, cluster: string): string | null {
  const { tls } = policy.clusters[cluster]!;
  if (tls === undefined) return null;
  return JSON.stringify([cluster, tls, bindings.clusters[cluster]?.tls ?? null]);
}
