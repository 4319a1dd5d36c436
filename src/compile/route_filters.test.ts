import { expect, test } from "bun:test";
import { diffSnapshots, diffText } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

const DENY = "deny: [{ methods: [DELETE], notFrom: [203.0.113.0/24] }]";
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
  expect(sidecar!.policy.listeners.inbound!.routes[0]!.filters.at(-1)).toEqual({
    filter: "deny",
    config: { rules: RULES, trustedHops: ["10.0.0.0/8"] },
  });
  expect(gateway!.policy.listeners.gateway!.routes[0]!.filters.at(-1)).toEqual({
    filter: "deny",
    config: { rules: RULES, trustedHops: [] },
  });
});

test("what is refused is explained by its line, and said by diff", () => {
  const before = snapshotsOf(appText("api", 9000, ["routes: [{ path: /* }]"]));
  const after = snapshotsOf(appText("api", 9000, [`routes: [{ path: /*, ${DENY} }]`]));
  const at = "/policy/listeners/inbound/routes/0/filters/2/config/rules/0/notFrom";
  expect(explain(after[0]!).find(({ pointer }) => pointer === at)).toMatchObject({
    value: ["203.0.113.0/24"],
    source: "file",
    origin: { line: 7, field: "spec.routes[0].deny" },
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
      config: { request: { set: {}, remove: [] }, response: { set: {}, remove: ["x-powered-by"] } },
    },
    { filter: "rewrite", config: { from: "/api", prefix: "/v2" } },
  ]);
  const at = "/policy/listeners/inbound/routes/2/filters/3/config/prefix";
  expect(explain(snapshot!).find(({ pointer }) => pointer === at)?.origin?.line).toBe(11);
});
