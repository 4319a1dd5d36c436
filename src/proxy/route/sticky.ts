import type { RoutePolicy, StickyPolicy } from "../../api/snapshot.ts";
import { Failure } from "../../base/failure.ts";
import { COOKIE, isFieldName } from "../../codec/headers.ts";
import type { RequestHead, ResponseHead } from "../../codec/message.ts";
import { hashText } from "../cluster/balancers/hash.ts";
import type { Filter } from "../filters/filter.ts";
import type { Stream } from "../stream.ts";
import { cookieOf } from "./cookies.ts";

/**
 * Keeps who got one of a route's backends with it, by a cookie (RFC 6265). The cookie holds a hash
 * of the backend's name: it means the same when backends are added or reordered, tells callers no
 * name, and what fits no backend of now is as good as none. It is no secret: whoever writes one
 * chooses among the backends that callers are sent to anyway.
 */
export class StickyChoice implements Filter {
  readonly #cookie: string;
  readonly #attributes: string;
  /** By the cookie's value; backends with a weight only. */
  readonly #indexes = new Map<string, number>();
  /** By cluster. */
  readonly #values = new Map<string, string>();

  /** @throws Failure `refused` for a name that no cookie can have. */
  constructor({ backends, path }: RoutePolicy, { cookie, ttlMs }: StickyPolicy) {
    if (!isFieldName(cookie)) {
      throw new Failure("refused", `sticky: ${JSON.stringify(cookie)} is not a cookie's name`);
    }
    this.#cookie = cookie;
    // Only where this route is: another one has other backends.
    const isLiteral = path.kind === "exact" || path.kind === "prefix";
    // A semicolon would end the attribute.
    const where = isLiteral && /^[!-:<-~]+$/.test(path.value) ? path.value : "/";
    const age = ttlMs === 0 ? "" : `; Max-Age=${Math.ceil(ttlMs / 1000)}`;
    this.#attributes = `; Path=${where}${age}; HttpOnly; SameSite=Lax`;
    for (const [index, { cluster, weight }] of backends.entries()) {
      const value = hashText(cluster).toString(16).padStart(8, "0");
      this.#values.set(cluster, value);
      if (weight > 0 && !this.#indexes.has(value)) this.#indexes.set(value, index);
    }
  }

  /** The backend of the request's cookie; -1 where it has none that counts. */
  indexFrom({ headers }: RequestHead): number {
    return this.#indexes.get(this.#sent(headers) ?? "") ?? -1;
  }

  #sent(headers: RequestHead["headers"]): string | null {
    return headers.has(COOKIE) ? cookieOf(headers.get("cookie")!, this.#cookie) : null;
  }

  /** Answers made here choose nobody: only a callee's own answer sets the cookie. */
  onResponseHeaders(stream: Stream, answer: ResponseHead): void {
    const { headers } = stream.head;
    const value = this.#values.get(stream.cluster!.name)!;
    if (this.#sent(headers) === value) return;
    // Who lies about its scheme gets a cookie that its own browser does not send back.
    const isSecure = stream.tls !== null || headers.get("x-forwarded-proto") === "https";
    const attributes = `${this.#attributes}${isSecure ? "; Secure" : ""}`;
    answer.headers.append("set-cookie", `${this.#cookie}=${value}${attributes}`);
  }
}
