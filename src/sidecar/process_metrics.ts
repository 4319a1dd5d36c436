import type { World } from "../base/world.ts";
import { PrometheusText } from "../codec/prometheus_text.ts";
import { availableBytes } from "../proxy/overload.ts";

/** Of this process as the system sees it, under the names that all Prometheus clients use. */
export function processMetrics(world: World, startedWallMs: number): string {
  const text = new PrometheusText();
  const add = (name: string, type: "gauge" | "counter", help: string, value: number): void => {
    text.family(name, type, help);
    text.sample(name, {}, value);
  };
  const { residentBytes, userMs, systemMs } = world.processes.self.usage();
  const cpu = "User and system CPU time.";
  add("process_cpu_seconds_total", "counter", cpu, (userMs + systemMs) / 1000);
  add("process_resident_memory_bytes", "gauge", "Resident memory.", residentBytes);
  const started = "When the process started, in seconds since 1970.";
  add("process_start_time_seconds", "gauge", started, startedWallMs / 1000);
  const { limit } = world.net.room;
  if (limit !== null) {
    add("process_max_fds", "gauge", "How many files and sockets may be open.", limit);
  }
  const open = openDescriptors(world);
  if (open !== null) {
    add("process_open_fds", "gauge", "How many files and sockets are open.", open);
  }
  const memory = availableBytes(world.files);
  if (Number.isFinite(memory)) {
    const help = "What the container or the machine lets this process use.";
    add("outrigger_memory_limit_bytes", "gauge", help, memory);
  }
  return text.toString();
}

/** proc(5): since Linux 6.2 the folder's size is their count; null before. */
function openDescriptors({ files }: World): number | null {
  try {
    return files.stat("/proc/self/fd")?.sizeBytes || null;
  } catch {
    return null;
  }
}
