import type { RequestRecord, TryRecord } from "../../api/request_record.ts";
import { detached } from "../../codec/ascii.ts";
import { TRACE_FORMAT_BITS, TraceContext } from "../../codec/trace_context.ts";
import type { Stream } from "../stream.ts";
import { reasonOf } from "../telemetry/flag_reasons.ts";

/** What a caller chose is cut: records are kept. */
const MAX_PATH = 256;
const MAX_HOST = 255;
const MAX_ID = 128;
/** Parts of a shorter target may keep the whole of it. */
const LONG = 2 * MAX_PATH;

const ALL = Object.values(TRACE_FORMAT_BITS).reduce((bits, bit) => bits | bit, 0);
/** Only within a call: one for all will do. */
const context = new TraceContext();

/** What a request asked for, as it came: a filter may rewrite it later. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly host: string;
}

export function askedOf({ head }: Stream, showQuery: boolean): Asked {
  const { target } = head;
  const at = target.indexOf("?");
  const path = cut(at < 0 ? target : target.slice(0, at), MAX_PATH);
  const query = at < 0 ? "" : showQuery ? target.slice(at, at + MAX_PATH) : "?...";
  const isLong = target.length > LONG;
  return {
    method: head.method,
    path: isLong ? detached(path) : path,
    query: isLong ? detached(query) : query,
    host: cut(head.host, MAX_HOST),
  };
}

/** @param wallMs of now, as `nowMs` is of the monotonic clock */
export function recordOf(
  stream: Stream,
  asked: Asked,
  tries: readonly TryRecord[],
  nowMs: number,
  wallMs: number,
): RequestRecord {
  const durationMs = nowMs - stream.startedMs;
  return {
    timeMs: wallMs - durationMs,
    listener: stream.listenerName,
    ...asked,
    route: stream.route === null ? null : stream.route.name,
    cluster: stream.cluster === null ? null : stream.cluster.name,
    upstream: stream.endpoint === null ? null : stream.endpoint.key,
    status: stream.status,
    flags: stream.flags === "" ? [] : stream.flags.split(","),
    detail: stream.detail,
    reason: reasonOf(stream.flags, stream.detail),
    durationMs,
    tries,
    requestBytes: stream.requestBytes,
    responseBytes: stream.responseBytes,
    ...idsOf(stream),
  };
}

/** A request that met no filter keeps the ids that it came with. */
function idsOf(stream: Stream): Pick<RequestRecord, "requestId" | "traceId"> {
  let { requestId, traceId } = stream;
  if (requestId === null) {
    const came = stream.head.headers.get("x-request-id");
    requestId = came === null || came.length > MAX_ID ? null : came;
  }
  if (traceId === null) {
    context.read(stream.head.headers, ALL);
    if (context.hasIds) traceId = context.traceId;
  }
  return { requestId, traceId };
}

function cut(text: string, length: number): string {
  return text.length > length ? detached(`${text.slice(0, length)}...`) : text;
}
