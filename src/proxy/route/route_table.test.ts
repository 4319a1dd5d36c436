import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { HeaderBlock } from "../../codec/headers.ts";
import { RequestDecoder } from "../../codec/http1/request_decoder.ts";
import type { RequestHead } from "../../codec/message.ts";
import { routeOf } from "../../sim/snapshots.ts";
import { Cluster } from "../cluster/cluster.ts";
import { RouteCounters } from "../telemetry/counters.ts";
import { Route } from "./route.ts";
import { hostName, RouteTable } from "./route_table.ts";

interface Shape {
  readonly hosts?: string[];
  readonly exact?: string;
  readonly prefix?: string;
}

/** A route whose name says what it matches. */
function route({ hosts = ["*"], exact, prefix = "/" }: Shape): Route {
  const path =
    exact === undefined
      ? ({ kind: "prefix", value: prefix } as const)
      : ({ kind: "exact", value: exact } as const);
  const name = `${hosts.join(" ")} ${path.kind} ${path.value}`;
  // No request is sent: the table never asks for the cluster.
  const clusters = new Map([["app", Object.create(Cluster.prototype) as Cluster]]);
  const tools = { random: { next: () => 0, uint32: () => 0, secureBytes: () => new Uint8Array() } };
  return new Route({ ...routeOf({}), name, hosts, path }, clusters, new RouteCounters(), tools);
}

function headOf(host: string, path: string): RequestHead {
  let head: RequestHead | null = null;
  const sink = {
    onRequestHead: (found: RequestHead) => void (head = found),
    onBody() {},
    onTrailers(_trailers: HeaderBlock) {},
    onMessageEnd() {},
  };
  const decoder = new RequestDecoder({ maxHeaderBytes: 8_192, maxHeaders: 9 }, sink);
  const error = decoder.feed(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
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

/** The same rules as plainly as they can be said. */
function naive(shapes: Shape[], host: string, path: string): string | null {
  const rank = (pattern: string): number => {
    if (pattern === host) return 1_000;
    if (pattern === "*") return 0;
    return pattern.startsWith("*.") && host.endsWith(pattern.slice(1)) ? pattern.length : -1;
  };
  const patterns = shapes.flatMap(({ hosts = ["*"] }) => hosts).filter((one) => rank(one) >= 0);
  const best = patterns.sort((a, b) => rank(b) - rank(a))[0];
  const here = shapes.filter(({ hosts = ["*"] }) => hosts.includes(best ?? ""));
  const exact = here.find((shape) => shape.exact === path);
  if (exact !== undefined) return route(exact).name;
  const bare = ({ prefix = "/" }: Shape): string => prefix.replace(/\/$/, "");
  const prefixes = here.filter((shape) => {
    const covers = path === bare(shape) || path.startsWith(`${bare(shape)}/`);
    return shape.exact === undefined && covers;
  });
  prefixes.sort((a, b) => bare(b).length - bare(a).length);
  return prefixes[0] === undefined ? null : route(prefixes[0]).name;
}

test("whatever the routes, the table finds what the plain rules find", () => {
  const segment = fc.constantFrom("a", "b", "ab");
  const path = fc
    .tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
    .map(([parts, slash]) => `/${parts.join("/")}${slash && parts.length > 0 ? "/" : ""}`);
  const host = fc.constantFrom("*", "a.com", "*.a.com", "*.b.a.com", "b.a.com");
  const hosts = fc.uniqueArray(host, { minLength: 1, maxLength: 2 });
  const shape = fc.record({ hosts }).chain((base) =>
    fc.oneof(
      path.map((prefix): Shape => ({ ...base, prefix })),
      path.map((exact): Shape => ({ ...base, exact })),
    ),
  );
  const asked = fc.constantFrom("a.com", "b.a.com", "c.b.a.com", "x.a.com", "other");
  fc.assert(
    fc.property(fc.array(shape, { maxLength: 8 }), asked, path, (shapes, from, at) => {
      expect(find(shapes, from, at)).toBe(naive(shapes, from, at));
    }),
    { seed: 1, numRuns: 1_000 },
  );
});
