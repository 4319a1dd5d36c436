import type { Clock, Random, Timer, TlsError, TlsState } from "../../base/world.ts";
import type { AccessLogPolicy } from "../../api/snapshot.ts";
import type { CodecError } from "../../codec/message.ts";
import type { Stream } from "../stream.ts";
import { accessText, refusedText } from "./access_text.ts";
import { reasonOf } from "./flag_reasons.ts";

/** Lines are handed on together: one write for many requests. */
const FLUSH_AFTER_MS = 100;
const FLUSH_AT_BYTES = 32 * 1024;

/** A line a finished request: JSON with Envoy's names for its fields, or text as Envoy writes it. */
export class AccessLog {
  #policy: AccessLogPolicy = { format: "off" };
  /** As the log level wants it: of what the policy would write. */
  onlyErrors = false;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: (lines: string) => void;
  #buffer = "";
  #timer: Timer | null = null;

  constructor(clock: Clock, random: Random, log: (lines: string) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
  }

  setPolicy(policy: AccessLogPolicy): void {
    this.#policy = policy;
  }

  add(stream: Stream, nowMs: number): void {
    const { format } = this.#policy;
    if (format === "off" || stream.isMirror) return;
    const durationMs = nowMs - stream.startedMs;
    const { status, flags } = stream;
    const isError = status === 0 || status >= 500 || flags !== "";
    if ((this.onlyErrors && !isError) || !this.#wants(isError, durationMs)) return;
    const startTime = new Date(this.#clock.wallMs() - durationMs).toISOString();
    if (format === "text") this.#writeLine(accessText(stream, startTime, durationMs));
    else this.#writeLine(JSON.stringify(accessRecord(stream, startTime, durationMs)));
  }

  #wants(isError: boolean, durationMs: number): boolean {
    const { only } = this.#policy;
    if (only === undefined || (only.errors && isError)) return true;
    if (only.slowerThanMs !== undefined && durationMs >= only.slowerThanMs) return true;
    return only.sampleRatio !== undefined && this.#random.next() < only.sampleRatio;
  }

  /** What never became a request. */
  addMalformed(listener: string, remoteAddress: string, error: CodecError): void {
    const { status, code, message, header } = error;
    const more = header === null ? {} : { header };
    const details = { response_code_details: code, reason: message, ...more };
    this.#addRefused(listener, remoteAddress, status, "DPE", details);
  }

  /** A caller whose TLS failed before there was a request, or between two. */
  addHandshake(listener: string, remoteAddress: string, error: TlsError): void {
    const code = `tls_${error.reason.replaceAll("-", "_")}`;
    const details = { response_code_details: code, reason: error.message };
    this.#addRefused(listener, remoteAddress, 0, "DC", details);
  }

  #addRefused(
    listener: string,
    remoteAddress: string,
    status: number,
    flags: string,
    details: { readonly response_code_details: string; readonly reason: string },
  ): void {
    const { format } = this.#policy;
    if (format === "off" || !this.#wants(true, 0)) return;
    const startTime = new Date(this.#clock.wallMs()).toISOString();
    if (format === "text") {
      const { reason } = details;
      this.#writeLine(refusedText({ startTime, status, flags, reason, remoteAddress }));
      return;
    }
    const record = {
      start_time: startTime,
      response_code: status,
      response_flags: flags,
      ...details,
      listener,
      downstream_remote_address: remoteAddress,
    };
    this.#writeLine(JSON.stringify(record));
  }

  #writeLine(line: string): void {
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
function accessRecord(
  stream: Stream,
  startTime: string,
  durationMs: number,
): Record<string, unknown> {
  return {
    start_time: startTime,
    method: stream.head.method,
    path: stream.head.target,
    protocol: `HTTP/1.${stream.head.minorVersion}`,
    authority: stream.head.host,
    response_code: stream.status,
    response_flags: stream.flags === "" ? "-" : stream.flags,
    response_code_details: stream.detail,
    reason: reasonOf(stream.flags, stream.detail),
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
