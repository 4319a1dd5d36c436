import { expect, test } from "bun:test";
import { join } from "node:path";
import { loadDocuments } from "../src/api/documents.ts";
import { renderObjects, TARGETS } from "../src/render/kubernetes/mod.ts";
import { parseCpu, parseSize } from "../src/schema/units.ts";
import { readResults } from "./results.ts";

const APP = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: api, namespace: shop }
spec: { image: registry.example.com/api:1, port: 9000 }
`;

/** What Istio's sidecar requests unless told otherwise: `global.proxy.resources` of its chart. */
const ISTIO = { cpu: 100, memory: 128 * 2 ** 20 };

function sidecarResources(): any {
  const documents = loadDocuments([{ file: "app.yaml", text: APP }]);
  const options = { target: TARGETS.kubernetes, image: "registry.example.com/outrigger:1" };
  const { objects } = renderObjects(documents, options);
  const body = objects.find(({ kind }) => kind === "Deployment")!.body as any;
  return body.spec.template.spec.initContainers[0].resources;
}

function measured(id: string): number {
  const rows = readResults(join(import.meta.dir, "results")).flatMap((result) => result.rows);
  return rows.find((row) => row.id === id)!.values["outrigger"]!;
}

test("S4-28 the sidecar's default requests and limits follow from what is measured, below Istio's", () => {
  const { requests, limits } = sidecarResources();
  const [cpu, memory, limit] = [
    parseCpu(requests.cpu)!,
    parseSize(requests.memory)!,
    parseSize(limits.memory)!,
  ];
  expect(cpu).toBeLessThan(ISTIO.cpu);
  expect(memory).toBeLessThan(ISTIO.memory);
  // Thousandths of a core for a thousand requests a second are microseconds a request.
  expect(measured("http1/policies/1KB/c64")).toBeLessThanOrEqual(cpu);
  expect(measured("memory/idle/rss") * 1e6).toBeLessThanOrEqual(memory);
  const loads = ["after-load", "after-bulk", "c1000"].map((load) => measured(`memory/${load}/rss`));
  // With as much again as room, for what an App's own policies keep.
  expect(Math.max(...loads) * 1e6 * 1.5).toBeLessThanOrEqual(limit);
});
