import type { FieldMatch, RequestMatch } from "../../api/snapshot.ts";
import { COOKIE } from "../../codec/headers.ts";
import type { RequestHead } from "../../codec/message.ts";
import { cookieOf } from "./cookies.ts";

/** What a route asks of a request besides host and path. */
export class RequestMatcher {
  readonly #policy: RequestMatch;
  readonly #hasQuery: boolean;
  readonly #takesPreflights: boolean;

  /** `takesPreflights`: one for a request that the route's methods would take is taken too. */
  constructor(policy: RequestMatch, takesPreflights = false) {
    this.#policy = policy;
    this.#takesPreflights = takesPreflights;
    this.#hasQuery = policy.query.length !== 0;
  }

  matches(head: RequestHead): boolean {
    const { methods, headers, cookies, query } = this.#policy;
    if (methods.length !== 0 && !methods.includes(head.method) && !this.#isPreflight(head)) {
      return false;
    }
    for (const field of headers) if (!holds(field, head.headers.get(field.name))) return false;
    if (cookies.length !== 0) {
      const sent = head.headers.has(COOKIE) ? head.headers.get("cookie") : null;
      for (const field of cookies) {
        if (!holds(field, sent === null ? null : cookieOf(sent, field.name))) return false;
      }
    }
    return !this.#hasQuery || matchesQuery(query, head.target);
  }

  /** A preflight has OPTIONS, whatever the request will have (Fetch, 4.8). */
  #isPreflight({ method, headers }: RequestHead): boolean {
    if (!this.#takesPreflights || method !== "OPTIONS") return false;
    const wanted = headers.get("access-control-request-method");
    return wanted !== null && this.#policy.methods.includes(wanted);
  }

  /**
   * Which of two goes first where their paths are the same, as the Gateway API has it (HTTPRoute,
   * matches): by method, then the one with more headers, then with more query parameters. Negative
   * where this one does. Cookies are a header's parts and count as headers.
   */
  static compare(a: RequestMatch | undefined, b: RequestMatch | undefined): number {
    return (
      Number(count(b?.methods) > 0) - Number(count(a?.methods) > 0) ||
      count(b?.headers) + count(b?.cookies) - count(a?.headers) - count(a?.cookies) ||
      count(b?.query) - count(a?.query)
    );
  }
}

function count(list: readonly unknown[] | undefined): number {
  return list === undefined ? 0 : list.length;
}

function holds({ kind, value }: FieldMatch, sent: string | null): boolean {
  if (sent === null) return false;
  switch (kind) {
    case "present":
      return true;
    case "exact":
      return sent === value;
    case "prefix":
      return sent.startsWith(value);
  }
}

function matchesQuery(fields: readonly FieldMatch[], target: string): boolean {
  const start = target.indexOf("?");
  const pairs = start < 0 ? [] : target.slice(start + 1).split("&");
  return fields.every((field) => holds(field, parameterOf(pairs, field.name)));
}

/** The first value of a name, without its escapes; null where there is none. */
function parameterOf(pairs: readonly string[], name: string): string | null {
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (unescaped(equals < 0 ? pair : pair.slice(0, equals)) !== name) continue;
    return equals < 0 ? "" : unescaped(pair.slice(equals + 1));
  }
  return null;
}

/** As forms are written (WHATWG URL, 5.1); what is no escape stays as it is. */
function unescaped(text: string): string {
  if (!/[%+]/.test(text)) return text;
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
