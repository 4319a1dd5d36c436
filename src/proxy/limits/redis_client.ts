import type { RedisBinding } from "../../api/redis.ts";
import { RestartBackoff } from "../../base/backoff.ts";
import { BoundedQueue } from "../../base/bounded_queue.ts";
import { TimeoutEntry, type TimeoutList, type Timeouts } from "../../base/timeouts.ts";
import {
  type Dial,
  type DialHandler,
  NetError,
  type Socket,
  type Timer,
  type World,
} from "../../base/world.ts";
import { encodeCommand, RespDecoder, type RespValue } from "../../codec/resp.ts";
import { ByteSender } from "../../http/byte_sender.ts";

/** From the dial to the answer of the last command of the greeting. */
const GREETING_TIMEOUT_MS = 1_000;
/** An answer is due for longer: the connection is dead, or its server stands still. */
const SILENCE_MS = 1_000;
/** Commands that wait for their answer. At 50,000 a second they are a fifth of a second's. */
const MAX_WAITING = 10_000;
const BACKOFF = { baseMs: 50, maxMs: 2_000, resetAfterMs: 1_000 };
/** Answers to the one script are four numbers. */
const ANSWER_LIMITS = { maxDepth: 4, maxItems: 64, maxBytes: 65_536 };

export type RedisState = "connecting" | "ready" | "away";

/** Why there is no answer; `error` is one that Redis gave. */
export type RedisFailure = "away" | "overflow" | "timeout" | "error";

export interface RedisEvents {
  /** Once when the first answer is missed, and once when it is back. */
  onAway(reason: string): void;
  onBack(): void;
}

type Settle = (answer: readonly RespValue[] | RedisFailure) => void;

/** A call of the script. It waits in the queue until its answer came, even where nobody waits. */
class Call extends TimeoutEntry {
  #settle: Settle | null;
  /** Redis did not know the script: this time it is sent whole. */
  again = false;

  constructor(
    readonly key: string,
    readonly words: readonly string[],
    settle: Settle,
  ) {
    super();
    this.#settle = settle;
  }

  get isSettled(): boolean {
    return this.#settle === null;
  }

  settle(answer: readonly RespValue[] | RedisFailure): void {
    const settle = this.#settle;
    this.#settle = null;
    this.disarm();
    settle?.(answer);
  }

  override onTimeout(): void {
    this.settle("timeout");
  }
}

/**
 * One connection to a Redis that runs one script again and again. Calls are pipelined: what comes
 * while an answer is due goes out together in one write. It comes back by itself, with backoff;
 * meanwhile calls are answered at once. Scripts are called by their hash (EVALSHA) and sent whole
 * where Redis has forgotten them.
 */
export class RedisClient {
  state: RedisState = "connecting";
  /** Calls that got an answer, and those that got none, by why. */
  answered = 0;
  readonly failed = { away: 0, overflow: 0, timeout: 0, error: 0 };
  readonly binding: RedisBinding;
  readonly #world: World;
  readonly #timeouts: Timeouts;
  readonly #script: string;
  readonly #events: RedisEvents;
  readonly #backoff: RestartBackoff;
  #connection: Connection | null = null;
  #retry: Timer | null = null;
  #attempts = 0;
  #readySinceMs = 0;
  #closed = false;
  #started = false;

  constructor(
    world: World,
    timeouts: Timeouts,
    binding: RedisBinding,
    script: string,
    events: RedisEvents,
  ) {
    this.#world = world;
    this.#timeouts = timeouts;
    this.binding = binding;
    this.#script = script;
    this.#events = events;
    this.#backoff = new RestartBackoff(world.random, BACKOFF);
  }

