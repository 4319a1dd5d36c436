import { DECISIONS, type FailureCode } from "../errors.ts";

/**
 * What Envoy's response flags, and ours, say in words. Where several failures share a flag this is
 * what they have in common; `reasonOf` says which one it was.
 */
export const FLAG_REASONS: Readonly<Record<string, string>> = {
  NR: "no route for this host and path",
  OM: "the sidecar has too much to do",
  AC: "more requests than the callee bears",
  UO: "a limit of the callee is reached, or its circuit breaker is open",
  UH: "no endpoint to send to",
  UF: "cannot connect upstream",
  UC: "the upstream closed the connection",
  UT: "the upstream did not answer in time",
  SI: "no data came in time",
  UPE: "the upstream's answer is malformed",
  URX: "no retry is left",
  LR: "a filter failed",
  DC: "the caller left",
  DPE: "the caller's request is malformed",
  RL: "a rate limit refused it",
  RLSE: "the shared rate limit had no answer in time",
  DI: "delayed by a fault that was asked for",
  FI: "answered by a fault that was asked for",
};

/** Of the failures whose flag has others too. */
const CODE_REASONS: Partial<Readonly<Record<FailureCode, string>>> = {
  "bad-path": "the path cannot be normalised",
  "unsupported-method": "CONNECT is not offered here",
  "breaker-open": "the callee's circuit breaker is open",
  "overflow-requests": "the callee has as many requests in flight as its limit allows",
  "overflow-pending": "as many requests wait for a connection as the callee's limit allows",
  "connect-timeout": "the connection to the upstream was not made in time",
  "tls-failure": "the upstream's TLS or certificate is not as expected, or it refuses ours",
  "per-try-timeout": "the upstream did not answer within the time of a try",
  timeout: "the upstream did not answer within the route's time",
  "idle-timeout": "no byte passed within the route's idle time",
  "request-body-timeout": "the request's body did not arrive in time",
  "answer-not-read": "the caller did not read its answer in time",
  "body-too-large": "the request's body is larger than the listener takes",
  "request-too-large": "the request's body is larger than a filter takes",
  "response-too-large": "the answer's body is larger than a filter takes",
};

/** A failure's code within a detail: `reset`, `no-endpoint{api}`, `fallback_open{breaker-open}`. */
const CODE_IN_DETAIL = /^(?:(?:fallback|last_good)_[\w-]+\{)?([a-z-]+)/;

/** Null where no flag is set. @param flags joined by commas @param detail of the stream */
export function reasonOf(flags: string, detail = ""): string | null {
  if (flags === "") return null;
  const code = CODE_IN_DETAIL.exec(detail)?.[1] ?? "";
  const isFailure = Object.hasOwn(DECISIONS, code);
  return flags
    .split(",")
    .map((flag) => {
      const exact =
        isFailure && DECISIONS[code as FailureCode].flag === flag
          ? CODE_REASONS[code as FailureCode]
          : undefined;
      return exact ?? FLAG_REASONS[flag] ?? flag;
    })
    .join("; ");
}
