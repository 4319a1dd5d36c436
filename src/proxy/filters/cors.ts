import { Failure } from "../../base/failure.ts";
import { isFieldValue } from "../../codec/headers.ts";
import type { ResponseHead } from "../../codec/message.ts";
import type { Stream } from "../stream.ts";
import type { AnswerHeaders, DirectAnswer, Filter, FilterComponent } from "./filter.ts";

interface Config {
  /** Origins, `https://*.example.com`, or `*`. */
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly allowCredentials: boolean;
  readonly maxAgeMs: number;
}

const PREFLIGHT = "cors_preflight";
/** Whose word the callee's answer has had on the matter until here. */
const ANSWER_NAMES = [
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-expose-headers",
] as const;

/** Says which pages of other origins may call a route (Fetch, 3.2). */
export const cors: FilterComponent = {
  name: "cors",
  summary: "Answers preflights, and says whose pages may read answers: errors made here too.",
  status: "stable",
  security:
    "It guards users of browsers, not the callee: other callers write any Origin they like. " +
    "Credentials never go with a `*`, and an origin that is not listed gets no leave.",
  create: (config) => new CorsFilter(config as unknown as Config),
};

class CorsFilter implements Filter {
  readonly #config: Config;
  readonly #any: boolean;
  readonly #exact: ReadonlySet<string>;
  /** What stands before and behind the asterisk. */
  readonly #wildcards: readonly (readonly [before: string, behind: string])[];
  readonly #exposed: string;

  constructor(config: Config) {
    const { allowOrigins, allowMethods, allowHeaders, exposeHeaders, allowCredentials } = config;
    const all = [...allowOrigins, ...allowMethods, ...allowHeaders, ...exposeHeaders];
    const unfit = all.find((text) => text === "" || !isFieldValue(text));
    if (unfit !== undefined) {
      throw new Failure("refused", `cors: ${JSON.stringify(unfit)} cannot be sent`);
    }
    if (allowCredentials && all.includes("*")) {
      throw new Failure("refused", 'cors: "*" with credentials, which browsers refuse');
    }
    this.#config = config;
    this.#any = allowOrigins.includes("*");
    this.#exact = new Set(allowOrigins.filter((origin) => !origin.includes("*")));
    this.#wildcards = allowOrigins
      .filter((origin) => origin.includes("*") && origin !== "*")
      .map((origin) => origin.split("*") as [string, string]);
    this.#exposed = exposeHeaders.join(", ");
  }

  onRequestHeaders(stream: Stream): DirectAnswer | undefined {
    if (stream.head.method !== "OPTIONS") return undefined;
    const { headers } = stream.head;
    const method = headers.get("access-control-request-method");
    if (method === null || headers.get("origin") === null) return undefined;
    return { status: 204, headers: this.#preflight(stream), body: "", detail: PREFLIGHT };
  }

  /** Leave for what is listed, whatever was asked for: browsers compare. */
  #preflight(stream: Stream): AnswerHeaders {
    const granted = this.#granted(stream);
    if (granted === null) return this.#varied({});
    const { allowMethods, allowHeaders, maxAgeMs } = this.#config;
    return this.#varied({
      ...granted,
      "access-control-allow-methods": allowMethods.join(", "),
      ...(allowHeaders.length === 0
        ? {}
        : { "access-control-allow-headers": allowHeaders.join(", ") }),
      "access-control-max-age": String(Math.floor(maxAgeMs / 1000)),
    });
  }

  onResponseHeaders(stream: Stream, { headers }: ResponseHead): void {
    for (const name of ANSWER_NAMES) headers.remove(name);
    const granted = this.#answerHeaders(stream);
    for (const name in granted) headers.set(name, granted[name]!);
    if (this.#any) return;
    const vary = headers.get("vary");
    const varied = withOrigin(vary);
    if (varied !== vary) headers.set("vary", varied);
  }

  onLocalAnswer(stream: Stream, headers: AnswerHeaders): AnswerHeaders {
    if (stream.detail === PREFLIGHT) return headers;
    return this.#varied({ ...without(headers, ANSWER_NAMES), ...this.#answerHeaders(stream) });
  }

  #answerHeaders(stream: Stream): AnswerHeaders {
    const granted = this.#granted(stream);
    if (granted === null) return {};
    if (this.#exposed === "") return granted;
    return { ...granted, "access-control-expose-headers": this.#exposed };
  }

  /** Null where the request's origin has no leave, or it is no page of another origin. */
  #granted({ head }: Stream): AnswerHeaders | null {
    const origin = head.headers.get("origin");
    if (origin === null) return null;
    if (this.#any) return { "access-control-allow-origin": "*" };
    if (!this.#isListed(origin)) return null;
    const named = { "access-control-allow-origin": origin };
    if (!this.#config.allowCredentials) return named;
    return { ...named, "access-control-allow-credentials": "true" };
  }

  #isListed(origin: string): boolean {
    if (this.#exact.has(origin)) return true;
    return this.#wildcards.some(([before, behind]) => {
      if (!origin.startsWith(before) || !origin.endsWith(behind)) return false;
      const label = origin.slice(before.length, origin.length - behind.length);
      // A name below, not a port, a user or a path that only looks like one.
      return /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(label);
    });
  }

  /** What is kept for one origin must not be given to another (Fetch, 3.2.5). */
  #varied(headers: AnswerHeaders): AnswerHeaders {
    if (this.#any) return headers;
    const name = Object.keys(headers).find((one) => one.toLowerCase() === "vary") ?? "vary";
    return { ...headers, [name]: withOrigin(headers[name] ?? null) };
  }
}

function withOrigin(vary: string | null): string {
  if (vary === null || vary.trim() === "") return "Origin";
  const names = vary.split(",").map((name) => name.trim().toLowerCase());
  return names.includes("*") || names.includes("origin") ? vary : `${vary}, Origin`;
}

function without(headers: AnswerHeaders, names: readonly string[]): AnswerHeaders {
  const kept = Object.entries(headers).filter(([name]) => !names.includes(name.toLowerCase()));
  return kept.length === Object.keys(headers).length ? headers : Object.fromEntries(kept);
}
