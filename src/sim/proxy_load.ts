import type { SimulatedRandom } from "../base/simulated/random.ts";
import type { SimulatedWorld } from "../base/simulated/mod.ts";
import { type Call, SimClient } from "./client.ts";
import { PROXY, upstreamAt } from "./snapshots.ts";
import { type Received, SimUpstream } from "./upstream.ts";

/** Bytes that say whose they are at every place. */
export function pattern(id: string, length: number): string {
  const piece = `<${id}>`;
  return piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
}

export interface Asked {
  readonly id: string;
  readonly method: string;
  readonly call: Call;
}

/** A caller that asks one thing after the other, now and then leaves, and comes back. */
export class Caller {
  readonly asked: Asked[] = [];
  readonly clients: SimClient[] = [];
  done = false;
  #world: SimulatedWorld;
  #random: SimulatedRandom;
  #left: number;
  #client: SimClient | null = null;

  constructor(
    readonly name: string,
    world: SimulatedWorld,
    random: SimulatedRandom,
    requests: number,
    readonly mayLeave: boolean,
  ) {
    this.#world = world.at("10.0.2.1");
    this.#random = random;
    this.#left = requests;
    world.clock.plan(random.between(0, 50), () => this.#ask());
  }

  #ask(): void {
    if (this.#left <= 0) {
      this.done = true;
      this.#client?.peer.close();
      return;
    }
    const client = this.#connection();
    const burst = Math.min(this.#left, this.#random.chance(0.2) ? 3 : 1);
    this.#left -= burst;
    client.whenDone = () => {
      if (client.waiting === 0) this.#later();
    };
    for (let count = 0; count < burst; count++) this.#send(client);
    if (this.mayLeave && this.#random.chance(0.06)) {
      this.#world.clock.plan(this.#random.between(0, 60), () => client.peer.terminate());
    }
  }

  #isPlanned = false;
  #later(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#world.clock.plan(this.#random.between(0, 40), () => {
      this.#isPlanned = false;
      this.#ask();
    });
  }

  #connection(): SimClient {
    const current = this.#client;
    if (current !== null && !current.peer.closed && !current.peer.ended) return current;
    const client = new SimClient(this.#world, PROXY);
    this.clients.push(client);
    this.#client = client;
    return client;
  }

  #send(client: SimClient): void {
    const random = this.#random;
    const id = `${this.name}-${this.asked.length}`;
    const method = ["GET", "GET", "HEAD", "PUT", "POST"][random.integer(0, 4)]!;
    const route = random.chance(0.3) ? "named" : "app";
    const head = `${method} /${route}/${id} HTTP/1.1\r\nHost: shop\r\n`;
    const hasBody = method === "PUT" || method === "POST";
    let text = `${head}\r\n`;
    if (hasBody) {
      const body = pattern(id, random.integer(0, random.chance(0.2) ? 40_000 : 900));
      const cut = random.integer(0, body.length);
      text = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
      if (random.chance(0.4) && body.length > 0) {
        const parts = [body.slice(0, cut), body.slice(cut)].filter((part) => part !== "");
        const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("");
        text = `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
      }
    }
    this.asked.push({ id, method, call: client.send(text) });
  }
}

/** An upstream of moods. It keeps what it sent, so that what arrives can be compared. */
export class Moody {
  readonly server: SimUpstream;
  /** By id: every whole body that a try was given. */
  readonly sent = new Map<string, string[]>();
  readonly tries = new Map<string, number>();
  readonly problems: string[] = [];
  /** How likely a bad answer is, from 0 to 1. */
  mood = 0;
  #world: SimulatedWorld;
  #random: SimulatedRandom;

  constructor(index: number, world: SimulatedWorld, random: SimulatedRandom) {
    const { host, port } = upstreamAt(index);
    this.#world = world;
    this.#random = random;
    this.server = new SimUpstream(world.at(host), host, port, (request) => this.#take(request));
  }

  #take(request: Received): void {
    const id = request.target.split("/").at(-1)!;
    this.tries.set(id, (this.tries.get(id) ?? 0) + 1);
    if (request.body !== pattern(id, request.body.length)) {
      this.problems.push(`the body of ${id} arrived changed`);
    }
    const length = Number(request.headers.get("content-length") ?? request.body.length);
    if (length !== request.body.length) this.problems.push(`the body of ${id} arrived cut`);
    const random = this.#random;
    const delayMs = random.chance(0.05) ? random.between(200, 2_500) : random.between(0, 20);
    const isBad = random.chance(this.mood);
    this.#world.clock.plan(delayMs, () => {
      if (request.peer.closed) return;
      if (isBad) this.#answerBadly(request, id);
      else this.#answerWell(request, id);
    });
  }

  #answerWell({ peer, method, headers }: Received, id: string): void {
    const random = this.#random;
    const length = random.integer(0, random.chance(0.2) ? 60_000 : 2_000);
    const body = pattern(`${id}!${random.integer(0, 999)}`, length);
    const list = this.sent.get(id) ?? [];
    list.push(method === "HEAD" ? "" : body);
    this.sent.set(id, list);
    if (headers.get("connection") === "close") peer.close();
    const kind = method === "HEAD" ? 0 : random.integer(0, 5);
    if (kind === 0 || kind > 2) {
      const text = method === "HEAD" ? "" : body;
      peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${text}`);
      if (random.chance(0.05)) peer.close();
    } else if (kind === 1) {
      const cut = Math.max(1, random.integer(0, length));
      const parts = [body.slice(0, cut), body.slice(cut)].filter((part) => part !== "");
      const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("");
      peer.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
    } else {
      peer.send(`HTTP/1.1 200 OK\r\n\r\n${body}`);
      peer.close();
    }
  }

  #answerBadly({ peer, method }: Received, id: string): void {
    const random = this.#random;
    const start = `HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n${pattern(id, 400)}`;
    switch (random.integer(0, 7)) {
      case 0:
        return peer.terminate();
      case 1:
        return peer.close();
      case 2:
        if (method !== "HEAD") peer.send(start);
        return random.chance(0.5) ? peer.close() : peer.terminate();
      case 3:
        return peer.send("HTTP/9.9 what\r\n\r\n");
      case 4: // never
        return;
      case 5:
        peer.send(`HTTP/1.1 503 Ill\r\nContent-Length: 3\r\n\r\n${method === "HEAD" ? "" : "ill"}`);
        return peer.close();
      default:
        peer.send(`HTTP/1.1 500 Ill\r\nContent-Length: 3\r\n\r\n${method === "HEAD" ? "" : "ill"}`);
    }
  }
}
