import type { Infer } from "../schema/field.ts";
import { integer, list, object, port, text } from "../schema/field.ts";
import { hostName } from "./names.ts";
import { headers } from "./traffic.ts";

/** What a route does to requests and answers, or answers itself. */

const path = () =>
  text({
    pattern: /^\/(?![/\\])[^\s?#\\]*$/,
    expected: 'a path such as "/v2"',
    maxLength: 1024,
  });

const edits = object({
  set: headers.about("In place of what came.").default({}).example({ "x-env": "prod" }),
  remove: list(
    text({ pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, expected: "a header name" }),
    { max: 100 },
  )
    .about("Left out.")
    .default([])
    .example(["x-powered-by"]),
});

export const headerEdits = object({
  request: edits.about("Headers of the request, before it is passed on.").default({}),
  response: edits.about("Headers of the callee's answer.").default({}),
}).check((value, report) => {
  for (const name of Object.keys(value.request.set)) {
    if (name.toLowerCase() !== "host") continue;
    report(["request", "set", name], "the host is a rewrite", "use rewrite: { host }");
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
}).check((value, report) => {
  if ([304, 305, 306].includes(value.status)) {
    report("status", "not a redirect", "write 301, 302, 303, 307 or 308");
  }
  const { scheme, host, path: to } = value;
  if (scheme === undefined && host === undefined && to === undefined) {
    report("", "a redirect to where the request came", "add scheme, host or path");
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

export type HeaderEdits = Infer<typeof headerEdits>;
export type Rewrite = Infer<typeof rewrite>;
export type Redirect = Infer<typeof redirect>;
export type Respond = Infer<typeof respond>;
