import { sha256Hex } from "../../../base/hash.ts";
import type { Clock, Listener, Socket, SocketHandler, World } from "../../../base/world.ts";
import { encodeValue, RespDecoder, type RespValue } from "../../../codec/resp.ts";
import { ByteSender } from "../../../http/byte_sender.ts";
import { TokenBuckets } from "../../../policy/token_bucket.ts";
import { BUCKET_SCRIPT } from "../bucket_script.ts";

const LIMITS = { maxDepth: 2, maxItems: 100, maxBytes: 1 << 20 };
const OK: RespValue = { type: "simple", value: "OK" };

/** A Redis that knows what the limits' client says to one, and the one script, by heart. */
export class FakeRedis {
  /** Connections that were made, and those that are open. */
  connections = 0;
  readonly open = new Set<FakeConnection>();
  /** Commands as they came, words joined by blanks; scripts and passwords left out. */
  readonly commands: string[] = [];
  /** How many commands came with each chunk of bytes. */
  readonly chunks: number[] = [];
  user = "default";
  password = "";
  /** Given instead of a verdict. */
  reply: RespValue | null = null;
  readonly clock: Clock;
  readonly #world: World;
  readonly #at: { readonly host: string; readonly port: number };
  readonly #buckets = new Map<string, TokenBuckets>();
  readonly #scripts = new Set<string>();
  #listener: Listener | null = null;
  #answers = true;

  constructor(world: World, host: string, port = 6379) {
    this.#world = world;
    this.#at = { host, port };
    this.clock = world.clock;
    this.start();
  }

  /** False: it stands still, and does what came meanwhile when it goes on. */
  set answers(answers: boolean) {
    this.#answers = answers;
    if (answers) for (const connection of this.open) connection.goOn();
  }

  get answers(): boolean {
    return this.#answers;
  }

  start(): void {
    if (this.#listener !== null) return;
    this.#listener = this.#world.net.listen({ address: this.#at }, () => {
      this.connections++;
      return new FakeConnection(this);
    });
  }

  /** As a killed one: its scripts are gone with it. */
  stop(): void {
    this.#listener?.stop();
    this.#listener = null;
    this.#scripts.clear();
    for (const connection of [...this.open]) connection.socket?.terminate();
  }

  flushScripts(): void {
    this.#scripts.clear();
  }

  /** Keys that a script has touched. */
  get keys(): string[] {
    return [...this.#buckets.keys()];
  }

  run(words: readonly string[]): RespValue {
    const [command, first = "", second = ""] = words;
    switch (command) {
      case "SELECT":
        return OK;
      case "SCRIPT":
        this.#scripts.add(hashOf(second));
        return bulk(hashOf(second));
      case "EVALSHA":
        if (this.#scripts.has(first)) return this.#verdict(words.slice(3));
        return { type: "error", value: "NOSCRIPT No matching script. Please use EVAL." };
      case "EVAL":
        this.#scripts.add(hashOf(first));
        return this.#verdict(words.slice(3));
      default:
        return { type: "error", value: `ERR unknown command '${command}'` };
    }
  }

  #verdict([key = "", burst, tokens, perMs]: readonly string[]): RespValue {
    if (this.reply !== null) return this.reply;
    let buckets = this.#buckets.get(key);
    if (buckets === undefined) {
      const rate = { burst: Number(burst), tokens: Number(tokens), perMs: Number(perMs) };
      buckets = new TokenBuckets(rate, 1);
      this.#buckets.set(key, buckets);
    }
    const verdict = buckets.take("", this.clock.now());
    const { allowed, remaining, retryMs, resetMs } = verdict;
    const numbers = [allowed ? 1 : 0, remaining, retryMs * 1000, resetMs * 1000];
    return {
      type: "array",
      items: numbers.map((value) => ({ type: "integer", value: Math.ceil(value) })),
    };
  }
}

class FakeConnection implements SocketHandler {
  socket: Socket | null = null;
  readonly #redis: FakeRedis;
  readonly #decoder: RespDecoder;
  #user: string | null;
  readonly #sender = new ByteSender();
  readonly #held: (readonly string[])[] = [];
  #inChunk = 0;

  constructor(redis: FakeRedis) {
    this.#redis = redis;
    this.#user = redis.password === "" ? "default" : null;
    this.#decoder = new RespDecoder(LIMITS, { onValue: (value) => this.#onCommand(value) });
  }

  onOpen(socket: Socket): void {
    this.socket = socket;
    this.#sender.attach(socket);
    this.#redis.open.add(this);
  }

  onData(bytes: Uint8Array): void {
    this.#inChunk = 0;
    const problem = this.#decoder.feed(bytes);
    if (problem !== null) throw new Error(`the client wrote what is no RESP: ${problem.message}`);
    if (this.#inChunk > 0) this.#redis.chunks.push(this.#inChunk);
  }

  onDrain(): void {
    this.#sender.flush();
  }

  onEnd(): void {
    this.socket?.close();
  }

  onClose(): void {
    this.#redis.open.delete(this);
  }

  #onCommand(value: RespValue): void {
    this.#inChunk++;
    const items = value.type === "array" ? value.items : [];
    const words = items.map((item) => {
      return item.type === "bulk" ? Buffer.from(item.value).toString("utf8") : "";
    });
    const told = words.map((word) => (word === BUCKET_SCRIPT ? "SCRIPT" : word));
    this.#redis.commands.push((words[0] === "AUTH" ? told.slice(0, -1) : told).join(" "));
    this.#held.push(words);
    if (this.#redis.answers) this.goOn();
  }

  goOn(): void {
    for (const words of this.#held.splice(0)) this.#sender.send(encodeValue(this.#answer(words)));
  }

  #answer(words: readonly string[]): RespValue {
    if (words[0] === "AUTH") return this.#auth(words.slice(1));
    if (this.#user !== null) return this.#redis.run(words);
    return { type: "error", value: "NOAUTH Authentication required." };
  }

  #auth(words: readonly string[]): RespValue {
    const [user, password] = words.length === 1 ? ["default", words[0]] : words;
    if (user === this.#redis.user && password === this.#redis.password) {
      this.#user = user;
      return OK;
    }
    return { type: "error", value: "WRONGPASS invalid username-password pair." };
  }
}

function hashOf(script: string): string {
  return sha256Hex(script).slice(0, 40);
}

function bulk(text: string): RespValue {
  return { type: "bulk", value: Buffer.from(text) };
}
