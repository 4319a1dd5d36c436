import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { PathMatch, RequestMatch, RoutePolicy } from "../../api/snapshot.ts";
import { HeaderBlock } from "../../codec/headers.ts";
import { RequestDecoder } from "../../codec/http1/request_decoder.ts";
import type { RequestHead } from "../../codec/message.ts";
import { routeOf } from "../../sim/snapshots.ts";
import { Cluster } from "../cluster/cluster.ts";
import { RouteCounters } from "../telemetry/counters.ts";
import { PathRules } from "./path_rules.ts";
import { Route } from "./route.ts";
import { hostName, RouteTable } from "./route_table.ts";

interface Shape {
  readonly hosts?: string[];
  readonly exact?: string;
  readonly prefix?: string;
  readonly template?: string;
  readonly regex?: string;
  readonly match?: Partial<RequestMatch>;
}

function pathOf({ exact, template, regex, prefix = "/" }: Shape): PathMatch {
  if (exact !== undefined) return { kind: "exact", value: exact };
  if (template !== undefined) return { kind: "template", value: template };
  if (regex !== undefined) return { kind: "regex", value: regex };
  return { kind: "prefix", value: prefix };
}

const NOTHING: RequestMatch = { methods: [], headers: [], cookies: [], query: [] };

/** A route whose name says what it matches. */
function route(shape: Shape): Route {
  const { hosts = ["*"], match } = shape;
  const path = pathOf(shape);
  const asks = match === undefined ? "" : ` ${JSON.stringify(match)}`;
  const name = `${hosts.join(" ")} ${path.kind} ${path.value}${asks}`;
  const matches = match === undefined ? {} : { match: { ...NOTHING, ...match } };
  const policy: RoutePolicy = { ...routeOf({}), name, hosts, path, ...matches };
  // No request is sent: the table never asks for the cluster.
  const clusters = new Map([["app", Object.create(Cluster.prototype) as Cluster]]);
  const tools = { random: { next: () => 0, uint32: () => 0, secureBytes: () => new Uint8Array() } };
  return new Route(policy, clusters, new RouteCounters(), tools);
}

