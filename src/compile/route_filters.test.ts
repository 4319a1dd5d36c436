import { expect, test } from "bun:test";
import { diffSnapshots, diffText } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

const DENY = "deny: [{ methods: [DELETE], notFrom: [203.0.113.0/24] }]";
const RULES = [{ methods: ["DELETE"], notFrom: ["203.0.113.0/24"] }];

test("S3-20 (configuration) deny of an ingress holds at the gateway, of a route in the sidecar", () => {
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
