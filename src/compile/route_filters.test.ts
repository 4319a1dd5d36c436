import { expect, test } from "bun:test";
import { diffSnapshots, diffText } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

const DENY = "deny: [{ methods: [DELETE], notFrom: [203.0.113.0/24] }]";
const NO_EDITS = { set: {}, add: {}, remove: [] };
const RULES = [{ methods: ["DELETE"], notFrom: ["203.0.113.0/24"] }];

test("S3-20 (configuration) deny holds at the gateway, and in the sidecar", () => {
  const snapshots = snapshotsOf(
    appText("api", 9000, [
      `ingress: [{ host: shop.example.com, ${DENY} }]`,
      `routes: [{ path: /*, ${DENY} }]`,
      "sidecar: { trustedHops: [10.0.0.0/8] }",
    ]),
  );
  const [sidecar, gateway] = snapshots;
  const { inbound } = sidecar!.policy.listeners;
  const door = gateway!.policy.listeners.gateway!;
  for (const listener of [inbound!, door]) {
    const filter = { filter: "deny", config: { rules: RULES } };
    expect(listener.routes[0]!.filters.at(-1)).toEqual(filter);
  }
  expect([inbound!.trustedHops, door.trustedHops]).toEqual([["10.0.0.0/8"], undefined]);
});

test("what is refused is explained by its line, and said by diff", () => {
  const before = snapshotsOf(appText("api", 9000, ["routes: [{ path: /* }]"]));
  const after = snapshotsOf(appText("api", 9000, [`routes: [{ path: /*, ${DENY} }]`]));
  const at = "/policy/listeners/inbound/routes/0/filters/2/config/rules/0/notFrom";
  expect(explain(after[0]!).find(({ pointer }) => pointer === at)).toMatchObject({
    value: ["203.0.113.0/24"],
    source: "file",
    origin: { line: 7, field: "spec.routes[0].deny[0].notFrom" },
  });
  expect(diffText(diffSnapshots(before, after))).toContain(
    "+ refused requests of requests to the app added: DELETE except from 203.0.113.0/24",
  );
});

test("redirect, respond, rewrite and headers become filters, line by line", () => {
  const [snapshot] = snapshotsOf(
    appText("api", 9000, [
      "routes:",
      "  - { path: /old, redirect: { status: 308, path: /new } }",
      "  - { path: /gone/*, respond: { status: 410, body: gone } }",
      "  - path: /api/*",
      "    rewrite: { prefix: /v2 }",
      "    headers: { response: { remove: [x-powered-by] } }",
    ]),
  );
  const { routes } = snapshot!.policy.listeners.inbound!;
  const own = (index: number) => routes[index]!.filters.slice(2);
  expect(own(0)).toEqual([{ filter: "redirect", config: { status: 308, path: "/new" } }]);
  expect(own(1)).toMatchObject([{ filter: "respond", config: { status: 410, body: "gone" } }]);
  expect(own(2)).toEqual([
    {
      filter: "headers",
      config: { request: NO_EDITS, response: { ...NO_EDITS, remove: ["x-powered-by"] } },
    },
    { filter: "rewrite", config: { from: "/api", prefix: "/v2" } },
  ]);
  const at = "/policy/listeners/inbound/routes/2/filters/3/config/prefix";
  expect(explain(snapshot!).find(({ pointer }) => pointer === at)?.origin?.line).toBe(11);
});

const EVERYTHING = [
  DENY,
  "rateLimit: { requests: 10 }",
  "cors: { allowOrigins: [https://shop.example.com], allowCredentials: true }",
  "headers: { request: { add: { x-env: prod } } }",
  "rewrite: { prefix: /v2 }",
  "faults: { abort: { status: 503, percent: 1% } }",
];

const ORDER = [
  "request_id",
  "trace_context",
  "forwarded",
  "deny",
  "rate_limit",
  "cors",
  "headers",
  "rewrite",
  "fault",
];

test("filters stand in one order: refusal, limit, leave, answer, change, fault", () => {
  const [snapshot] = snapshotsOf(
    appText("api", 9000, [
      "sidecar: { edge: true }",
      "routes:",
      `  - { path: /a/*, ${EVERYTHING.toReversed().join(", ")} }`,
      `  - { path: /b, redirect: { host: b.example }, ${EVERYTHING[2]} }`,
    ]),
  );
  const { routes } = snapshot!.policy.listeners.inbound!;
  const names = (index: number) => routes[index]!.filters.map(({ filter }) => filter);
  expect(names(0)).toEqual(ORDER);
  expect(names(1)).toEqual([...ORDER.slice(0, 3), "cors", "redirect"]);
});

