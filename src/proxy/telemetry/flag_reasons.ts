/** What Envoy's response flags, and ours, say in words. */
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
  LR: "a filter failed, or a body is too large for it",
  DC: "the caller left",
  DPE: "the caller's request is malformed",
  RL: "a rate limit refused it",
  RLSE: "the shared rate limit had no answer in time",
  DI: "delayed by a fault that was asked for",
  FI: "answered by a fault that was asked for",
};

/** Null where no flag is set. @param flags joined by commas */
export function reasonOf(flags: string): string | null {
  if (flags === "") return null;
  return flags
    .split(",")
    .map((flag) => FLAG_REASONS[flag] ?? flag)
    .join("; ");
}
