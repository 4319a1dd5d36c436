import { expect, test } from "bun:test";
import fc from "fast-check";
import type { PathMatch, RequestMatch, RoutePolicy } from "../../api/snapshot.ts";
import { RequestHead } from "../../codec/message.ts";
import { routeOf } from "../../sim/snapshots.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { RouteCounters } from "../telemetry/counters.ts";
import { inMatchingOrder } from "./matching_order.ts";
import { Route } from "./route.ts";
import { RouteTable } from "./route_table.ts";

function tableOf(routes: readonly RoutePolicy[]): RouteTable {
  // No request is sent: the table never asks for the cluster.
  const clusters = new Map([["app", {} as Cluster]]);
  const tools = { random: { next: () => 0, uint32: () => 0 } };
  return new RouteTable(
    routes.map((policy) => new Route(policy, clusters, new RouteCounters(), tools as never)),
  );
}

const PATHS: readonly PathMatch[] = [
  ...["/", "/a", "/a/b", "/a/b/c"].map((value) => ({ kind: "prefix" as const, value })),
  ...["/a", "/a/b", "/x"].map((value) => ({ kind: "exact" as const, value })),
  ...["/{one}", "/a/{id}", "/a/{id}/c", "/a/{id}/*"].map((value) => {
    return { kind: "template" as const, value };
  }),
  ...["/a/[a-z]+", "/.*c"].map((value) => ({ kind: "regex" as const, value })),
];

test("the first that fits is the one that the table finds, whatever routes there are", () => {
  const some = fc.record({
    path: fc.constantFrom(...PATHS),
    methods: fc.constantFrom([], ["GET"], ["PUT"]),
  });
  const asked = fc.constantFrom("/", "/a", "/a/b", "/a/b/c", "/a/7", "/a/7/c", "/x", "/y/c", "/ab");
  fc.assert(
    fc.property(fc.array(some, { minLength: 1, maxLength: 8 }), asked, (shapes, path) => {
      const routes = shapes.map(({ path: match, methods }, index) => {
        const wanted = { match: { methods, headers: [], cookies: [], query: [] } };
        const more = methods.length === 0 ? {} : wanted;
        return routeOf({ name: `r${index}`, path: match, ...more });
      });
      const head = new RequestHead();
      Object.assign(head, { method: "GET", rewritten: path, authority: "shop" });
      const fits = ({ route }: { route: RoutePolicy }) => tableOf([route]).find(head) !== null;
      const first = inMatchingOrder(routes).find(fits);
      expect(first?.route.name ?? null).toBe(tableOf(routes).find(head)?.name ?? null);
    }),
  );
});

test("exact hosts and paths go first, longer ones before shorter ones, more asked before less", () => {
  const path = (kind: PathMatch["kind"], value: string): PathMatch => ({ kind, value });
  const match: RequestMatch = { methods: ["GET"], headers: [], cookies: [], query: [] };
  const routes: RoutePolicy[] = [
    routeOf({ name: "rest" }),
    routeOf({ name: "items", path: path("prefix", "/items") }),
    routeOf({ name: "get items", path: path("prefix", "/items"), match }),
    routeOf({ name: "one", path: path("template", "/items/{id}") }),
    routeOf({ name: "list", path: path("exact", "/items") }),
    routeOf({ name: "wild", hosts: ["*.example.com"] }),
    routeOf({ name: "deep", hosts: ["*.eu.example.com"] }),
    routeOf({ name: "two", hosts: ["a.example.com", "*"], path: path("exact", "/two") }),
  ];
  expect(inMatchingOrder(routes).map(({ host, route }) => `${host} ${route.name}`)).toEqual([
    "a.example.com two",
    "*.eu.example.com deep",
    "*.example.com wild",
    "* list",
    "* two",
    "* one",
    "* get items",
    "* items",
    "* rest",
  ]);
});
