import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeCommand, RespDecoder, type RespValue } from "../../src/codec/resp.ts";
import { partOf } from "./parts.ts";
import { untilTrue } from "./poll.ts";

/** Null without a Redis, which is a failure where the whole test run has to be complete. */
export const REDIS = await partOf("redis");

/** A real redis-server that keeps nothing. */
export class RedisServer {
  readonly #folder = mkdtempSync(join(tmpdir(), "ot-redis-"));
  #process: Bun.Subprocess | null = null;

  constructor(
    readonly port: number,
    readonly password: string,
  ) {}

  async start(): Promise<void> {
    const options = {
      bind: "127.0.0.1",
      port: String(this.port),
      dir: this.#folder,
      save: "",
      appendonly: "no",
      daemonize: "no",
      requirepass: this.password,
    };
    const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    this.#process = Bun.spawn([REDIS!, ...words], { stdio: ["ignore", "ignore", "ignore"] });
    await untilTrue("Redis answers", async () => {
      const [, pong] = await this.ask([["AUTH", this.password], ["PING"]]);
      return pong?.type === "simple" && pong.value === "PONG";
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#process?.exited;
    this.#process = null;
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Commands on a connection of their own, and their answers. */
  ask(commands: readonly (readonly string[])[]): Promise<RespValue[]> {
    return new Promise((resolve, reject) => {
      const answers: RespValue[] = [];
      const limits = { maxDepth: 4, maxItems: 10_000, maxBytes: 1 << 20 };
      const socket = connect({ port: this.port, host: "127.0.0.1" });
      const decoder = new RespDecoder(limits, {
        onValue(value) {
          answers.push(value);
          if (answers.length < commands.length) return;
          socket.destroy();
          resolve(answers);
        },
      });
      socket.on("connect", () => socket.write(Buffer.concat(commands.map(encodeCommand))));
      socket.on("data", (bytes: Buffer) => {
        const problem = decoder.feed(bytes);
        if (problem !== null) socket.destroy(new Error(problem.message));
      });
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("Redis closed the connection")));
    });
  }
}
