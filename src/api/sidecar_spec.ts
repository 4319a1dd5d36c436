import { boolean, choice, duration, integer, object, percent, size, text } from "../schema/field.ts";
import { parsePercent, parseSize, PERCENT_PATTERN, SIZE_PATTERN } from "../schema/units.ts";
import { accessLog } from "./access_log_spec.ts";
import { trustedHops } from "./deny_spec.ts";
import type { OverloadPolicy } from "./snapshot.ts";
import { computeResources } from "./traffic.ts";

const MEMORY = new RegExp(`${PERCENT_PATTERN.source}|${SIZE_PATTERN.source}`);

const overload = object({
  memory: text({ pattern: MEMORY, expected: 'a part such as "80%" or a size such as "200Mi"' })
    .about(
      "Of the sidecar's resident memory: a size, or a part of what its container may use (else of " +
        "the machine's). 80%: what is in flight still has room to end.",
    )
    .check((value, report) => {
      const bound = memoryBound(value);
      if ("ratio" in bound ? bound.ratio > 0 && bound.ratio <= 1 : bound.bytes >= 1) return;
      report("", `memory is ${value}`, 'write a part up to "100%", or a size');
    })
    .default("80%")
    .example("200Mi"),
  eventLoopLag: duration({ min: "1ms", max: "1m" })
    .about("How late the sidecar comes to what is due, in two tenths of a second in a row. 100ms.")
    .default("100ms"),
});

/** Of the field `overload.memory`. */
export function memoryBound(written: string): OverloadPolicy["memory"] {
  const ratio = parsePercent(written);
  return ratio === null ? { bytes: parseSize(written) ?? 0 } : { ratio };
}

/** How the sidecar is tuned. */
export const sidecar = object({
  enabled: boolean()
    .about("Whether there is one. Without it callers reach the app itself, and no policy holds.")
    .default(true),
  resources: computeResources
    .about("What the sidecar's container reserves.")
    .onlyOn("kubernetes")
    .optional(),
  native: boolean()
    .about(
      "Whether Kubernetes itself starts it before the app and ends it after (an init container that " +
        "stays). `false` for a cluster where that is switched off: then it is the first of the " +
        "containers, the app starts when it is ready, and an App that runs to its end cannot have " +
        "it. Yes.",
    )
    .onlyOn("kubernetes")
    .default(true),
  capture: choice(["env", "loopback"], {
    later: { redirect: "traffic is not redirected by the kernel" },
    onlyOn: { loopback: "kubernetes" },
  })
    .about(
      "How calls reach the sidecar: `env` by addresses in environment variables, which `up` " +
        "always uses; `loopback` by the callee's own name, which is the default on Kubernetes.",
    )
    .optional(),
  accessLog: accessLog
    .about(
      "A line per request on stdout: `json`, `text` or `off`, or an object that says which " +
        "requests. As the Mesh has it by default, else off: metrics count all requests anyway.",
    )
    .optional(),
  workers: integer({ min: 1, max: 64 })
    .about(
      "Threads of the sidecar that take requests; limits, breakers and metrics count for all of " +
        "them together. 1: one thread serves some 50,000 requests a second. Another number takes " +
        "effect when the sidecar starts.",
    )
    .default(1),
  drainTimeout: duration({ max: "1h" })
    .about("How long a stop waits for requests in flight. 10s: Kubernetes kills after 30s.")
    .default("10s"),
  idleTimeout: duration({ min: "100ms", max: "24h" })
    .about(
      "A connection without a request is closed after this. 5m: longer than callers keep theirs.",
    )
    .default("5m"),
  bodyTimeout: duration({ max: "24h" })
    .about(
      "How long a body may stand still because of the caller: of a request's nothing comes (it is " +
        "answered 408), of an answer's nothing is taken (it is broken off). Up to twice as long, " +
        "for it is looked at so often. 1m, as nginx has it. `0` is none.",
    )
    .default("1m"),
  headerTimeout: duration({ min: "100ms", max: "10m" })
    .about("How long a request's head may take to arrive. 10s: what is slower holds connections.")
    .default("10s"),
  overload: overload
    .about(
      "When the sidecar itself has more to do than this, new requests are answered 503 at once " +
        "(flag OM) and what is in flight ends; the paths of `health` are let through, and the " +
        "sidecar stays ready: else its load would fall on the others. It ends when both are below " +
        "nine tenths for half a second. `{}` is enough. None by default.",
    )
    .example({})
    .optional(),
  filterWatchdog: duration({ min: "1s", max: "10m" })
    .about(
      "Where the App has `filters`: a sidecar whose event loop stands still for so long, as in an " +
        "endless loop of their code, is ended and started anew. 5s.",
    )
    .default("5s"),
  tracing: object({
    sample: percent()
      .about("The part of the traces that begin here which is kept. As the Mesh says it by default.")
      .example("100%"),
  })
    .about("What is another here than the Mesh's `tracing` says.")
    .example({ sample: "100%" })
    .optional(),
  trustedHops,
  edge: boolean()
    .about(
      "Requests reach this App from outside, not through the Mesh's gateway: as it does, the " +
        "sidecar writes X-Forwarded-For, -Proto and -Host itself, and believes what came only " +
        "from `trustedHops`. No by default: headers pass as they came.",
    )
    .default(false),
  maxConnections: integer({ min: 1, max: 1_000_000 })
    .about("Connections that a listener accepts. 4096: below the usual limit of open files.")
    .default(4096),
  maxHeaderBytes: size({ min: "1Ki", max: "1Mi" })
    .about("A larger head is answered 431. 64Ki: four times what Node's own server takes.")
    .default("64Ki"),
  maxBody: size()
    .about(
      "A request with a larger body is answered 413. None by default: bodies pass as they come and " +
        "cost no memory, so their size is the app's to bound.",
    )
    .optional()
    .example("10Mi"),
  maxHeaders: integer({ min: 10, max: 10_000 })
    .about("A request with more header fields is answered 431. 100, as Envoy has it.")
    .default(100),
});
