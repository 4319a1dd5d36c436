import { expect, test } from "bun:test";
import { diffSnapshots } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

const TARGET = 'endpoints: ["10.0.0.1:80"]';

function front(own: string, call: string) {
  const lines = [own, `calls: { api: { ${call} } }`];
  return snapshotsOf(appText("front", 8080, lines))[0]!;
}

test("answers are validated strictly unless a file says otherwise, for the app and each call", () => {
  const { clusters } = front("env: {}", TARGET).policy;
  expect([clusters.app!.responseValidation, clusters.api!.responseValidation]).toEqual([
    undefined,
    undefined,
  ]);
  const own = front("responseValidation: tolerant", TARGET).policy.clusters;
  expect([own.app!.responseValidation, own.api!.responseValidation]).toEqual([
    "tolerant",
    undefined,
  ]);
  const call = front("responseValidation: strict", `${TARGET}, responseValidation: tolerant`);
  expect(call.policy.clusters.app!.responseValidation).toBeUndefined();
  expect(call.policy.clusters.api!.responseValidation).toBe("tolerant");
});

test("explain names the line, diff says it in words", () => {
  const before = front("env: {}", TARGET);
  const after = front("env: {}", `${TARGET}, responseValidation: tolerant`);
  const pointer = "/policy/clusters/api/responseValidation";
  const part = explain(after).find((one) => one.pointer === pointer);
  expect([part?.source, part?.origin?.field]).toEqual([
    "file",
    "spec.calls.api.responseValidation",
  ]);
  const { workloads } = diffSnapshots([before], [after]);
  expect(workloads.flatMap(({ changes }) => changes.map(({ sentence }) => sentence))).toEqual([
    "malformed answers of calls to api added: repaired where that is safe",
  ]);
});
