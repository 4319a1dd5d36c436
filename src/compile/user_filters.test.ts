import { expect, test } from "bun:test";
import { loadDocuments } from "../api/documents.ts";
import { explain } from "./explain.ts";
import { compile } from "./mod.ts";
import { appText, documentsOf, siteOf, snapshotsOf } from "./testdata/from_text.ts";

const FRONT = appText("front", 8080, [
  "filters:",
  "  - filters/auth.ts",
  "  - { file: /opt/rewrite_body.ts, name: body, onError: open, maxBody: 2Mi, config: { a: [1] } }",
  "routes: [{ path: /* }, { path: /api/*, to: pay }]",
  "calls:",
  "  pay: { host: pay.example, port: 80, filters: [{ file: filters/sign.ts, timeout: 200ms }] }",
]);

const PLAIN = { onError: "closed", timeoutMs: 1_000, maxBodyBytes: 1_048_576, config: {} };

test("filters of the App end each route of its own, those of a call its route", () => {
  const [snapshot] = snapshotsOf(FRONT);
  const { listeners } = snapshot!.policy;
  const own = [
    { filter: "typescript", config: { name: "auth", ...PLAIN } },
    {
      filter: "typescript",
      config: {
        name: "body",
        onError: "open",
        timeoutMs: 1_000,
        maxBodyBytes: 2_097_152,
        config: { a: [1] },
      },
    },
  ];
  for (const { filters } of listeners["inbound"]!.routes) expect(filters.slice(-2)).toEqual(own);
  const { filters } = listeners["call:pay"]!.routes[0]!;
  expect(filters.slice(-2)).toEqual([
    { filter: "set_host", config: { host: "pay.example" } },
    { filter: "typescript", config: { name: "sign", ...PLAIN, timeoutMs: 200 } },
  ]);
  expect(snapshot!.bindings.filters).toEqual({
    auth: "/apps/front/filters/auth.ts",
    body: "/opt/rewrite_body.ts",
    sign: "/apps/front/filters/sign.ts",
  });
  expect(snapshot!.policy.filterWatchdogMs).toBe(5_000);
});

test("a path is no policy: two machines have the same hash", () => {
  const elsewhere = FRONT.replace("/opt/rewrite_body.ts", "/srv/rewrite_body.ts");
  const [[one], [other]] = [snapshotsOf(FRONT), snapshotsOf(elsewhere)];
  expect(other!.policyHash).toBe(one!.policyHash);
  expect(other!.version).not.toBe(one!.version);
});

test("without filters nothing of them is in a Snapshot", () => {
  const text = JSON.stringify(snapshotsOf(appText("front", 8080)));
  expect(text).not.toContain("typescript");
  expect(text).not.toContain("filterWatchdog");
});

test("every value has its line, or the reason why it is so", () => {
  const documents = documentsOf(FRONT);
  const { snapshots } = compile({ documents, site: siteOf(documents) });
  const told = explain(snapshots[0]!).filter(({ pointer }) => pointer.includes("ilter"));
  const own = told.filter(({ origin }) => origin!.field.includes("filters"));
  const fields = own.map(({ source, origin }) => `${source} ${origin!.field}`);
  expect(fields).toContain("file spec.filters[1].maxBody");
  expect(fields).toContain("file spec.calls.pay.filters[0].timeout");
  const plain = told.find(({ pointer }) => pointer.endsWith("config/onError"))!;
  expect([plain.source, plain.origin!.field]).toEqual(["default", "spec.filters[0]"]);
  expect(plain.reason).toStartWith("Where a hook throws");
  expect(snapshots[0]!.origins["/bindings/filters/auth"]).toMatchObject({
    line: 8,
    field: "spec.filters[0]",
  });
});

test("two files of one name are a mistake, one file twice is not", () => {
  const twice = appText("front", 8080, ["filters: [a/auth.ts, b/auth.ts, a/auth.ts]"]);
  const documents = documentsOf(twice);
  const { problems } = compile({ documents, site: siteOf(documents) });
  expect(problems.map(({ field, message, advice }) => `${field}: ${message}; ${advice}`)).toEqual([
    "spec.filters[1]: filters: two files are called auth, /apps/front/a/auth.ts and " +
      "/apps/front/b/auth.ts; give one of them a name: ...",
  ]);
});

test.each([
  ["filters: [auth.py]", 'expected a file such as "filters/auth.ts"'],
  ["filters: [{ file: a.ts, onEror: open }]", 'did you mean "onError"?'],
  ["filters: [{ file: a.ts, onError: maybe }]", "onError"],
  ["filters: [{ file: a.ts, timeout: 0s }]", "timeout"],
])("what is wrong is said at its line: %s", (line, text) => {
  const { problems } = loadDocuments([{ file: "a.yaml", text: appText("front", 8080, [line]) }]);
  expect(problems.map(({ message, advice }) => `${message}; ${advice}`).join("\n")).toContain(text);
  expect(problems[0]!.line).toBe(7);
});
