import { appSpec } from "../../src/api/app.ts";
import {
  MAX_CHUNK_LINE,
  MAX_EMPTY_LINES,
  MAX_TRAILER_BYTES,
} from "../../src/codec/http1/decoder.ts";
import { MAX_METHOD_LENGTH } from "../../src/codec/http1/request_decoder.ts";
import { CLUSTER_IDLE_TIMEOUT_MS } from "../../src/compile/defaults.ts";
import { LINGER_MS } from "../../src/proxy/downstream/http1_connection.ts";
import { KEPT_SIGHTINGS } from "../../src/proxy/sightings.ts";
import {
  ANSWER_LIMITS,
  MAX_DISCARD_BYTES,
  MAX_DISCARD_MS,
  MAX_INTERIM,
} from "../../src/proxy/upstream/http1_connection.ts";
import { referenceRows } from "../../src/schema/field.ts";

/** Fields of an App that bound what a peer can take, by whom they bound. */
const FIELDS: readonly (readonly [whom: string, paths: readonly string[]])[] = [
  [
    "Callers",
    [
      "spec.sidecar.maxConnections",
      "spec.sidecar.maxHeaderBytes",
      "spec.sidecar.maxHeaders",
      "spec.sidecar.maxBody",
      "spec.sidecar.headerTimeout",
      "spec.sidecar.bodyTimeout",
      "spec.sidecar.idleTimeout",
      "spec.tls.handshakeTimeout",
      "spec.sidecar.drainTimeout",
    ],
  ],
  [
    "What is called, the same for `spec.limits` and the app itself",
    [
      "spec.calls.NAME.connectTimeout",
      "spec.calls.NAME.timeout",
      "spec.calls.NAME.idleTimeout",
      "spec.calls.NAME.limits.maxConnections",
      "spec.calls.NAME.limits.maxPendingRequests",
      "spec.calls.NAME.limits.maxRequests",
      "spec.calls.NAME.retry.maxBody",
      "spec.calls.NAME.fallback.lastGood.maxBytes",
      "spec.calls.NAME.rateLimit.maxKeys",
      "spec.routes[].mirror.maxBody",
      "spec.routes[].mirror.maxInFlight",
    ],
  ],
];

/** Bounds that nobody sets. */
const FIXED: readonly (readonly [what: string, bound: string])[] = [
  ["A method", `${MAX_METHOD_LENGTH} bytes, else 400`],
  ["Empty lines before a request", `${MAX_EMPTY_LINES}, else 400`],
  ["A chunk's size line with its extensions", `${MAX_CHUNK_LINE} bytes, else 400`],
  ["Trailers", `${MAX_TRAILER_BYTES} bytes, else 400`],
  [
    "An answer's head",
    `${ANSWER_LIMITS.maxHeaderBytes} bytes and ${ANSWER_LIMITS.maxHeaders} headers, else 502`,
  ],
  ["Interim answers to one request", `${MAX_INTERIM}, else 502`],
  [
    "The rest of an answer that nobody wants, so that its connection lives on",
    `${MAX_DISCARD_BYTES} bytes and ${MAX_DISCARD_MS} ms, else it is closed`,
  ],
  ["A closing connection waits for the caller's own close", `${LINGER_MS} ms`],
  ["An idle pooled connection", `${CLUSTER_IDLE_TIMEOUT_MS / 1000} s`],
  ["Malformed messages that are kept to be looked at", `${KEPT_SIGHTINGS}`],
];

/** The page docs/limits.md. @throws Error where a field is gone */
export function limitsPage(): string {
  const rows = new Map(referenceRows(appSpec, "spec").map((row) => [row.path, row]));
  const tables = FIELDS.map(([whom, paths]) => {
    const lines = paths.map((path) => {
      const row = rows.get(path);
      if (row === undefined) throw new Error(`no field of the App file is called ${path}`);
      const written = row.default === undefined ? "" : `\`${String(row.default)}\``;
      return `| \`${path}\` | ${written} | ${row.about.replaceAll("|", "\\|")} |`;
    });
    return `## ${whom}\n\n| field | default | what it bounds |\n|---|---|---|\n${lines.join("\n")}`;
  });
  const fixed = FIXED.map(([what, bound]) => `| ${what} | ${bound} |`);
  return `# Limits

Whatever a peer can make grow has a bound, and every bound has a default. Bodies pass as they come: a
slow reader pauses the other side, and no body is kept but for what is named here. Where a default is
\`0s\` nothing is cut short, for it may have worked before: set \`timeout\` for what is called.

${tables.join("\n\n")}

## Bounds that nobody sets

| what | bound |
|---|---|
${fixed.join("\n")}
`;
}
