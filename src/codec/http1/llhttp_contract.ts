import { createRequire } from "node:module";

/**
 * llhttp, as it comes with Bun for `node:http`: the parser to compare ours with. Tests only.
 */

export interface WireMessage {
  /** Method and target, or the status. */
  line: string;
  /** 0 for requests. */
  status: number;
  host: string | null;
  body: string;
}

export interface LlhttpResult {
  readonly messages: readonly WireMessage[];
  /**
   * Why llhttp reads no further where we do, a difference that is known and harmless: it stops
   * behind `Connection: close` and at an upgrade, knows a fixed list of methods, and parses chunk
   * extensions that we only bound and drop.
   */
  readonly stopped: string | null;
  readonly error: string | null;
}

interface Parser {
  [callback: number]: (...values: never[]) => unknown;
  initialize(type: number, resource: object): void;
  execute(bytes: Uint8Array): unknown;
  finish(): unknown;
}

interface HttpCommon {
  readonly methods: readonly string[];
  readonly HTTPParser: {
    new (): Parser;
    readonly REQUEST: number;
    readonly RESPONSE: number;
    readonly kOnHeaders: number;
    readonly kOnHeadersComplete: number;
    readonly kOnBody: number;
    readonly kOnMessageComplete: number;
  };
}

const { HTTPParser, methods } = createRequire(import.meta.url)("node:_http_common") as HttpCommon;

const KNOWN_STOPS = [
  "HPE_CLOSED_CONNECTION",
  "HPE_INVALID_METHOD",
  "HPE_PAUSED_UPGRADE",
  "HPE_STRICT",
  // The method PRI is nothing else to it; no version of ours reads one as a preface.
  "Expected HTTP/2 Connection Preface",
  // In a response without a body, where it frames nothing.
  "Empty Transfer-Encoding",
];

/** The whole messages that llhttp reads from the bytes and the end behind them. */
export function llhttpMessages(
  side: "request" | "response",
  expected: readonly string[],
  input: Uint8Array,
): LlhttpResult {
  const messages: WireMessage[] = [];
  let message: WireMessage | null = null;
  let fields: string[] = [];
  let upgraded = false;
  let answered = 0;
  const parser = new HTTPParser();
  parser.initialize(side === "request" ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {});
  let flushedUrl = "";
  // Called where there are many headers, and for trailers; from then on also for each next head.
  parser[HTTPParser.kOnHeaders] = (more: string[], url: string | undefined) => {
    fields.push(...more);
    flushedUrl += url ?? "";
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    headers: string[] | undefined,
    method: number,
    url: string | undefined,
    status: number,
    _reason: string,
    upgrade: boolean,
  ): number => {
    fields.push(...(headers ?? []));
    const isHost = (_: string, at: number): boolean => fields[at - 1]?.toLowerCase() === "host";
    const hosts = fields.filter((value, at) => at % 2 === 1 && isHost(value, at));
    message = {
      line: side === "request" ? `${methods[method]} ${url ?? flushedUrl}` : String(status),
      status: status ?? 0,
      host: hosts.length === 0 ? null : hosts.join(", "),
      body: "",
    };
    // After 101 llhttp reads no messages, whatever its owner decides.
    upgraded = upgrade || status === 101;
    if (side === "request") return 0;
    const isFinal = status >= 200;
    const asked = expected[Math.min(answered, expected.length - 1)]!;
    if (isFinal) answered++;
    return asked === "HEAD" || (asked === "CONNECT" && status >= 200 && status < 300) ? 1 : 0;
  };
  parser[HTTPParser.kOnBody] = (body: Uint8Array) => {
    message!.body += Buffer.from(body).toString("latin1");
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    messages.push(message!);
    fields = [];
    flushedUrl = "";
  };
  const error = errorOf(() => parser.execute(Buffer.from(input))) ?? errorOf(() => parser.finish());
  const isKnown = KNOWN_STOPS.some((stop) => error?.includes(stop) === true);
  return { messages, error, stopped: upgraded ? "upgrade" : isKnown ? error : null };
}

/** Bun throws it, Node returns it. */
function errorOf(run: () => unknown): string | null {
  let result: unknown;
  try {
    result = run();
  } catch (error) {
    result = error;
  }
  if (!(result instanceof Error)) return null;
  const { code, reason } = result as Error & { code?: string; reason?: string };
  return `${code}: ${reason ?? result.message}`;
}
