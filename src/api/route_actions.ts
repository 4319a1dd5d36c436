import type { CheckReport, Infer } from "../schema/field.ts";
import {
  boolean,
  duration,
  integer,
  list,
  object,
  percent,
  port,
  size,
  text,
} from "../schema/field.ts";
import { cors } from "./cors_spec.ts";
import { deny } from "./deny_spec.ts";
import { faults } from "./fault_spec.ts";
import { appReference, hostName } from "./names.ts";
import { rateLimit } from "./rate_limit_spec.ts";
import type { PathMatch } from "./snapshot.ts";
import { fallback, headers, retry, streamIdleTimeout, timeout } from "./traffic.ts";

/** What a route does to requests and answers, or answers itself: for Apps and the Mesh alike. */

const path = () =>
  text({
    pattern: /^\/(?![/\\])[^\s?#\\]*$/,
    expected: 'a path such as "/v2"',
    maxLength: 1024,
  });

const edits = object({
  set: headers.about("In place of what came.").default({}).example({ "x-env": "prod" }),
  add: headers
    .about("Beside what came, as a line of its own.")
    .default({})
    .example({ "cache-control": "no-transform" }),
  remove: list(
    text({ pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, expected: "a header name" }),
    { max: 100 },
  )
    .about("Left out.")
    .default([])
    .example(["x-powered-by"]),
}).check((value, report) => {
  const seen = new Map<string, string>();
  const once = (field: "set" | "add" | "remove", name: string, at: string | number): void => {
    const other = seen.get(name.toLowerCase());
    if (other !== undefined && other !== field) {
      report([field, at], `${name} is in both ${other} and ${field}`, "keep one");
    }
    seen.set(name.toLowerCase(), field);
  };
  for (const field of ["set", "add"] as const) {
    for (const name of Object.keys(value[field])) once(field, name, name);
  }
  for (const [index, name] of value.remove.entries()) once("remove", name, index);
});

export const headerEdits = object({
  request: edits.about("Headers of the request, before it is passed on.").default({}),
  response: edits.about("Headers of the callee's answer.").default({}),
}).check((value, report) => {
  for (const field of ["set", "add"] as const) {
    for (const name of Object.keys(value.request[field])) {
      if (name.toLowerCase() !== "host") continue;
      report(["request", field, name], "the host is a rewrite", "use rewrite: { host }");
    }
  }
});

export const rewrite = object({
  prefix: path()
    .about("Stands in the place of the route's path and keeps what is below it; for `/a/*` only.")
    .optional()
    .example("/v2"),
  host: hostName()
    .about("The name that the callee is asked for.")
    .optional()
    .example("api.internal"),
});

export const redirect = object({
  status: integer({ min: 301, max: 308, expected: "301, 302, 303, 307 or 308" })
    .about("302 by default, which no browser keeps.")
    .default(302)
    .example(308),
  scheme: text({ pattern: /^https?$/, expected: "http or https" })
    .about("That of the request by default.")
    .optional()
    .example("https"),
  host: hostName().about("That of the request by default.").optional().example("www.example.com"),
  port: port().about("The scheme's own by default, if there is a new scheme or host.").optional(),
  path: path().about("Instead of the request's path; its query stays.").optional().example("/new"),
  prefix: path()
    .about("Stands in the place of the route's path and keeps what is below it; for `/a/*` only.")
    .optional()
    .example("/v2"),
}).check((value, report) => {
  if ([304, 305, 306].includes(value.status)) {
    report("status", "not a redirect", "write 301, 302, 303, 307 or 308");
  }
  const { scheme, host, path: to, prefix } = value;
  if ((scheme ?? host ?? to ?? prefix) === undefined) {
    report("", "a redirect to where the request came", "add scheme, host, path or prefix");
  }
  if (to !== undefined && prefix !== undefined) {
    report("prefix", "a redirect with both path and prefix", "keep one");
  }
  if (value.port !== undefined && scheme === undefined && host === undefined) {
    report("port", "port without scheme and host", "add one of them");
  }
});

export const respond = object({
  status: integer({ min: 200, max: 599 }).about("200 by default.").default(200).example(410),
  headers: headers.about("`content-length` is added. None by default.").default({}),
  body: text({ minLength: 0, maxLength: 65_536 })
    .about("Empty by default.")
    .default("")
    .example("gone"),
}).check((value, report) => {
  if ((value.status === 204 || value.status === 304) && value.body !== "") {
    report("body", `an answer with status ${value.status} has no body`, "remove one of the two");
  }
});

export const sticky = object({
  cookie: text({
    pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/,
    expected: 'a cookie name such as "release"',
    maxLength: 128,
  })
    .about("The cookie that keeps the choice. It says nothing but which backend it was.")
    .example("release"),
  ttl: duration({ max: "365d" })
    .about("How long a browser keeps it; `0`, the default, until it is closed.")
    .default("0s")
    .example("1h"),
});

export const mirror = object({
  to: appReference()
    .about("Who gets the copies: a name of `calls` (in an App's routes), or an App.")
    .example("api-next"),
  percent: percent()
    .about("The part of the requests. All by default.")
    .default("100%")
    .example("10%"),
  timeout: duration({ min: "1ms", max: "1h" })
    .about("How long a copy may take. 15s: it holds a place meanwhile.")
    .default("15s"),
  maxBody: size({ max: "16Mi" })
    .about("A request with a larger body is not mirrored: the copy waits in memory. 64Ki.")
    .default("64Ki"),
  maxInFlight: integer({ min: 1, max: 100_000 })
    .about("As many copies are in flight at once; of further requests there is none. 100.")
    .default(100),
  shadowHost: boolean()
    .about("Adds `-shadow` to the host's name, as Envoy does, so that the callee can tell.")
    .default(true),
});

/** The fields that routes of Apps and rules of the Mesh share: one definition, one meaning. */
export const routeActionShape = {
  sticky: sticky
    .about(
      "Who got one of several backends gets the same one again, by a cookie that is set with the " +
        "first answer. A backend that is gone, or has the weight 0, is chosen no more. By " +
        "default each request is chosen for by itself.",
    )
    .optional()
    .example({ cookie: "release", ttl: "1h" }),
  deny: deny
    .about("Requests that are answered 403 instead; the backends do not see them. None by default.")
    .default([])
    .example([{ methods: ["DELETE"], notFrom: ["203.0.113.0/24"] }]),
  cors: cors
    .about(
      "Which pages of other origins may call this route from a browser. Preflights are answered " +
        "here, those for its `match.methods` too, and what the callee itself says of it is " +
        "replaced. By default nothing is touched.",
    )
    .optional()
    .example({ allowOrigins: ["https://shop.example.com"], allowMethods: ["GET", "PUT"] }),
  headers: headerEdits
    .about("Headers that are set, added or left out.")
    .optional()
    .example({ response: { remove: ["x-powered-by"] } }),
  rewrite: rewrite.about("Another prefix or host for the callee.").optional(),
  mirror: mirror
    .about(
      "Sends a copy of a part of the requests to somebody else too, once, and throws the answers " +
        "away: the caller notices nothing of it, whatever becomes of the copy. None by default.",
    )
    .optional()
    .example({ to: "api-next", percent: "10%" }),
  redirect: redirect.about("Sends callers elsewhere; nobody is asked.").optional(),
  respond: respond.about("A fixed answer; nobody is asked.").optional(),
  timeout,
  idleTimeout: streamIdleTimeout,
  retry: retry.about("Tries again what failed. None by default.").optional(),
  fallback: fallback
    .about("A canned answer where there is no real one. None by default.")
    .optional(),
  rateLimit: rateLimit.about("Answers 429 to what comes faster. None by default.").optional(),
  faults: faults.about("Delays or refuses a part of the requests on purpose. None.").optional(),
};

/** What is below a prefix is kept: there has to be one. */
export function checkPrefixes(
  value: { readonly rewrite?: Rewrite | undefined; readonly redirect?: Redirect | undefined },
  matched: Pick<PathMatch, "kind">,
  report: CheckReport,
): void {
  if (matched.kind === "prefix") return;
  for (const field of ["rewrite", "redirect"] as const) {
    if (value[field]?.prefix === undefined) continue;
    const message = `${field}.prefix of a path that is no prefix`;
    report(`${field}.prefix`, message, "write the path as /a/*");
  }
}

/** A route that answers itself asks nobody. `target` is the field that says whom, if one does. */
export function checkOwnAnswer(
  value: { readonly redirect?: Redirect | undefined; readonly respond?: Respond | undefined },
  target: string | null,
  report: CheckReport,
): void {
  if (value.redirect !== undefined && value.respond !== undefined) {
    report("respond", "a route with both redirect and respond", "keep one");
  }
  if ((value.redirect ?? value.respond) !== undefined && target !== null) {
    report(target, "nobody is asked where the route answers itself", "remove it");
  }
}

export function checkBackends(
  value: {
    readonly backends?: readonly { readonly weight: number }[] | undefined;
    readonly sticky?: Sticky | undefined;
  },
  report: CheckReport,
): void {
  if (value.backends?.every((one) => one.weight === 0) === true) {
    report("backends", "all weights are 0, so nobody would answer", "give one of them a weight");
  }
  if (value.sticky !== undefined && (value.backends?.length ?? 0) < 2) {
    report("sticky", "sticky without several backends", "add backends, or remove it");
  }
}

/** `cors` looks at Origin and `sticky` at the cookie: edits of the request must leave them. */
export function checkEdits(
  value: {
    readonly cors?: object | undefined;
    readonly sticky?: Sticky | undefined;
    readonly headers?: HeaderEdits | undefined;
  },
  report: CheckReport,
): void {
  if (value.headers === undefined) return;
  const { set, add, remove } = value.headers.request;
  const edited = [...Object.keys(set), ...Object.keys(add), ...remove];
  const needs = [
    ["origin", "cors", value.cors],
    ["cookie", "sticky", value.sticky],
  ] as const;
  for (const [header, field, asked] of needs) {
    if (asked === undefined || !edited.some((name) => name.toLowerCase() === header)) continue;
    report("headers.request", `${field} needs the ${header} header as it came`, "leave it alone");
  }
}

export type MirrorSpec = Infer<typeof mirror>;
export type Sticky = Infer<typeof sticky>;
export type HeaderEdits = Infer<typeof headerEdits>;
export type Rewrite = Infer<typeof rewrite>;
export type Redirect = Infer<typeof redirect>;
export type Respond = Infer<typeof respond>;
