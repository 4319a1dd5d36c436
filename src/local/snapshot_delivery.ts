import { workloadKey } from "../api/site.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { World } from "../base/world.ts";
import { HttpClient, HttpError } from "../http/client.ts";
import { GATEWAY } from "./build_site.ts";
import type { StateFolder } from "./state_folder.ts";

const PUT_TIMEOUT_MS = 5_000;

/** Puts Snapshots where sidecars read them when they start, and into those that run. */
export class SnapshotDelivery {
  #written = new Map<string, string>();
  #client: HttpClient;

  constructor(
    world: World,
    private readonly state: StateFolder,
  ) {
    this.#client = new HttpClient(world);
  }

  /** Writes those that changed; returns them. `isApp` tells the gateway's from the others. */
  write(snapshots: readonly Snapshot[], isApp: (key: string) => boolean): readonly Snapshot[] {
    return snapshots.filter((snapshot) => {
      const key = workloadKey(snapshot.workload);
      // Lines of origin count too: an explanation should name the line where it stands now.
      const text = JSON.stringify(snapshot);
      if (this.#written.get(key) === text) return false;
      const folder = isApp(key) ? key : GATEWAY;
      this.state.makeWorkload(folder);
      this.state.writeJson(this.state.snapshot(folder), snapshot);
      this.#written.set(key, text);
      return true;
    });
  }

  /**
   * Gives a running sidecar its new Snapshot; its connections live on. Returns why it was refused,
   * or null. A sidecar that does not answer is about to start, and reads the file.
   */
  async put(snapshot: Snapshot): Promise<string | null> {
    try {
      const answer = await this.#client.request({
        method: "PUT",
        address: { path: snapshot.bindings.admin.socket },
        path: "/snapshot",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(snapshot),
        timeoutMs: PUT_TIMEOUT_MS,
      });
      if (answer.status === 200) return null;
      const text = Buffer.from(answer.body).toString();
      return answer.status === 409 ? String(JSON.parse(text).problem) : text.trim();
    } catch (error) {
      if (error instanceof HttpError && error.code === "connect") return null;
      return (error as Error).message;
    }
  }
}
