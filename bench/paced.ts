import { join } from "node:path";
import { HOST } from "./proxies/proxy.ts";

export interface Pace {
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
}

/** Sorted latencies in milliseconds of GETs at a fixed rate. @throws where a request failed. */
export async function paced(
  name: string,
  port: number,
  { rate, seconds, connections }: Pace,
): Promise<number[]> {
  const client = join(import.meta.dir, "paced_client.ts");
  const args = [port, HOST, "/1KB", rate, seconds, connections].map(String);
  const child = Bun.spawn([process.execPath, client, ...args], { stdout: "pipe", stderr: "pipe" });
  const output = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) {
    throw new Error(
      `the paced client failed on ${name}: ${await new Response(child.stderr).text()}`,
    );
  }
  const { sent, failed, latenciesUs } = JSON.parse(output) as {
    sent: number;
    failed: number;
    latenciesUs: number[];
  };
  if (failed > 0) throw new Error(`${failed} of ${sent} paced requests through ${name} failed`);
  return latenciesUs.map((us) => us / 1000).sort((a, b) => a - b);
}
