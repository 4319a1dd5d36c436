import { boolean, choice, duration, integer, object, size } from "../schema/field.ts";
import { trustedHops } from "./deny_spec.ts";
import { computeResources } from "./traffic.ts";

/** How the sidecar is tuned. */
export const sidecar = object({
  enabled: boolean()
    .about("Whether there is one. Without it callers reach the app itself, and no policy holds.")
    .default(true),
  resources: computeResources
    .about("What the sidecar's container reserves.")
    .onlyOn("kubernetes")
    .optional(),
  capture: choice(["env", "loopback"], {
    later: { redirect: "traffic is not redirected by the kernel" },
    onlyOn: { loopback: "kubernetes" },
  })
    .about(
      "How calls reach the sidecar: `env` by addresses in environment variables, which `up` " +
        "always uses; `loopback` by the callee's own name, which is the default on Kubernetes.",
    )
    .optional(),
  accessLog: choice(["json", "off"])
    .about(
      "`json`: a line per request on stdout. Off by default: metrics count all requests anyway.",
    )
    .default("off"),
  drainTimeout: duration({ max: "1h" })
    .about("How long a stop waits for requests in flight. 10s: Kubernetes kills after 30s.")
    .default("10s"),
  idleTimeout: duration({ min: "100ms", max: "24h" })
    .about(
      "A connection without a request is closed after this. 5m: longer than callers keep theirs.",
    )
    .default("5m"),
  headerTimeout: duration({ min: "100ms", max: "10m" })
    .about("How long a request's head may take to arrive. 10s: what is slower holds connections.")
    .default("10s"),
  trustedHops,
  maxConnections: integer({ min: 1, max: 1_000_000 })
    .about("Connections that a listener accepts. 4096: below the usual limit of open files.")
    .default(4096),
  maxHeaderBytes: size({ min: "1Ki", max: "1Mi" })
    .about("A larger head is answered 431. 64Ki: four times what Node's own server takes.")
    .default("64Ki"),
  maxHeaders: integer({ min: 10, max: 10_000 })
    .about("A request with more header fields is answered 431. 100, as Envoy has it.")
    .default(100),
});
