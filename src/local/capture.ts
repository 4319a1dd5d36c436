import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { HttpClient, HttpError } from "../http/client.ts";
import { type JsonLine, readJsonLines } from "../http/json_lines.ts";
import type { AdminPlace } from "./sidecars.ts";

/**
 * Has a sidecar capture requests until its bounds are reached, or the signal ends it.
 * @param order as `readCaptureOrder` takes it
 * @throws Failure "not-running", or "refused" with the sidecar's reason.
 */
export async function captureFrom(
  world: World,
  { workload, socket }: AdminPlace,
  order: Readonly<Record<string, unknown>>,
  abort: AbortSignal,
  onLine: (line: JsonLine) => void,
): Promise<void> {
  const request = {
    ...{ method: "POST", path: "/capture", address: { path: socket }, timeoutMs: 0, abort },
    body: JSON.stringify(order),
  };
  try {
    const { status, body } = await readJsonLines(new HttpClient(world), request, onLine);
    if (status !== 200) throw refused(workload, status, Buffer.from(body).toString());
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    if (error.code === "aborted") return;
    const advice = "is it running? outrigger status shows what runs";
    const text = `the sidecar of ${workload} does not answer: ${error.message}`;
    throw new Failure("not-running", text, advice);
  }
}

function refused(workload: string, status: number, text: string): Failure {
  if (status !== 409) {
    const advice = "it may be of an older version: start it anew";
    return new Failure("refused", `the sidecar of ${workload} answered ${status}`, advice);
  }
  const { problem, advice } = JSON.parse(text) as { problem: string; advice: string | null };
  return new Failure("refused", `${workload}: ${problem}`, advice ?? undefined);
}
