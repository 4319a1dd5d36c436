import type { Infer } from "../schema/field.ts";
import { boolean, list, map, object, oneOf, text } from "../schema/field.ts";
import type { FieldMatch } from "./snapshot.ts";

/** What a route may ask of a request besides host and path. */

/** How a header, a cookie or a query parameter is compared. */
export type ValueMatch = Omit<FieldMatch, "name">;

const MAX_VALUE = 1024;
const MAX_FIELDS = 16;

const value = oneOf(
  text({ scalars: true, maxLength: MAX_VALUE }).as(
    (written): ValueMatch => ({ kind: "exact", value: written }),
  ),
  object({
    prefix: text({ scalars: true, maxLength: MAX_VALUE })
      .about("The value starts with this.")
      .optional(),
    present: boolean().about("`true`: with any value.").optional(),
  })
    .check((written, report) => {
      if ((written.prefix === undefined) === (written.present !== true)) {
        report("", "a value with neither prefix nor present: true, or with both", "keep one");
      }
    })
    .as(({ prefix }): ValueMatch =>
      prefix === undefined ? { kind: "present", value: "" } : { kind: "prefix", value: prefix },
    ),
);

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** By name; all of them have to hold. */
function fields(keyName: string, key: RegExp, keyExpected: string) {
  return map(value, { key, keyExpected, keyName, max: MAX_FIELDS });
}

export const methods = list(
  text({
    pattern: /^[A-Z][A-Z-]*$/,
    expected: 'a method such as "GET"',
    maxLength: 32,
    advise: (written) => `write "${written.toUpperCase()}"`,
  }),
  { max: MAX_FIELDS, unique: true },
).default([]);

export const requestMatchShape = {
  methods: methods.about("One of these. Any by default.").example(["GET", "HEAD"]),
  headers: fields("HEADER", TOKEN, 'a header name such as "x-canary"')
    .check((written, report) => {
      const seen = new Map<string, string>();
      for (const name of Object.keys(written)) {
        const first = seen.get(name.toLowerCase());
        if (first !== undefined) report([name], `${name} is ${first} again`, "remove one of them");
        seen.set(name.toLowerCase(), name);
      }
    })
    .about(
      "Headers that the request has: a value, `{ prefix: beta- }`, or `{ present: true }`. Several " +
        "lines of one name are compared joined by a comma.",
    )
    .default({})
    .example({ "x-canary": "always" }),
  cookies: fields("COOKIE", TOKEN, 'a cookie name such as "canary"')
    .about("Cookies, in the same way.")
    .default({})
    .example({ canary: "yes" }),
  query: fields("PARAMETER", /^[^\s&=#]+$/, 'a parameter name such as "version"')
    .about("Query parameters, in the same way; the first one of a name counts.")
    .default({})
    .example({ version: "2" }),
};

export const requestMatch = object(requestMatchShape);

export type RequestMatchSpec = Infer<typeof requestMatch>;
