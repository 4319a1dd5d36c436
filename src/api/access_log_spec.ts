import { boolean, choice, duration, object, oneOf, percent } from "../schema/field.ts";
import type { AccessLogPolicy } from "./snapshot.ts";

/** The access log: of one App's sidecar, or of all that the Mesh has. */
export const accessLog = oneOf(
  choice(["json", "text", "off"]),
  object({
    format: choice(["json", "text"])
      .about("`json` with Envoy's names; `text` in Envoy's default format, then the reason in words.")
      .default("json"),
    errors: boolean()
      .about(
        "Only what went wrong: answers of 500 and above, requests without an answer, and what " +
          "has a flag. With other conditions: whatever meets one of them.",
      )
      .default(false),
    slowerThan: duration({ min: "1ms", max: "1h" })
      .about("Only requests that took at least this; see `errors`.")
      .optional()
      .example("1s"),
    sample: percent()
      .about("Only this part of the requests, by chance; see `errors`.")
      .optional()
      .example("1%"),
  }),
)
  .as(accessLogPolicy)
  .example("json")
  .example({ format: "text", errors: true, slowerThan: "1s", sample: "1%" });

type Written =
  | AccessLogPolicy["format"]
  | {
      readonly format: "json" | "text";
      readonly errors: boolean;
      readonly slowerThan?: number | undefined;
      readonly sample?: number | undefined;
    };

function accessLogPolicy(written: Written): AccessLogPolicy {
  if (typeof written === "string") return { format: written };
  const { format, errors, slowerThan, sample } = written;
  if (!errors && slowerThan === undefined && sample === undefined) return { format };
  return {
    format,
    only: {
      errors,
      ...(slowerThan === undefined ? {} : { slowerThanMs: slowerThan }),
      ...(sample === undefined ? {} : { sampleRatio: sample }),
    },
  };
}
