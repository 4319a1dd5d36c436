/**
 * What a sidecar says at run time. `error`: failed requests and events that tell of trouble.
 * `info`: as its policy has it. `debug`: besides, each request as it comes and each try's outcome.
 */
export type LogLevel = "error" | "info" | "debug";

export const LOG_LEVELS: readonly LogLevel[] = ["error", "info", "debug"];

/** What `PUT /log-level` takes; null for anything else. */
export function readLogLevel(value: unknown): LogLevel | null {
  if (typeof value !== "object" || value === null) return null;
  const { level } = value as { readonly level?: unknown };
  return LOG_LEVELS.find((one) => one === level) ?? null;
}
