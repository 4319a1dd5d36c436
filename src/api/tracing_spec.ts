import type { Infer } from "../schema/field.ts";
import { choice, list, object, percent, text } from "../schema/field.ts";
import type { TracingBinding, TracingPolicy } from "./tracing.ts";

/** The field `tracing` of a Mesh. */

const HTTP_URL = /^http:\/\/[^\s/?#@]+(?:\/[^\s#]*)?$/;
/** Where collectors take spans, if nobody says another path. */
const PATHS = { zipkin: "/api/v2/spans", otlp: "/v1/traces" } as const;

function collector(example: string) {
  return text({
    pattern: HTTP_URL,
    expected: `a URL such as "${example}"`,
    maxLength: 2048,
    advise: (written) => {
      if (written.startsWith("https://")) {
        return "TLS to a collector is missing, so nothing would protect the spans on their way";
      }
      if (/^http:\/\/[^/]*@/.test(written)) return "leave the user and the password out";
      return written.includes("://") ? null : `write "http://${written}"`;
    },
    check: (written) => (URL.canParse(written) ? null : "its host or its port is none"),
  });
}

export const tracing = object({
  zipkin: collector("http://127.0.0.1:9411")
    .about("A collector that takes Zipkin's JSON, version 2. Without a path: `/api/v2/spans`.")
    .example("http://127.0.0.1:9411")
    .optional(),
  otlp: collector("http://127.0.0.1:4318")
    .about("A collector that takes OTLP/HTTP in JSON. Without a path: `/v1/traces`.")
    .example("http://127.0.0.1:4318")
    .optional(),
  sample: percent()
    .about(
      "The part of the traces that begin in the mesh which is kept. 1%: enough to see where time " +
        "goes, and next to nothing to pay. Where a request comes with a decision, that one stands.",
    )
    .default("1%")
    .example("10%"),
  write: list(choice(["w3c", "b3", "b3-multi"]), { min: 1, max: 3 })
    .about(
      "How the next hop is told of a trace: `traceparent`, `b3`, or `x-b3-traceid` and its kin. " +
        "All are read, and what a request came with is passed on besides. `[w3c]`.",
    )
    .default(["w3c"])
    .example(["w3c", "b3"]),
}).check((value, report) => {
  const both = value.zipkin !== undefined && value.otlp !== undefined;
  if (both) report("otlp", "tracing to two collectors", "keep one: it can hand spans on");
  if (value.zipkin === undefined && value.otlp === undefined) {
    report("", "tracing that leads nowhere", 'add zipkin: "http://127.0.0.1:9411" or otlp: URL');
  }
});

export type TracingSpec = Infer<typeof tracing>;

/** @param sample of the App, where it says so itself */
export function tracingPolicy(spec: TracingSpec, sample: number | undefined): TracingPolicy {
  return {
    ratio: sample ?? spec.sample,
    exporter: spec.otlp === undefined ? "zipkin" : "otlp",
    write: [...new Set(spec.write)],
  };
}

export function tracingBinding({ zipkin, otlp }: TracingSpec): TracingBinding {
  const url = new URL(otlp ?? zipkin!);
  if (url.pathname === "/") url.pathname = otlp === undefined ? PATHS.zipkin : PATHS.otlp;
  return { url: url.href };
}