  /** Connects. Harmless when it has. */
  start(): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    void this.#connect();
  }

  /**
   * Runs the script with one key and its arguments; `settle` is called once, within `timeoutMs` at
   * the latest: with the items of the array that it returned, or with why there are none.
   */
  call(key: string, words: readonly string[], timeoutMs: number, settle: Settle): void {
    this.start();
    const done: Settle = (answer) => {
      if (typeof answer === "string") this.failed[answer]++;
      else this.answered++;
      settle(answer);
    };
    const connection = this.#connection;
    if (this.state === "away" || (this.#closed && connection === null)) return done("away");
    const call = new Call(key, words, done);
    if (connection === null || !connection.add(call)) {
      return done(connection === null ? "away" : "overflow");
    }
    this.#timeouts.list(timeoutMs).arm(call);
  }

  /** Ends the connection; what waits is answered "away". */
  close(): void {
    this.#closed = true;
    this.state = "away";
    this.#retry?.cancel();
    this.#retry = null;
    this.#connection?.end("closed");
    this.#connection = null;
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempts;
    const connection: Connection = new Connection(this.#world, this.#timeouts, this.#script, {
      onReady: () => this.#onReady(),
      onEnd: (reason) => {
        if (this.#connection === connection) this.#onEnd(reason);
      },
    });
    this.#connection = connection;
    let words: readonly (readonly string[])[];
    let host: string;
    try {
      words = this.#greeting();
      host = await this.#addressOf(attempt);
    } catch (error) {
      connection.end(error instanceof Error ? error.message : String(error));
      return;
    }
    // It was closed, or took too long, while DNS was asked.
    if (this.#closed || this.#connection !== connection) return;
    connection.open({ host, port: this.binding.port }, words);
  }

  /** A name may have several addresses: another one each time. */
  async #addressOf(attempt: number): Promise<string> {
    const { host } = this.binding;
    if (/^[0-9.]+$/.test(host) || host.includes(":")) return host;
    const found = await this.#world.net.resolve(host);
    const address = found[(attempt - 1) % found.length]?.address;
    if (address === undefined) throw new NetError("name-not-found", `${host} has no address`);
    return address;
  }

  #greeting(): string[][] {
    const { user, password, database } = this.binding;
    const words: string[][] = [];
    if (password !== undefined) {
      const secret = this.#secret(password);
      words.push(user === undefined ? ["AUTH", secret] : ["AUTH", user, secret]);
    }
    if (database !== 0) words.push(["SELECT", String(database)]);
    return words;
  }

  #secret(reference: NonNullable<RedisBinding["password"]>): string {
    if ("file" in reference) {
      return this.#world.files.readText(reference.file).replace(/\r?\n$/, "");
    }
    const found = this.#world.processes.self.env[reference.env];
    if (found !== undefined && found !== "") return found;
    throw new Error(`the variable ${reference.env}, which has the password, is not set`);
  }

  #onReady(): void {
    const wasAway = this.state === "away";
    this.state = "ready";
    this.#readySinceMs = this.#world.clock.now();
    if (wasAway) this.#events.onBack();
  }

  #onEnd(reason: string): void {
    this.#connection = null;
    if (this.#closed) return;
    const { clock } = this.#world;
    const upForMs = this.state === "ready" ? clock.now() - this.#readySinceMs : 0;
    const wasAway = this.state === "away";
    this.state = "away";
    if (!wasAway) this.#events.onAway(reason);
    this.#retry = clock.after(this.#backoff.nextMs(upForMs), () => {
      this.#retry = null;
      void this.#connect();
    });
  }
}

interface ConnectionEvents {
  onReady(): void;
  onEnd(reason: string): void;
}

class Connection implements DialHandler {
  readonly #world: World;
  readonly #script: string;
  readonly #events: ConnectionEvents;
  readonly #silence: TimeoutList;
  readonly #deadline: Deadline;
  readonly #decoder: RespDecoder;
  readonly #sender = new ByteSender();
  #socket: Socket | null = null;
  #dial: Dial | null = null;
  #greeting: readonly (readonly string[])[] = [];
  #greeted = 0;
  #hash = "";
  /** Sent, in the order in which their answers come. */
  readonly #sent = new BoundedQueue<Call>(MAX_WAITING);
  /** Not sent yet. */
  readonly #queued = new BoundedQueue<Call>(MAX_WAITING);
  #flushing = false;
  #ended = false;

