import { Networks } from "../../base/ip_address.ts";
import { clientAddress } from "../listener/client_address.ts";
import type { Stream } from "../stream.ts";
import type { DirectAnswer, FilterComponent } from "./filter.ts";

interface Rule {
  readonly methods: readonly string[];
  readonly allowed: Networks;
  readonly reason: string;
}

interface Config {
  readonly rules: readonly { readonly methods: readonly string[]; readonly notFrom: readonly string[] }[];
}

/** Answers 403 to what a rule keeps away; the access log names the rule. */
export const deny: FilterComponent = {
  name: "deny",
  summary: "Refuses requests by method, unless they come from given networks.",
  status: "stable",
  security:
    "Decides by the connection's address; X-Forwarded-For counts only behind hops that the file " +
    "trusts. An address that cannot be told is in no network.",
  create: (config) => {
    const { rules } = config as unknown as Config;
    const compiled = rules.map(({ methods, notFrom }, index): Rule => ({
      methods,
      allowed: new Networks(notFrom),
      reason: `denied{${index},${methods.length === 0 ? "any" : methods.join("+")}}`,
    }));
    return {
      onRequestHeaders: (stream: Stream) => verdict(stream, compiled),
    };
  },
};

function verdict(stream: Stream, rules: readonly Rule[]): DirectAnswer | undefined {
  const { method } = stream.head;
  for (const { methods, allowed, reason } of rules) {
    if (methods.length !== 0 && !methods.includes(method)) continue;
    const address = allowed.isEmpty ? null : clientAddress(stream);
    if (address !== null && allowed.has(address)) continue;
    const headers = { "content-type": "text/plain" };
    const body = `${method} is not allowed from here\n`;
    return { status: 403, headers, body, detail: reason };
  }
  return undefined;
}
