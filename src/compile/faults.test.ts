import { expect, test } from "bun:test";
import { diffSnapshots } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

const FAULTS = "{ delay: { fixed: 10s, percent: 50% }, abort: { status: 500, percent: 1% } }";

function front(call: string) {
  return snapshotsOf(appText("front", 8080, ["calls:", `  api: ${call}`]));
}

test("S1-26 (configuration) a call's faults become a filter of its route, line by line", () => {
  const [snapshot] = front(`{ endpoints: ["10.0.0.1:80"], faults: ${FAULTS} }`);
  const { filters } = snapshot!.policy.listeners["call:api"]!.routes[0]!;
  expect(filters.at(-1)).toEqual({
    filter: "fault",
    config: {
      delay: { minMs: 10_000, maxMs: 10_000, ratio: 0.5 },
      abort: { status: 500, ratio: 0.01 },
      headers: {},
      maxHeld: 1000,
    },
  });
  const parts = explain(snapshot!).filter(({ pointer }) => pointer.includes("/filters/2/config"));
  const fields = parts.map(({ pointer, source, origin }) => {
    return [pointer.split("/config/")[1], source, origin?.field.split(".faults").at(-1)];
  });
  expect(fields).toEqual([
    ["delay/minMs", "file", ".delay.fixed"],
    ["delay/maxMs", "file", ".delay.fixed"],
    ["delay/ratio", "file", ".delay.percent"],
    ["abort/status", "file", ".abort.status"],
    ["abort/ratio", "file", ".abort.percent"],
    ["headers", "default", ""],
    ["maxHeld", "default", ""],
  ]);
  expect(parts.at(-1)!.reason).toContain("1000");
});

test("diff says in words what faults were added and changed", () => {
  const call = (rest: string) => `{ endpoints: ["10.0.0.1:80"]${rest} }`;
  const before = front(call(""));
  const after = front(call(`, faults: ${FAULTS}`));
  const later = front(call(", faults: { delay: { min: 1s, max: 2s }, headers: { x-a: b } }"));
  const sentences = (a: typeof before, b: typeof before): string[] => {
    return diffSnapshots(a, b).workloads.flatMap(({ changes }) => changes.map((one) => one.sentence));
  };
  expect(sentences(before, after)).toEqual([
    "faults of calls to api added: delays 50% by 10 s, answers 1% with 500",
  ]);
  expect(sentences(after, later)).toEqual([
    "faults of calls to api changed: delays 100% by 1 s to 2 s, only with x-a: b " +
      "(was: delays 50% by 10 s, answers 1% with 500)",
  ]);
});

test("S1-26 (configuration) a bandwidth is bytes a second, in a size's units", () => {
  const endpoints = 'endpoints: ["10.0.0.1:80"]';
  const before = front(`{ ${endpoints} }`);
  const after = front(`{ ${endpoints}, faults: { bandwidth: { rate: 64Ki, percent: 20% } } }`);
  const { filters } = after[0]!.policy.listeners["call:api"]!.routes[0]!;
  expect(filters.at(-1)!.config.bandwidth).toEqual({ bytesPerSecond: 65_536, ratio: 0.2 });
  const [change] = diffSnapshots(before, after).workloads.flatMap(({ changes }) => changes);
  const words = "lets 20% of the answers out at 65536 bytes a second";
  expect(change!.sentence).toBe(`faults of calls to api added: ${words}`);
  const at = explain(after[0]!).find(({ pointer }) => pointer.endsWith("/bytesPerSecond"));
  expect([at!.source, at!.origin!.field]).toEqual([
    "file",
    "spec.calls.api.faults.bandwidth.rate",
  ]);
});
