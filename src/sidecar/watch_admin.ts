import { LOG_LEVELS, readLogLevel } from "../api/log_level.ts";
import { parseJson } from "../base/json.ts";
import type { World } from "../base/world.ts";
import { jsonLinesAnswer } from "../http/json_lines.ts";
import { jsonAnswer, type ServerAnswer, type ServerRequest } from "../http/server.ts";
import type { DataPlane } from "./sidecar.ts";

/** Each costs something while it runs. */
const MAX_TAPS = 8;

/** The admin API's part for who wants to see what happens: taps, failures, the log level. */
export class WatchAdmin {
  readonly #world: World;
  readonly #proxy: () => DataPlane;
  #taps = 0;

  constructor(world: World, proxy: () => DataPlane) {
    this.#world = world;
    this.#proxy = proxy;
  }

  /** Null where it is about something else. */
  async answer(request: ServerRequest): Promise<ServerAnswer | null> {
    const what = `${request.method} ${request.path}`;
    if (what === "GET /tap") return this.#tap(request.query);
    if (what === "GET /why") return this.#why(null);
    if (what.startsWith("GET /why/")) {
      const id = decoded(request.path.slice("/why/".length));
      return id === null ? jsonAnswer(200, { requests: [] }) : this.#why(id);
    }
    if (what === "GET /log-level") return jsonAnswer(200, { level: this.#proxy().logLevel });
    if (what === "PUT /log-level") return this.#setLogLevel(Buffer.from(request.body).toString());
    return null;
  }

  async #why(id: string | null): Promise<ServerAnswer> {
    return jsonAnswer(200, { requests: await this.#proxy().failures(id) });
  }

  async #setLogLevel(text: string): Promise<ServerAnswer> {
    const level = readLogLevel(parseJson(text));
    if (level === null) {
      const problem = `{"level": L} was expected, with L one of ${LOG_LEVELS.join(", ")}`;
      return jsonAnswer(409, { problem, advice: null });
    }
    await this.#proxy().setLogLevel(level);
    return jsonAnswer(200, { level });
  }

  async #tap(query: ReadonlyMap<string, string>): Promise<ServerAnswer> {
    // Only who taps needs the notation of paths.
    const { readTapOrder } = await import("../api/tap.ts");
    const order = readTapOrder(query);
    if (typeof order === "string") return jsonAnswer(409, { problem: order, advice: null });
    if (this.#taps >= MAX_TAPS) {
      const problem = `${MAX_TAPS} taps run already`;
      return jsonAnswer(409, { problem, advice: "end one of them" });
    }
    // Here, not when it begins: several may be asked for at once.
    this.#taps++;
    return jsonLinesAnswer((lines) => {
      let left = order.limit === 0 ? Number.POSITIVE_INFINITY : order.limit;
      const end = this.#proxy().tap(order, (records, lost) => {
        if (lost > 0) lines.lose(lost);
        for (const record of records) {
          if (left-- <= 0) return;
          lines.write(record);
        }
        if (left <= 0) lines.end();
      });
      const { clock } = this.#world;
      const { durationMs } = order;
      const isOver = async (): Promise<void> => {
        await end();
        lines.end();
      };
      const timer = durationMs === 0 ? null : clock.after(durationMs, isOver);
      return () => {
        this.#taps--;
        timer?.cancel();
        void end();
      };
    });
  }
}

/** Null where an escape is broken. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
