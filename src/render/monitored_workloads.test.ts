import { expect, test } from "bun:test";
import { compile } from "../compile/mod.ts";
import { appText, documentsOf, siteOf } from "../compile/testdata/from_text.ts";
import { monitoredWorkloads } from "./monitored_workloads.ts";

test("what is watched follows from the Snapshots and the Apps' objectives", () => {
  const documents = documentsOf(
    appText("api", 9000, ["logs: [{ file: logs/events.log }]"]) +
      appText("frontend", 8080, [
        "calls: { api: { breaker: {} }, plain: { app: api } }",
        "slo: { availability: 99.9%, latency: { p99: 300ms } }",
        "ingress: [{ host: shop.example.com }]",
      ]) +
      appText("bare", 8090, ["sidecar: { enabled: false }"]),
  );
  const { snapshots } = compile({ documents, site: siteOf(documents) });
  const certificates = { toCallers: false, toCallees: false };
  const none = { calls: [], availability: null, p99Ms: null, pipelines: [], certificates };
  expect(monitoredWorkloads(documents, snapshots)).toEqual([
    { namespace: "shop", name: "api", direction: "inbound", ...none, pipelines: ["events"] },
    {
      namespace: "shop",
      name: "frontend",
      direction: "inbound",
      calls: [
        { name: "api", listener: "call:api", hasBreaker: true },
        { name: "plain", listener: "call:plain", hasBreaker: false },
      ],
      availability: 0.999,
      p99Ms: 300,
      pipelines: [],
      certificates,
    },
    { namespace: "shop", name: "gateway", direction: "gateway", ...none },
  ]);
});

test("certificates that callers or callees are shown are watched", () => {
  const tls = "tls: { certificates: [{ certificate: a/x.pem, key: a/x.key }] }";
  const shown = "{ host: x.example, port: 443, tls: { certificate: c.pem, key: c.key } }";
  const documents = documentsOf(
    appText("one", 8443, [tls, "calls: { x: { host: x.example, port: 443, tls: {} } }"]) +
      appText("two", 8080, [`calls: { x: ${shown} }`]),
  );
  const { snapshots } = compile({ documents, site: siteOf(documents) });
  const watched = monitoredWorkloads(documents, snapshots).map(({ certificates }) => certificates);
  expect(watched).toEqual([
    { toCallers: true, toCallees: false },
    { toCallers: false, toCallees: true },
  ]);
});
