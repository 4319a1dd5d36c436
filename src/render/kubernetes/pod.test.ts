import { expect, test } from "bun:test";
import type { BufferPolicy, Snapshot } from "../../api/snapshot.ts";
import { sidecarVolumes } from "./pod.ts";

/** The limit of the state's volume beside a pipeline whose sinks have these buffers. */
function stateLimit(...buffers: readonly (Partial<BufferPolicy> | null)[]): unknown {
  const memory = { maxEvents: 20_000, maxBytes: 1_000_000 };
  const sinks = buffers.map((buffer, i) => {
    const written = buffer === null ? {} : { buffer: { ...memory, ...buffer } };
    return [`sink-${i}`, { component: "http", config: {}, ...written }] as const;
  });
  const pipeline = { sources: {}, steps: [], sinks: Object.fromEntries(sinks) };
  const snapshot = { policy: { pipelines: { events: pipeline } } } as unknown as Snapshot;
  const volumes = sidecarVolumes("api", snapshot) as { name: string; emptyDir: object }[];
  return volumes.find(({ name }) => name === "outrigger-state")!.emptyDir;
}

test("the volume of the sidecar's state has room for what its pipelines may keep on disk", () => {
  expect(stateLimit()).toEqual({ sizeLimit: "256Mi" });
  expect(stateLimit(null)).toEqual({ sizeLimit: "256Mi" });
  expect(stateLimit(null, {})).toEqual({ sizeLimit: "768Mi" });
  expect(stateLimit({ whenFull: "block" }, { disk: 1024 ** 3 })).toEqual({ sizeLimit: "1280Mi" });
});
