import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { diffSnapshots, diffText } from "./diff.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

const OFF = ["sidecar: { enabled: false }"];
const LOGS = ["logs: [{ file: logs/events.log, parse: json }]"];
const CALLS = [
  "calls:",
  "  api:",
  "    breaker: { errorRate: 25%, openFor: 5s }",
  "    fallback: { on: [open], body: sorry }",
];

const STAGES = {
  initial: appText("api", 9000, OFF) + appText("frontend", 8080, OFF),
  v1: appText("api", 9000) + appText("frontend", 8080),
  v2: appText("api", 9000, LOGS) + appText("frontend", 8080),
  v3: appText("api", 9000, LOGS) + appText("frontend", 8080, CALLS),
};

function between(before: string, after: string): string {
  return diffText(diffSnapshots(snapshotsOf(before), snapshotsOf(after)));
}

test("S2-9 diff shows only the improvement of each stage", () => {
  expect(between(STAGES.initial, STAGES.v1)).toBe(
    [
      "shop/api: sidecar added: its requests are counted, timed and given an id",
      "  + listener inbound added: requests to the app go through the sidecar" +
        "  (shop.yaml:6:3 spec.port)",
      "shop/frontend: sidecar added: its requests are counted, timed and given an id",
      "  + listener inbound added: requests to the app go through the sidecar" +
        "  (shop.yaml:13:3 spec.port)",
      "",
    ].join("\n"),
  );
  expect(between(STAGES.v1, STAGES.v2)).toBe(
    [
      "shop/api: policy changed",
      "  + log adapter events added: reads file, parse, enrich, writes to stdout" +
        "  (shop.yaml:7:10 spec.logs[0])",
      "",
    ].join("\n"),
  );
  expect(between(STAGES.v2, STAGES.v3)).toBe(
    [
      "shop/frontend: policy changed",
      "  + listener call:api added: calls to api go through the sidecar" +
        "  (shop.yaml:16:5 spec.calls.api)",
      "  + fallback of calls to api added: answers 200 with a body of 5 bytes on open" +
        "  (shop.yaml:18:7 spec.calls.api.fallback)",
      "  + breaker of calls to api added: opens at 25% errors of at least 20 tries in 10 s, " +
        "for 5 s, then 3 probes  (shop.yaml:17:7 spec.calls.api.breaker)",
      "",
    ].join("\n"),
  );
});

test("S2-9 the demo's stages each add their improvement, and take nothing away", () => {
  const folder = join(import.meta.dir, "../../examples/shop");
  const stages = ["initial", "v1", "v2", "v3"].map((stage) => {
    return snapshotsOf(readFileSync(join(folder, `${stage}.yaml`), "utf8"));
  });
  const found = stages.slice(1).map((after, index) => {
    const { workloads } = diffSnapshots(stages[index]!, after);
    const changes = workloads.flatMap((one) => one.changes);
    expect(changes.filter(({ change }) => change === "removed")).toEqual([]);
    return workloads.map(({ workload, change, changes: own }) => {
      const titles = own.map(({ sentence }) => sentence.replace(/ (?:added|changed): .*/, ""));
      return [workload.name, change, titles] as const;
    });
  });
  expect(found).toEqual([
    [
      ["api", "added", ["listener inbound"]],
      ["frontend", "added", ["listener inbound", "listener call:api"]],
    ],
    [["api", "changed", ["log adapter events"]]],
    [
      [
        "frontend",
        "changed",
        ["timeout", "retry", "fallback", "limits", "breaker"].map((one) => {
          return `${one} of calls to api`;
        }),
      ],
    ],
  ]);
});

test("a sidecar that is switched off is a removed Snapshot", () => {
  const diff = diffSnapshots(snapshotsOf(STAGES.v1), snapshotsOf(STAGES.initial));
  expect(diff.workloads.map(({ workload, change }) => [workload.name, change])).toEqual([
    ["api", "removed"],
    ["frontend", "removed"],
  ]);
  expect(diff.workloads[0]!.after).toBeNull();
  expect(diffText(diff)).toContain("shop/api: sidecar removed: nothing is in front");
});

