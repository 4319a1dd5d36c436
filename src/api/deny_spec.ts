import { networkProblem } from "../base/ip_address.ts";
import type { Field, Infer } from "../schema/field.ts";
import { list, object, text } from "../schema/field.ts";
import { methods } from "./request_match.ts";

/** Networks and what is kept away from which. */

/** `203.0.113.0/24`, `2001:db8::/32`, or one address. */
function network(): Field<string> {
  return text({
    pattern: /^[0-9a-fA-F.:]+(?:\/\d{1,3})?$/,
    expected: 'a network such as "203.0.113.0/24"',
    maxLength: 64,
    check: networkProblem,
  });
}

const MAX_NETWORKS = 1000;

export const deny = list(
  object({
    methods: methods
      .about("Requests with these methods. All by default.")
      .example(["DELETE"]),
    notFrom: list(network(), { max: MAX_NETWORKS, unique: true })
      .about(
        "Who may, all the same: networks that the caller's address is in. Nobody by default. The " +
          "address is the connection's; X-Forwarded-For is believed from `trustedHops` only.",
      )
      .default([])
      .example(["203.0.113.0/24"]),
  }),
  { max: 100 },
);

export type Deny = Infer<typeof deny>;

export const trustedHops = list(network(), { max: MAX_NETWORKS, unique: true })
  .about(
    "Proxies in front whose X-Forwarded-For is believed: the caller's address is the last one in " +
      "it that is not theirs. None by default, for anybody can write that header.",
  )
  .default([])
  .example(["10.0.0.0/8"]);