  constructor(world: World, timeouts: Timeouts, script: string, events: ConnectionEvents) {
    this.#world = world;
    this.#script = script;
    this.#events = events;
    this.#silence = timeouts.list(SILENCE_MS);
    this.#deadline = new Deadline((reason) => this.end(reason));
    this.#decoder = new RespDecoder(ANSWER_LIMITS, { onValue: (value) => this.#onValue(value) });
    timeouts.list(GREETING_TIMEOUT_MS).arm(this.#deadline);
  }

  open(address: { host: string; port: number }, greeting: readonly (readonly string[])[]): void {
    this.#greeting = [...greeting, ["SCRIPT", "LOAD", this.#script]];
    if (!this.#ended) this.#dial = this.#world.net.connect(address, this);
  }

  /** False where too many wait already. */
  add(call: Call): boolean {
    if (this.#ended || this.#sent.size + this.#queued.size >= MAX_WAITING) return false;
    this.#queued.push(call);
    this.#flushSoon();
    return true;
  }

  /** Of the whole connection: what waits is answered, whoever owns it is told. */
  end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deadline.disarm();
    if (this.#socket === null) this.#dial?.abort();
    else this.#socket.terminate();
    for (const queue of [this.#sent, this.#queued]) {
      for (let call = queue.shift(); call !== undefined; call = queue.shift()) call.settle("away");
    }
    this.#events.onEnd(reason);
  }

  onOpen(socket: Socket): void {
    this.#socket = socket;
    this.#sender.attach(socket);
    this.#sender.send(Buffer.concat(this.#greeting.map(encodeCommand)));
  }

  onConnectError(error: NetError): void {
    this.end(error.message);
  }

  onData(bytes: Uint8Array): void {
    const problem = this.#decoder.feed(bytes);
    if (problem !== null) return this.end(`what came is not RESP: ${problem.message}`);
    this.#flushSoon();
  }

  onDrain(): void {
    this.#sender.flush();
  }

  onEnd(): void {
    this.end("it closed the connection");
  }

  onClose(error: NetError | null): void {
    this.end(error?.message ?? "it closed the connection");
  }

  #onValue(value: RespValue): void {
    if (this.#ended || value.type === "push") return;
    if (this.#hash === "") return this.#onGreeting(value);
    const call = this.#sent.shift();
    if (call === undefined) return this.end("an answer that nobody asked for");
    if (this.#sent.size === 0) this.#deadline.disarm();
    else this.#silence.arm(this.#deadline);
    if (value.type === "error" && value.value.startsWith("NOSCRIPT") && !call.again) {
      // It was restarted without its scripts: EVAL brings it back for all that follow.
      call.again = true;
      if (!this.#queued.push(call)) call.settle("overflow");
      return;
    }
    call.settle(value.type === "array" ? value.items : "error");
  }

  #onGreeting(value: RespValue): void {
    const command = this.#greeting[this.#greeted++]!;
    if (value.type === "error") {
      // Redis' own words name no secret; the command would.
      return this.end(`${command[0]} was refused: ${value.value.slice(0, 200)}`);
    }
    if (this.#greeted < this.#greeting.length) return;
    if (value.type !== "bulk" || value.value.length === 0) return this.end("no hash of the script");
    this.#hash = Buffer.from(value.value).toString("latin1");
    // The password is not needed any more.
    this.#greeting = [];
    this.#deadline.disarm();
    this.#events.onReady();
  }

  /** In one write: all that comes in the same turn, or while an answer is due. */
  #flushSoon(): void {
    if (this.#flushing || this.#hash === "" || this.#queued.size === 0) return;
    if (this.#sent.size > 0) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      if (!this.#ended) this.#flush();
    });
  }

  #flush(): void {
    const commands: Uint8Array[] = [];
    for (let call = this.#queued.shift(); call !== undefined; call = this.#queued.shift()) {
      // Nobody waits for it any more: it need not cost a token.
      if (call.isSettled) continue;
      const { key, words, again } = call;
      const head = again ? ["EVAL", this.#script] : ["EVALSHA", this.#hash];
      commands.push(encodeCommand([...head, "1", key, ...words]));
      this.#sent.push(call);
    }
    if (commands.length === 0) return;
    this.#silence.arm(this.#deadline);
    this.#sender.send(commands.length === 1 ? commands[0]! : Buffer.concat(commands));
  }
}

/** When the connection is given up because no answer comes. */
class Deadline extends TimeoutEntry {
  constructor(readonly run: (reason: string) => void) {
    super();
  }

  override onTimeout(): void {
    this.run("no answer in time");
  }
}
