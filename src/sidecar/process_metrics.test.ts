import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { parsePrometheusText, sumOfSamples } from "../codec/prometheus_text.ts";
import { processMetrics } from "./process_metrics.ts";

test("the standard families, and the memory that there is", () => {
  const world = createSimulatedWorld({ seed: 1 });
  world.processes.self.resources = { residentBytes: 4_096, userMs: 1_500, systemMs: 500 };
  world.files.makeFolder("/sys/fs/cgroup");
  world.files.write("/sys/fs/cgroup/memory.max", "134217728\n");
  const exposition = parsePrometheusText(processMetrics(world, 1_767_225_600_000));
  expect(exposition.problems).toEqual([]);
  const value = (name: string): number => sumOfSamples(exposition, name, {});
  expect(value("process_cpu_seconds_total")).toBe(2);
  expect(value("process_resident_memory_bytes")).toBe(4_096);
  expect(value("process_start_time_seconds")).toBe(1_767_225_600);
  expect(value("outrigger_memory_limit_bytes")).toBe(134_217_728);
});
