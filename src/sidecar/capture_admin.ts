import type { CapturedRequest, CaptureHead, CaptureLine, CaptureOrder } from "../api/capture.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { World } from "../base/world.ts";
import { type JsonLineWriter, jsonLinesAnswer } from "../http/json_lines.ts";
import { jsonAnswer, type ServerAnswer } from "../http/server.ts";
import type { DataPlane } from "./sidecar.ts";

/** Each costs something while it runs. */
const MAX_CAPTURES = 4;

/** The admin API's `POST /capture`: sampled requests as JSON lines, until a bound is reached. */
export class CaptureAdmin {
  readonly #world: World;
  readonly #proxy: () => DataPlane;
  readonly #snapshot: () => Snapshot | null;
  #running = 0;

  constructor(world: World, proxy: () => DataPlane, snapshot: () => Snapshot | null) {
    this.#world = world;
    this.#proxy = proxy;
    this.#snapshot = snapshot;
  }

  async answer(body: unknown): Promise<ServerAnswer> {
    // Only who captures needs the notation of paths.
    const { readCaptureOrder } = await import("../api/capture_order.ts");
    const order = readCaptureOrder(body);
    if (typeof order === "string") return jsonAnswer(409, { problem: order, advice: null });
    if (this.#running >= MAX_CAPTURES) {
      const problem = `${MAX_CAPTURES} captures run already`;
      return jsonAnswer(409, { problem, advice: "end one of them" });
    }
    // Here, not when it begins: several may be asked for at once.
    this.#running++;
    return jsonLinesAnswer((lines) => {
      const writer = new CaptureWriter(lines, order, this.#snapshot);
      writer.begin(this.#world.clock.wallMs());
      const end = this.#proxy().capture(order, (requests, lost) => writer.add(requests, lost));
      const timer = this.#world.clock.after(order.durationMs, async () => {
        // What has been captured is handed on first.
        await end();
        lines.end();
      });
      return () => {
        this.#running--;
        timer.cancel();
        void end();
      };
    });
  }
}

class CaptureWriter {
  readonly #lines: JsonLineWriter;
  readonly #order: CaptureOrder;
  readonly #snapshot: () => Snapshot | null;
  #leftBytes: number;
  #version = "";

  constructor(lines: JsonLineWriter, order: CaptureOrder, snapshot: () => Snapshot | null) {
    this.#lines = lines;
    this.#order = order;
    this.#snapshot = snapshot;
    this.#leftBytes = order.maxBytes;
  }

  begin(timeMs: number): void {
    const { ratio, headers, query } = this.#order;
    const workload = this.#snapshot()?.workload ?? { namespace: "", name: "" };
    const capture: CaptureHead = { format: 1, workload, timeMs, ratio, headers, query };
    this.#write({ capture });
    this.#writeSnapshot(this.#snapshot()?.version ?? "");
  }

  add(requests: readonly CapturedRequest[], lost: number): void {
    if (lost > 0) this.#lines.lose(lost);
    for (const request of requests) {
      if (request.version !== this.#version) this.#writeSnapshot(request.version);
      if (!this.#write({ request })) return;
    }
  }

  /** What the requests that follow met, unless it is gone already. */
  #writeSnapshot(version: string): void {
    const snapshot = this.#snapshot();
    if (snapshot === null || snapshot.version !== version) return;
    this.#version = version;
    // Whoever reads the capture needs what decided, not which line asked for it.
    this.#write({ snapshot: { ...snapshot, origins: {} } });
  }

  /** False once the bound is reached: then it is the end. */
  #write(line: CaptureLine): boolean {
    this.#leftBytes -= Buffer.byteLength(JSON.stringify(line)) + 1;
    if (this.#leftBytes < 0) {
      this.#lines.end();
      return false;
    }
    this.#lines.write(line);
    return true;
  }
}
