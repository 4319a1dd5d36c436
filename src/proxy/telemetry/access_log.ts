import type { Clock, Timer, TlsError, TlsState } from "../../base/world.ts";
import type { AccessLogPolicy } from "../../api/snapshot.ts";
import type { CodecError } from "../../codec/message.ts";
import type { Stream } from "../stream.ts";
import { reasonOf } from "./flag_reasons.ts";

/** Lines are handed on together: one write for many requests. */
const FLUSH_AFTER_MS = 100;
const FLUSH_AT_BYTES = 32 * 1024;

/** A JSON line a finished request, with Envoy's names for its fields. */
export class AccessLog {
  format: AccessLogPolicy["format"] = "off";
  readonly #clock: Clock;
  readonly #log: (lines: string) => void;
  #buffer = "";
  #timer: Timer | null = null;

  constructor(clock: Clock, log: (lines: string) => void) {
    this.#clock = clock;
    this.#log = log;
  }

  add(stream: Stream, nowMs: number): void {
    if (this.format === "off" || stream.isMirror) return;
    this.#write(accessRecord(stream, this.#clock.wallMs(), nowMs));
  }

  /** What never became a request. */
  addMalformed(listener: string, remoteAddress: string, error: CodecError): void {
    if (this.format === "off") return;
    this.#write({
      start_time: new Date(this.#clock.wallMs()).toISOString(),
      response_code: error.status,
      response_flags: "DPE",
      response_code_details: error.code,
      reason: error.message,
      ...(error.header === null ? {} : { header: error.header }),
      listener,
      downstream_remote_address: remoteAddress,
    });
  }

  /** A caller whose TLS failed before there was a request, or between two. */
  addHandshake(listener: string, remoteAddress: string, error: TlsError): void {
    if (this.format === "off") return;
    this.#write({
      start_time: new Date(this.#clock.wallMs()).toISOString(),
      response_code: 0,
      response_flags: "DC",
      response_code_details: `tls_${error.reason.replaceAll("-", "_")}`,
      reason: error.message,
      listener,
      downstream_remote_address: remoteAddress,
    });
  }

  #write(record: Record<string, unknown>): void {
    const line = JSON.stringify(record);
    this.#buffer = this.#buffer === "" ? line : `${this.#buffer}\n${line}`;
    if (this.#buffer.length >= FLUSH_AT_BYTES) this.flush();
    else if (this.#timer === null) this.#timer = this.#clock.after(FLUSH_AFTER_MS, this.flush);
  }

  flush = (): void => {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#buffer === "") return;
    const lines = this.#buffer;
    this.#buffer = "";
    this.#log(lines);
  };
}

/** Envoy's default JSON fields, with its response flags. */
function accessRecord(stream: Stream, wallMs: number, nowMs: number): Record<string, unknown> {
  const durationMs = nowMs - stream.startedMs;
  return {
    start_time: new Date(wallMs - durationMs).toISOString(),
    method: stream.head.method,
    path: stream.head.target,
    protocol: `HTTP/1.${stream.head.minorVersion}`,
    authority: stream.head.host,
    response_code: stream.status,
    response_flags: stream.flags === "" ? "-" : stream.flags,
    response_code_details: stream.detail,
    reason: reasonOf(stream.flags),
    bytes_received: stream.requestBytes,
    bytes_sent: stream.responseBytes,
    duration_ms: Math.round(durationMs * 1000) / 1000,
    tries: stream.tries,
    listener: stream.listenerName,
    route_name: stream.route === null ? "-" : stream.route.name,
    upstream_cluster: stream.cluster === null ? "-" : stream.cluster.name,
    upstream_host: stream.upstreamHost,
    downstream_remote_address: stream.remoteAddress,
    request_id: stream.requestId,
    trace_id: stream.traceId,
    user_agent: stream.head.headers.get("user-agent") ?? "-",
    ...(stream.tls === null ? {} : tlsFields(stream.tls)),
  };
}

/** Envoy's DOWNSTREAM_TLS_VERSION, ..._CIPHER, ..._PEER_SUBJECT and the peer's names. */
function tlsFields(tls: TlsState): Record<string, unknown> {
  const fields = {
    downstream_tls_version: `TLSv${tls.version}`,
    downstream_tls_cipher: tls.cipher,
    downstream_tls_server_name: tls.serverName === "" ? "-" : tls.serverName,
  };
  const peer = tls.peer();
  if (peer === null) return fields;
  return {
    ...fields,
    downstream_peer_subject: peer.subject,
    downstream_peer_sans: peer.subjectAltNames,
    downstream_peer_fingerprint: peer.fingerprint,
  };
}