function headOf(host: string, path: string, method = "GET", lines = ""): RequestHead {
  let head: RequestHead | null = null;
  const sink = {
    onRequestHead: (found: RequestHead) => void (head = found),
    onBody() {},
    onTrailers(_trailers: HeaderBlock) {},
    onMessageEnd() {},
  };
  const decoder = new RequestDecoder({ maxHeaderBytes: 8_192, maxHeaders: 9 }, sink);
  const error = decoder.feed(Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n`));
  if (head === null) throw new Error(error?.message ?? "no head");
  return head;
}

const find = (shapes: Shape[], host: string, path: string): string | null =>
  new RouteTable(shapes.map(route)).find(headOf(host, path))?.name ?? null;

describe("paths", () => {
  const shapes = [{ prefix: "/" }, { prefix: "/a" }, { prefix: "/a/b/" }, { exact: "/a/b" }];
  test.each([
    ["/", "* prefix /"],
    ["/x", "* prefix /"],
    ["/ab", "* prefix /"],
    ["/a", "* prefix /a"],
    ["/a/", "* prefix /a"],
    ["/a?b=/a/b", "* prefix /a"],
    ["/a/c", "* prefix /a"],
    ["/a/b", "* exact /a/b"],
    ["/a/b?q", "* exact /a/b"],
    ["/a/b/", "* prefix /a/b/"],
    ["/a/b/c/d", "* prefix /a/b/"],
  ])("%s is %s", (path, name) => {
    expect(find(shapes, "h", path)).toBe(name);
  });

  test("where nothing matches there is no route", () => {
    expect(find([{ prefix: "/a" }, { exact: "/b" }], "h", "/c")).toBeNull();
    expect(find([{ prefix: "/a" }], "h", "/")).toBeNull();
    expect(find([], "h", "/")).toBeNull();
  });

  test("the first of two that match the same wins", () => {
    const table = [{ prefix: "/a" }, { prefix: "/a/", hosts: ["*", "h"] }];
    expect(find(table, "g", "/a")).toBe("* prefix /a");
  });
});

describe("hosts", () => {
  const shapes = [
    { hosts: ["shop.example.com"], prefix: "/shop" },
    { hosts: ["*.example.com"] },
    { hosts: ["*.eu.example.com"] },
    { hosts: ["*"] },
  ];
  test.each([
    ["shop.example.com", "/shop", "shop.example.com prefix /shop"],
    // The most specific host decides, even where it has no such path.
    ["shop.example.com", "/", null],
    ["SHOP.example.COM:8080", "/shop", "shop.example.com prefix /shop"],
    ["shop.example.com.", "/shop", "shop.example.com prefix /shop"],
    ["x.example.com", "/", "*.example.com prefix /"],
    ["x.y.example.com", "/", "*.example.com prefix /"],
    ["x.eu.example.com", "/", "*.eu.example.com prefix /"],
    ["example.com", "/", "* prefix /"],
    ["[::1]:80", "/", "* prefix /"],
  ])("%s%s is %p", (host, path, name) => {
    expect(find(shapes, host, path)).toBe(name);
  });

  test.each([
    ["Shop:80", "shop"],
    ["a.b.", "a.b"],
    ["[::1]", "[::1]"],
    ["[::1]:8080", "[::1]"],
    ["", ""],
  ])("the name in %p is %p", (authority, name) => {
    expect(hostName(authority)).toBe(name);
  });
});

describe("templates and regular expressions", () => {
  const shapes: Shape[] = [
    { prefix: "/" },
    { prefix: "/users" },
    { prefix: "/users/5/orders" },
    { template: "/users/{id}" },
    { template: "/users/{id}/{what}" },
    { template: "/users/{id}/orders" },
    { template: "/users/{id}/files/*" },
    { template: "/{tenant}/x" },
    { regex: "/users/[0-9]+" },
    { regex: "/v[0-9]+/.*" },
    { exact: "/users/me" },
  ];
  test.each([
    ["/users/me", "* exact /users/me"],
    ["/users/7", "* template /users/{id}"],
    ["/users/7?a=/orders", "* template /users/{id}"],
    ["/users/7/", "* prefix /users"],
    ["/users/", "* prefix /users"],
    ["/users/7/orders", "* template /users/{id}/orders"],
    ["/users/7/other", "* template /users/{id}/{what}"],
    // A longer literal path goes before a pattern under a shorter one.
    ["/users/5/orders", "* prefix /users/5/orders"],
    ["/users/7/files", "* template /users/{id}/files/*"],
    ["/users/7/files/a/b", "* template /users/{id}/files/*"],
    ["/users/7/orders/1", "* prefix /users"],
    ["/v12/any/thing", "* regex /v[0-9]+/.*"],
    ["/v/any", "* prefix /"],
    ["/acme/x", "* template /{tenant}/x"],
  ])("%s is %s", (path, name) => {
    expect(find(shapes, "h", path)).toBe(name);
  });

  test("an expression stands under the literal segments that it surely starts with", () => {
    const under = (regex: string, path: string) =>
      find([{ prefix: "/a" }, { prefix: "/a/b" }, { regex }], "h", path);
    expect(under("/a/b/[0-9]+", "/a/b/1")).toBe("* regex /a/b/[0-9]+");
    expect(under("/a/[b]/1", "/a/b/1")).toBe("* prefix /a/b");
    expect(under("/a/b/?c?", "/a/b")).toBe("* prefix /a/b");
    expect(under("^/a/c+|/a/b/1", "/a/b/1")).toBe("* prefix /a/b");
  });

  test("an expression that cannot be compiled is refused", () => {
    expect(() => new RouteTable([route({ regex: "/(a" })])).toThrow("missing closing )");
  });
});

describe("what else a request is", () => {
  const header = (name: string, value: string, kind: "exact" | "prefix" | "present" = "exact") => ({
    name,
    kind,
    value,
  });
  const name = (match: Partial<RequestMatch>): string => `* prefix / ${JSON.stringify(match)}`;
  const asked = (shapes: Shape[], method: string, target: string, lines = ""): string | null =>
    new RouteTable(shapes.map(route)).find(headOf("h", target, method, lines))?.name ?? null;

  test("S1-19 methods, headers, cookies and query parameters choose among routes of a path", () => {
    const write = { methods: ["POST", "PUT"] };
    const canary = { headers: [header("x-canary", "always")] };
    const beta = { cookies: [header("plan", "beta", "prefix")] };
    const traced = { headers: [header("x-trace", "", "present"), header("x-canary", "always")] };
    const second = { query: [header("v", "2 3")] };
    const shapes = [write, canary, beta, traced, second].map((match): Shape => ({ match }));
    shapes.unshift({});
    const get = (target: string, lines = "") => asked(shapes, "GET", target, lines);
    expect(get("/")).toBe("* prefix /");
    expect(asked(shapes, "PUT", "/", "X-Canary: always\r\n")).toBe(name(write));
    expect(get("/", "X-CANARY: always\r\n")).toBe(name(canary));
    expect(get("/", "X-Canary: Always\r\n")).toBe("* prefix /");
    expect(get("/", "X-Canary: always\r\nX-Trace: 1\r\n")).toBe(name(traced));
    expect(get("/", "Cookie: a=plan=beta; plan=beta-3\r\n")).toBe(name(beta));
    expect(get("/", "Cookie: a=1; xplan=beta\r\n")).toBe("* prefix /");
    expect(get("/?w=1&v=2+3&v=4")).toBe(name(second));
    expect(get("/?%76=2%203")).toBe(name(second));
    expect(get("/?v=4&v=2+3")).toBe("* prefix /");
    expect(get("/?v=%zz")).toBe("* prefix /");
  });

  test("where a path's routes all ask for something else, a less specific path is tried", () => {
    const shapes: Shape[] = [
      { exact: "/a", match: { methods: ["POST"] } },
      { template: "/{x}", match: { headers: [header("x", "1")] } },
      { prefix: "/a", match: { methods: ["PUT"] } },
      { prefix: "/" },
    ];
    expect(asked(shapes, "POST", "/a")).toStartWith("* exact");
    expect(asked(shapes, "PUT", "/a")).toStartWith("* prefix /a");
    expect(asked(shapes, "GET", "/a")).toBe("* prefix /");
    expect(asked(shapes, "GET", "/a", "X: 1\r\n")).toStartWith("* template");
    expect(asked(shapes.slice(0, 3), "GET", "/a")).toBeNull();
  });
});

/** The same rules as plainly as they can be said: every route is looked at and ranked. */
function naive(shapes: Shape[], host: string, head: RequestHead): string | null {
  const hostRank = (pattern: string): number => {
    if (pattern === host) return 1_000;
    if (pattern === "*") return 0;
    return pattern.startsWith("*.") && host.endsWith(pattern.slice(1)) ? pattern.length : -1;
  };
  const patterns = shapes.flatMap(({ hosts = ["*"] }) => hosts).filter((one) => hostRank(one) >= 0);
  const best = patterns.sort((a, b) => hostRank(b) - hostRank(a))[0];
  const { path } = head;
  /** Undefined where the path does not match; larger goes first, position by position. */
  const pathRank = (shape: Shape): number[] | undefined => {
    const { kind, value } = pathOf(shape);
    if (kind === "exact") return path === value ? [1] : undefined;
    const bare = value.replace(/\/$/, "");
    if (kind === "prefix") {
      return path === bare || path.startsWith(`${bare}/`) ? [0, bare.length, 0] : undefined;
    }
    // Of the test's templates each segment but the variable ones is plain.
    const source = kind === "regex" ? value : value.replaceAll(/\{\w+\}/g, "[^/]+");
    if (!new RegExp(`^(?:${source})$`).test(path)) return undefined;
    const literal = value.slice(0, Math.max(0, value.slice(0, value.search(/[{[]/)).lastIndexOf("/")));
    const plain = value.replaceAll(/\{\w+\}|\//g, "").length;
    return [0, literal.length, 1, kind === "template" ? 1 : 0, kind === "template" ? plain : 0];
  };
  const ranked = shapes.flatMap((shape, index) => {
    const { hosts = ["*"], match = {} } = shape;
    const rank = pathRank(shape);
    if (!hosts.includes(best ?? "") || rank === undefined) return [];
    const { methods = [], headers = [], query = [] } = match;
    if (methods.length > 0 && !methods.includes(head.method)) return [];
    if (!headers.every(({ name, value }) => head.headers.get(name) === value)) return [];
    if (!query.every(({ name, value }) => head.target.includes(`${name}=${value}`))) return [];
    // Two expressions of the test under one path: the first in the file, whatever they ask for.
    const same = shapes.findIndex((other) => pathOf(other).value === pathOf(shape).value);
    const tie = rank[3] === 0 || rank[3] === 1 ? [-same] : [];
    const asks = [methods.length > 0 ? 1 : 0, headers.length, query.length, -index];
    return [{ shape, rank: [...rank, ...Array(5 - rank.length).fill(0), ...(tie.length ? tie : [0]), ...asks] }];
  });
  ranked.sort((a, b) => {
    const at = a.rank.findIndex((figure, place) => figure !== b.rank[place]);
    return at < 0 ? 0 : b.rank[at]! - a.rank[at]!;
  });
  return ranked[0] === undefined ? null : route(ranked[0].shape).name;
}

test("whatever the routes, the table finds what the plain rules find", () => {
  const segment = fc.constantFrom("a", "b", "ab");
  const path = fc
    .tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
    .map(([parts, slash]) => `/${parts.join("/")}${slash && parts.length > 0 ? "/" : ""}`);
  const template = fc
    .array(fc.constantFrom("a", "b", "{x}"), { minLength: 1, maxLength: 3 })
    .filter((parts) => parts.includes("{x}"))
    .map((parts) => `/${parts.join("/")}`);
  const regex = fc.constantFrom("/[ab]+", "/a/[ab]+", "/a/b/[a-z]*", "/[a]/.*");
  const host = fc.constantFrom("*", "a.com", "*.a.com", "*.b.a.com", "b.a.com");
  const hosts = fc.uniqueArray(host, { minLength: 1, maxLength: 2 });
  const some = (name: string) =>
    fc.constantFrom([], [{ name, kind: "exact" as const, value: "1" }]);
  const match = fc.record({
    methods: fc.constantFrom([], ["GET"], ["POST", "PUT"]),
    headers: fc.tuple(some("x-a"), some("x-b")).map((both) => both.flat()),
    query: some("q"),
  });
  const shape = fc
    .record({ hosts, match: fc.option(match, { nil: undefined }) })
    .chain(({ hosts: at, match: asks }) => {
      const base = asks === undefined ? { hosts: at } : { hosts: at, match: asks };
      return fc.oneof(
        path.map((prefix): Shape => ({ ...base, prefix })),
        path.map((exact): Shape => ({ ...base, exact })),
        template.map((one): Shape => ({ ...base, template: one })),
        regex.map((one): Shape => ({ ...base, regex: one })),
      );
    });
  const asked = fc.record({
    from: fc.constantFrom("a.com", "b.a.com", "c.b.a.com", "x.a.com", "other"),
    at: path,
    method: fc.constantFrom("GET", "POST"),
    lines: fc.constantFrom("", "X-A: 1\r\n", "X-A: 1\r\nX-B: 1\r\n", "X-B: 2\r\n"),
    query: fc.constantFrom("", "?q=1", "?q=2"),
  });
  fc.assert(
    fc.property(fc.array(shape, { maxLength: 8 }), asked, (shapes, request) => {
      const { from, at, method, lines, query } = request;
      const head = headOf(from, at + query, method, lines);
      const found = new RouteTable(shapes.map(route)).find(head);
      expect(found?.name ?? null).toBe(naive(shapes, from, head));
    }),
    { seed: 1, numRuns: 1_500 },
  );
});

/**
 * Lookups in maps and choices among routes of one path that finding these takes. Who goes through a
 * map takes as many steps as it has entries.
 */
function stepsOf(table: RouteTable, heads: readonly RequestHead[]): number {
  let steps = 0;
  const { get, entries, keys, values, forEach } = Map.prototype;
  const iterate = Map.prototype[Symbol.iterator];
  const { choose } = PathRules.prototype;
  Map.prototype.get = function (key) {
    steps++;
    return get.call(this, key);
  };
  const counted = <Walk extends (this: Map<unknown, unknown>, ...rest: never[]) => unknown>(
    walk: Walk,
  ) =>
    function (this: Map<unknown, unknown>, ...rest: never[]) {
      steps += this.size;
      return walk.apply(this, rest);
    } as Walk;
  Object.assign(Map.prototype, {
    entries: counted(entries),
    keys: counted(keys),
    values: counted(values),
    forEach: counted(forEach),
    [Symbol.iterator]: counted(iterate),
  });
  PathRules.prototype.choose = function (head) {
    steps++;
    return choose.call(this, head);
  };
  try {
    for (const head of heads) table.find(head);
  } finally {
    Object.assign(Map.prototype, { get, entries, keys, values, forEach });
    Map.prototype[Symbol.iterator] = iterate;
    PathRules.prototype.choose = choose;
  }
  return steps;
}

test("what a lookup costs does not hang on the number of exact paths, prefixes and hosts", () => {
  const few: Shape[] = [
    { prefix: "/" },
    { prefix: "/service/1" },
    { exact: "/items/1" },
    { hosts: ["h1.example.com"], prefix: "/" },
    { hosts: ["*.example.com"], prefix: "/" },
  ];
  const many = Array.from({ length: 1_000 }, (_, n): Shape[] => [
    { prefix: `/service/${n + 2}` },
    { exact: `/items/${n + 2}` },
    { hosts: [`h${n + 2}.example.com`], prefix: "/" },
  ]).flat();
  const paths = ["/service/1/a/b", "/items/1", "/elsewhere"];
  const heads = ["other", "h1.example.com", "x.example.com"].flatMap((host) =>
    paths.map((path) => headOf(host, path)),
  );
  const small = stepsOf(new RouteTable(few.map(route)), heads);
  expect(small).toBeGreaterThan(heads.length);
  expect(stepsOf(new RouteTable([...few, ...many].map(route)), heads)).toBe(small);
});
