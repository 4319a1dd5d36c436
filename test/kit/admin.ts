import type { Snapshot } from "../../src/api/snapshot.ts";
import type { Place } from "./outrigger.ts";

/** A sidecar's admin API, as `up` has placed it. `workload` is NAMESPACE/NAME. */
export async function adminOf(place: Place, workload: string) {
  const { admin } = await place.process(`${workload}/sidecar`);
  if (admin === null) throw new Error(`the sidecar of ${workload} has no admin API`);
  return admin;
}

/** The text of its read-only /metrics. */
export async function scrape(place: Place, workload: string): Promise<string> {
  const { readOnly } = await adminOf(place, workload);
  const answer = await fetch(`http://${readOnly}/metrics`);
  if (answer.status !== 200) throw new Error(`/metrics answered ${answer.status}`);
  return answer.text();
}

/** The Snapshot in force. */
export async function configOf(place: Place, workload: string): Promise<Snapshot> {
  const { socket } = await adminOf(place, workload);
  const answer = await fetch("http://sidecar/config", { unix: socket });
  return (await answer.json()) as Snapshot;
}

/** Where a listener is: "inbound", or "call:NAME". */
export async function listenerPort(
  place: Place,
  workload: string,
  listener: string,
): Promise<number> {
  const { bindings } = await configOf(place, workload);
  const port = bindings.listeners[listener]?.port;
  if (port === undefined) throw new Error(`${workload} has no listener ${listener}`);
  return port;
}
