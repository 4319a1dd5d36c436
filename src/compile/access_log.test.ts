import { expect, test } from "bun:test";
import type { Snapshot } from "../api/snapshot.ts";
import { diffSnapshots } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

const MESH = [
  "apiVersion: outrigger.dev/v1alpha1",
  "kind: Mesh",
  "metadata: { name: shop }",
  "spec:",
  "  accessLog: { format: text, errors: true, slowerThan: 1s, sample: 1% }",
  "  routes:",
  "    - { host: shop.example.com, rules: [{ backends: [{ app: api }] }] }",
  "---",
  "",
].join("\n");

const of = (snapshots: readonly Snapshot[]): Record<string, Snapshot["policy"]["accessLog"]> =>
  Object.fromEntries(snapshots.map(({ workload, policy }) => [workload.name, policy.accessLog]));

test("S2-12 the access log is as the App says, else as the Mesh does, else off", () => {
  const mesh = {
    format: "text" as const,
    only: { errors: true, slowerThanMs: 1_000, sampleRatio: 0.01 },
  };
  const own = appText("own", 9001, ["sidecar: { accessLog: json }"]);
  const apps = appText("api", 9000) + own;
  expect(of(snapshotsOf(apps))).toEqual({ api: { format: "off" }, own: { format: "json" } });
  expect(of(snapshotsOf(MESH + apps))).toEqual({
    api: mesh,
    gateway: mesh,
    own: { format: "json" },
  });
  const all = appText("all", 9002, ["sidecar: { accessLog: { format: text } }"]);
  expect(of(snapshotsOf(all))).toEqual({ all: { format: "text" } });
});

test("where it came from is known, and a change is said in words", () => {
  const [plain] = snapshotsOf(appText("api", 9000));
  const [mesh] = snapshotsOf(MESH + appText("api", 9000));
  const parts = explain(mesh!).filter(({ pointer }) => pointer.startsWith("/policy/accessLog"));
  expect(new Set(parts.map(({ source }) => source))).toEqual(new Set(["file"]));
  expect(parts.map(({ origin }) => origin!.field)).toEqual([
    "spec.accessLog.format",
    "spec.accessLog.errors",
    "spec.accessLog.slowerThan",
    "spec.accessLog.sample",
  ]);
  const [workload] = diffSnapshots([plain!], [mesh!]).workloads;
  expect(workload!.changes.map(({ sentence }) => sentence)).toEqual([
    "access log changed: text, only errors, from 1 s on, 1% of all (was: off)",
  ]);
  expect(() => snapshotsOf(appText("api", 9000, ["sidecar: { accessLog: xml }"]))).toThrow("xml");
  const odd = appText("api", 9000, ["sidecar: { accessLog: { sample: 101% } }"]);
  expect(() => snapshotsOf(odd)).toThrow("101%");
});