const MESH = [
  "apiVersion: outrigger.dev/v1alpha1",
  "kind: Mesh",
  "metadata: { name: shop }",
  "spec:",
  "  gateway: { port: 8000, trustedHops: [10.0.0.0/8] }",
  "  routes:",
  "    - host: shop.example.com",
  "      rules:",
  "        - match: { path: /api/* }",
  "          backends: [{ app: api, weight: 9 }, { app: next, weight: 1 }]",
  "          sticky: { cookie: release, ttl: 1h }",
  "          timeout: 2s",
  "          idleTimeout: 1s",
  "          retry: { attempts: 1 }",
  '          fallback: { body: "{}" }',
  ...EVERYTHING.map((line) => `          ${line}`),
  "        - match: { path: /old/* }",
  "          redirect: { status: 301, prefix: /new }",
  "        - match: { path: /gone }",
  "          respond: { status: 410 }",
  "---",
  "",
].join("\n");

test("a rule of the Mesh has all that a route of an App has, line by line", () => {
  const snapshots = snapshotsOf(MESH + appText("api", 9000) + appText("next", 9001));
  const gateway = snapshots.find((one) => one.workload.name === "gateway")!;
  const listener = gateway.policy.listeners.gateway!;
  expect(listener.trustedHops).toEqual(["10.0.0.0/8"]);
  const [api, old, gone] = listener.routes;
  expect(api!.filters.map(({ filter }) => filter)).toEqual(ORDER);
  expect(api).toMatchObject({
    sticky: { cookie: "release", ttlMs: 3_600_000 },
    timeoutMs: 2000,
    idleTimeoutMs: 1000,
    retry: { attempts: 1 },
    fallback: { body: "{}" },
  });
  expect(old!.filters.at(-1)).toEqual({
    filter: "redirect",
    config: { from: "/old", status: 301, prefix: "/new" },
  });
  expect([old!.backends, gone!.backends]).toEqual([[], []]);
  const parts = explain(gateway);
  const origin = (pointer: string) => {
    const at = `/policy/listeners/gateway/${pointer}`;
    const { source, origin: from } = parts.find((part) => part.pointer === at)!;
    return `${source} ${from!.field}`;
  };
  const rule = "spec.routes[0].rules[0]";
  expect(origin("trustedHops")).toBe("file spec.gateway.trustedHops");
  expect(origin("routes/0/sticky/ttlMs")).toBe(`file ${rule}.sticky.ttl`);
  expect(origin("routes/0/timeoutMs")).toBe(`file ${rule}.timeout`);
  expect(origin("routes/0/filters/3/config/rules/0/methods")).toBe(`file ${rule}.deny[0].methods`);
  expect(origin("routes/0/filters/4/config/requests")).toBe(`file ${rule}.rateLimit.requests`);
  expect(origin("routes/0/filters/5/config/allowOrigins")).toBe(`file ${rule}.cors.allowOrigins`);
  expect(origin("routes/0/filters/5/config/maxAgeMs")).toBe(`default ${rule}.cors`);
  expect(origin("routes/0/filters/6/config/request/add/x-env")).toBe(`file ${rule}.headers.request.add.x-env`);
  expect(origin("routes/0/filters/6/config/response/set")).toBe(`default ${rule}.headers`);
  expect(origin("routes/0/filters/7/config/prefix")).toBe(`file ${rule}.rewrite.prefix`);
  expect(origin("routes/0/filters/8/config/abort/status")).toBe(`file ${rule}.faults.abort.status`);
  expect(origin("routes/1/filters/3/config/prefix")).toBe("file spec.routes[0].rules[1].redirect.prefix");
  expect(origin("routes/2/filters/3/config/status")).toBe("file spec.routes[0].rules[2].respond.status");
  const byDefault = parts.find(({ pointer }) => pointer.endsWith("/5/config/maxAgeMs"))!;
  expect(byDefault.reason).toContain("5s, as browsers do");
});

test("diff says them in words", () => {
  const apps = appText("api", 9000) + appText("next", 9001);
  const rule = "  routes: [{ host: a.example, rules: [{ backends: [{ app: api }, { app: next }]";
  const mesh = (rest: string) =>
    [...MESH.split("\n").slice(0, 4), `${rule}${rest} }] }]`, "---", ""].join("\n") + apps;
  const sticky = ", sticky: { cookie: release, ttl: 1h }";
  const cors = `, ${EVERYTHING[2]}`;
  const text = diffText(diffSnapshots(snapshotsOf(mesh("")), snapshotsOf(mesh(sticky + cors))));
  expect(text).toContain("sticky choice of requests from outside on a.example/* added: ");
  expect(text).toContain("by the cookie release for 1 h");
  expect(text).toContain("GET, HEAD, POST from https://shop.example.com, with credentials");
});
