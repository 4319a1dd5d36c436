import type { ObjectOf } from "../schema/field.ts";
import { choice, integer, list, object, port, text } from "../schema/field.ts";
import { accessLog } from "./access_log_spec.ts";
import { appReference, hostMatch, hostName } from "./names.ts";
import { trustedHops } from "./deny_spec.ts";
import { pathPattern } from "./path_pattern.ts";
import { requestMatchShape } from "./request_match.ts";
import {
  checkBackends,
  checkEdits,
  checkOwnAnswer,
  checkPrefixes,
  routeActionShape,
} from "./route_actions.ts";
import { checkLimitKey } from "./rate_limit_spec.ts";
import { namespaces } from "./namespace_spec.ts";
import { redis } from "./redis_spec.ts";
import { templateProblem } from "./template.ts";
import { tls } from "./tls_spec.ts";
import { tracing } from "./tracing_spec.ts";
import { checkOpenTrigger, checkRequestPolicy } from "./traffic.ts";

/** The Mesh file: what Apps share. Gateway API's words where it has them. */

const backend = object({
  app: appReference().about("The App that answers.").example("api"),
  weight: integer({ min: 0, max: 1_000_000 })
    .about("Its share of the sum of all weights. 1.")
    .default(1)
    .example(90),
});

const rule = object({
  match: object({
    path: pathPattern()
      .about("Which requests: the most specific path wins. All by default.")
      .default("/*")
      .example("/api/*"),
    ...requestMatchShape,
  })
    .about("Which requests of the host; all of it has to hold.")
    .default({}),
  backends: list(backend, { min: 1, max: 100 })
    .about("Who answers, by weight. Not with `redirect` or `respond`, which ask nobody.")
    .optional()
    .example([
      { app: "api", weight: 90 },
      { app: "api-next", weight: 10 },
    ]),
  ...routeActionShape,
})
  .checkOf(["timeout", "retry"], checkRequestPolicy)
  .checkOf(["fallback"], (_value, report, node) => checkOpenTrigger(node, false, report))
  .checkOf(["rewrite", "redirect", "match"], (value, report) => {
    checkPrefixes(value, value.match.path, report);
  })
  .checkOf(["rateLimit", "match"], (value, report) => {
    checkLimitKey(value.rateLimit, value.match.path, report);
  })
  .checkOf(["redirect", "respond", "backends"], (value, report) => {
    checkOwnAnswer(value, value.backends === undefined ? null : "backends", report);
    if ((value.redirect ?? value.respond ?? value.backends) === undefined) {
      report("", "a rule that leads nowhere", "add backends, redirect or respond");
    }
  })
  .checkOf(["cors", "sticky", "headers"], checkEdits)
  .checkOf(["backends", "sticky"], checkBackends);

const route = object({
  host: hostMatch()
    .about('The name that people ask for; "*.example.com" is any name below, "*" any at all.')
    .example("shop.example.com"),
  rules: list(rule, { min: 1, max: 1000 })
    .about("By path.")
    .example([{ match: { path: "/api/*" }, backends: [{ app: "api" }] }]),
});

const INDEX_NAMES = ["app", "namespace", "day"] as const;

const elasticsearch = object({
  url: text({
    pattern: /^http:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/,
    expected: 'a URL such as "http://127.0.0.1:9200"',
    maxLength: 2048,
    advise: urlAdvice,
  })
    .about("Where Elasticsearch's API answers.")
    .example("http://127.0.0.1:9200"),
  index: text({
    expected: 'an index name such as "logs-{{app}}"',
    maxLength: 255,
    check: (written) => {
      const problem = templateProblem(written, INDEX_NAMES);
      if (problem !== null) return `${problem.message}; ${problem.advice}`;
      const plain = written.replaceAll(/\{\{.*?\}\}/g, "x");
      return /^[a-z0-9][a-z0-9._-]*$/.test(plain)
        ? null
        : 'an index name is lower case letters, digits, ".", "_" and "-"';
    },
  })
    .about("The index. Templates: `{{app}}`, `{{namespace}}`, `{{day}}` (2026-01-31, in UTC).")
    .default("logs-{{app}}"),
});

function urlAdvice(written: string): string | null {
  if (written.startsWith("https://")) {
    return "TLS to a sink is missing, so nothing would protect the events on their way";
  }
  if (/^http:\/\/[^/]*@/.test(written)) return "leave the user and the password out";
  return written.includes("://") ? null : `write "http://${written}"`;
}

/** The fields of `spec`. */
export const meshShape = {
  namespaces,
  trustDomain: hostName()
    .about("The name that identities of this mesh end in.")
    .example("shop.example.com")
    .onlyOn("kubernetes")
    .optional(),
  mtls: choice(["off", "permissive", "strict"]).later(
    "mutual TLS is missing",
    "encrypt the traffic between Apps",
  ),
  gateway: object({
    port: port().about("Where it listens on this machine.").example(8000),
    tls: tls.about("Callers come by TLS (https), which ends here. Without it by default.").optional(),
    trustedHops,
  })
    .about(
      "The door from outside: serves `routes` of the Mesh and `ingress` of Apps, and tells Apps " +
        "whom a request is from: X-Forwarded-For, -Proto and -Host.",
    )
    .example({ port: 8000 })
    .optional(),
  routes: list(route, { max: 1000 })
    .about("Names that several Apps serve.")
    .default([])
    .example([
      {
        host: "shop.example.com",
        rules: [{ match: { path: "/api/*" }, backends: [{ app: "api" }] }],
      },
    ]),
  accessLog: accessLog
    .about("Of the gateway, and of every sidecar whose App does not say otherwise. Off by default.")
    .optional(),
  tracing: tracing
    .about("Where spans of sampled requests go. None by default: trace contexts are passed on.")
    .example({ zipkin: "http://127.0.0.1:9411", sample: "10%" })
    .optional(),
  sinks: object({
    elasticsearch: elasticsearch
      .about("Events of Apps whose `logs` say `to: [elasticsearch]`.")
      .example({ url: "http://127.0.0.1:9200", index: "logs-{{app}}" })
      .optional(),
  })
    .about("Where events go.")
    .default({}),
  redis: redis
    .about("Redis servers by a name of their own: rate limits are shared by them.")
    .default({})
    .example({ limits: { url: "redis://127.0.0.1:6379" } }),
};

export const meshSpec = object(meshShape).checkOf(["routes"], (spec, report) => {
  const hosts = new Map<string, number>();
  for (const [index, one] of spec.routes.entries()) {
    const first = hosts.get(one.host);
    if (first !== undefined) {
      const message = `routes: ${one.host} stands there twice`;
      report(["routes", index, "host"], message, `put its rules together at routes[${first}]`);
    }
    hosts.set(one.host, index);
  }
});

export type MeshSpec = ObjectOf<typeof meshShape>;
export type MeshRouteSpec = MeshSpec["routes"][number];
