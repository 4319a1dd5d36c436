import type { Infer } from "../schema/field.ts";
import { boolean, duration, list, object, text } from "../schema/field.ts";

/** The field `cors` of routes and rules, in the words of the Gateway API (HTTPCORSFilter). */

const MAX_ITEMS = 100;
const HOST = "(?:\\*\\.)?[a-z0-9_-]+(?:\\.[a-z0-9_-]+)*|\\[[0-9a-f:.]+\\]";

function originAdvice(written: string): string | null {
  if (written === "null") return "pages without an origin cannot be told from one another";
  if (/^[^:/]+$/.test(written)) return `write "https://${written}"`;
  if (/^[a-z]+:\/\/[^/]+\/$/.test(written)) {
    return `write "${written.slice(0, -1)}", without a path`;
  }
  return written === written.toLowerCase() ? null : `write "${written.toLowerCase()}"`;
}

const origin = () =>
  text({
    pattern: new RegExp(`^(?:\\*|[a-z][a-z0-9+.-]*://(?:${HOST})(?::\\d{1,5})?)$`),
    expected: 'an origin such as "https://shop.example.com", "https://*.example.com" or "*"',
    maxLength: 300,
    advise: originAdvice,
    check: (written) =>
      /^(?:http:.*:80|https:.*:443)$/.test(written)
        ? "browsers leave the scheme's own port out, so this one never comes: do the same"
        : null,
  });

const headerNames = () =>
  list(
    text({
      pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/,
      expected: 'a header name such as "x-user"',
      maxLength: 256,
    }),
    { max: MAX_ITEMS, unique: true },
  );

const WITH_STARS = ["allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders"] as const;

export const cors = object({
  allowOrigins: list(origin(), { min: 1, max: MAX_ITEMS, unique: true })
    .about(
      "Whose pages: an origin, `https://*.example.com` for any name below, `*` for all. An " +
        "origin is scheme, host, and the port where it is not the scheme's own.",
    )
    .example(["https://shop.example.com", "https://*.example.com"]),
  allowMethods: list(
    text({ pattern: /^(?:\*|[A-Z][A-Z-]*)$/, expected: 'a method such as "PUT", or "*"' }),
    { min: 1, max: MAX_ITEMS, unique: true },
  )
    .about(
      "With which methods; `*` is any. GET, HEAD and POST by default, which need no leave anyway.",
    )
    .default(["GET", "HEAD", "POST"])
    .example(["GET", "PUT", "DELETE"]),
  allowHeaders: headerNames()
    .about(
      "Which request headers beyond those that need no leave, `content-type: application/json` " +
        "for one; `*` is any but Authorization. None by default.",
    )
    .default([])
    .example(["content-type", "x-user"]),
  exposeHeaders: headerNames()
    .about("Which headers of the answer a page may read beyond the plain ones; `*` is any. None.")
    .default([])
    .example(["x-request-id"]),
  allowCredentials: boolean()
    .about("With cookies and other credentials. No by default; never together with `*`.")
    .default(false),
  maxAge: duration({ max: "24h" })
    .about("How long a browser keeps the answer to a preflight. 5s, as browsers do without it.")
    .default("5s")
    .example("10m"),
}).check((value, report) => {
  if (!value.allowCredentials) return;
  for (const field of WITH_STARS) {
    const star = value[field].indexOf("*");
    if (star < 0) continue;
    const message = `${field}: "*" with allowCredentials, which browsers refuse`;
    report([field, star], message, "list those that are meant, or remove allowCredentials");
  }
});

export type Cors = Infer<typeof cors>;
