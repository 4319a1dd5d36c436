import { expect, test } from "bun:test";
import { diffSnapshots } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

function api(...lines: string[]) {
  return snapshotsOf(appText("api", 8080, lines))[0]!;
}

const sentences = (before: ReturnType<typeof api>, after: ReturnType<typeof api>): string[] =>
  diffSnapshots([before], [after]).workloads.flatMap(({ changes }) => {
    return changes.map((one) => one.sentence);
  });

test("overload shedding reaches the Snapshot with its defaults and the health paths", () => {
  const plain = api();
  expect(plain.policy.overload).toBeUndefined();
  const snapshot = api(
    "health: { ready: /healthz?deep=1, live: /livez }",
    "sidecar: { overload: { eventLoopLag: 250ms } }",
  );
  expect(snapshot.policy.overload).toEqual({
    memory: { ratio: 0.8 },
    eventLoopLagMs: 250,
    keepPaths: ["/healthz", "/livez"],
  });
  const parts = explain(snapshot).filter(({ pointer }) => pointer.startsWith("/policy/overload"));
  expect(parts.map(({ pointer, source }) => [pointer.slice(17), source])).toEqual([
    ["memory/ratio", "default"],
    ["eventLoopLagMs", "file"],
    ["keepPaths", "file"],
  ]);
  expect(parts[0]!.reason).toContain("80%");
  const sized = api("sidecar: { overload: { memory: 64Mi } }");
  expect(sized.policy.overload!.memory).toEqual({ bytes: 64 * 2 ** 20 });
  expect(sentences(plain, snapshot)).toEqual([
    "overload shedding added: refuses requests above 80% of the memory or 250 ms of lag, " +
      "but not /healthz, /livez",
  ]);
});

test("a memory bound above all of it is no bound", () => {
  expect(() => api("sidecar: { overload: { memory: 120% } }")).toThrow("memory is 120%");
});

test("limits hold for what reaches the app too, an adaptive one with its defaults", () => {
  const plain = api();
  const snapshot = api("limits: { maxRequests: 50, adaptive: { max: 40 } }");
  const { limits } = snapshot.policy.clusters.app!;
  expect(limits.maxRequests).toBe(50);
  expect(limits.adaptive).toEqual({
    min: 3,
    max: 40,
    percentile: 0.5,
    windowMs: 100,
    measureEveryMs: 60_000,
    jitterRatio: 0.1,
    measureSamples: 50,
    tolerance: 0.25,
  });
  const at = "/policy/clusters/app/limits/adaptive/";
  const parts = explain(snapshot).filter(({ pointer }) => pointer.startsWith(at));
  expect(parts.find(({ pointer }) => pointer === `${at}max`)!.source).toBe("file");
  expect(parts.find(({ pointer }) => pointer === `${at}min`)!.reason).toContain("3, as Envoy");
  expect(parts.every(({ source, reason }) => source === "file" || reason !== null)).toBe(true);
  expect(sentences(plain, snapshot)[0]).toContain(
    "or fewer: what it bears (3 to 40, set every 100 ms, measured every 1 min)",
  );
});