test("the same files do not differ", () => {
  const diff = diffSnapshots(snapshotsOf(STAGES.v3), snapshotsOf(STAGES.v3));
  expect(diff).toEqual({ same: true, workloads: [] });
  expect(diffText(diff)).toBe("no difference\n");
});

test("a changed value says both, with the line after", () => {
  const call = (lines: string) =>
    appText("api", 9000) + appText("frontend", 8080, ["calls:", `  api: { ${lines} }`]);
  const diff = diffSnapshots(
    snapshotsOf(call("timeout: 2s, connectTimeout: 1s, limits: { maxRequests: 5 }")),
    snapshotsOf(call("timeout: 1500ms, connectTimeout: 250ms, limits: { maxRequests: 1 }")),
  );
  const [frontend] = diff.workloads;
  expect(frontend!.change).toBe("changed");
  expect(frontend!.changes.map(({ sentence }) => sentence)).toEqual([
    "timeout of calls to api changed: 1.5 s (was: 2 s)",
    "connect timeout of calls to api changed: 250 ms (was: 1 s)",
    "limits of calls to api changed: at most 1024 connections, 1 request in flight, 1024 waiting " +
      "(was: at most 1024 connections, 5 requests in flight, 1024 waiting)",
  ]);
  expect(frontend!.changes[0]).toMatchObject({
    part: "policy",
    change: "changed",
    pointer: "/policy/listeners/call:api/routes/0/timeoutMs",
    before: 2000,
    after: 1500,
    origin: { file: "shop.yaml", line: 15, field: "spec.calls.api.timeout" },
  });
});

test("what the words do not tell is named by its field", () => {
  const answering = (body: string) => {
    const call = `  api: { fallback: { on: [exhausted], body: ${body} } }`;
    return appText("api", 9000) + appText("frontend", 8080, ["calls:", call]);
  };
  const text = between(answering("hello"), answering("world"));
  expect(text).toContain("fallback of calls to api changed: other body");
});

test("a default that is written out changes nothing", () => {
  const plain = appText("frontend", 8080);
  const written = appText("frontend", 8080, ["sidecar: { accessLog: off, idleTimeout: 5m }"]);
  expect(between(plain, written)).toBe("no difference\n");
});

test("a route that moved in its list is not a change of its policies", () => {
  const routes = (...lines: string[]) =>
    appText("frontend", 8080, ["routes:", ...lines.map((line) => `  - { ${line} }`)]);
  const before = routes("path: /a/*, timeout: 1s", "path: /b/*");
  expect(between(before, routes("path: /b/*", "path: /a/*, timeout: 1s"))).toBe("no difference\n");
  expect(between(before, routes("path: /b/*"))).toContain(
    "- route of requests to the app on /a/* removed",
  );
});

test("a moved workload has the same policy in another place", () => {
  const text = between(appText("api", 9000), appText("api", 9500));
  expect(text).toContain("shop/api: the same policy in another place");
  expect(text).toContain(
    "~ address of listener inbound changed: 127.0.0.1:9500 (was: 127.0.0.1:9000)" +
      "  (shop.yaml:6:3 spec.port)",
  );
});

test("a route says what it asks of a request", () => {
  const ROUTES = (more: string) => ["routes:", "  - { path: /items/* }", ...(more ? [more] : [])];
  const canary = "  - { path: /items/*, match: { methods: [GET], headers: { X-Canary: yes } } }";
  const before = appText("api", 9000, ROUTES(""));
  expect(between(before, appText("api", 9000, ROUTES(canary)))).toContain(
    "+ route of requests to the app on /items/* GET x-canary: yes added: * /items/* GET x-canary: yes",
  );
});
