import type { SimulatedRandom } from "../base/simulated/random.ts";
import type { SimulatedWorld } from "../base/simulated/mod.ts";
import { type Call, SimClient } from "./client.ts";
import type { Peer } from "./peer.ts";
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
    /** Some ask for what others asked for too; null where nobody does. */
    readonly shares: SimulatedRandom | null,
  ) {
    this.#world = world.at("10.0.2.1");
    this.#random = random;
    this.#left = requests;
    world.clock.plan(random.between(0, 50), () => this.#ask());
  }

  #ask(): void {
    if (this.#left <= 0) {
      this.done = true;
      if (this.#random.chance(0.5)) this.#client?.peer.shutdown();
      else this.#client?.peer.close();
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
    let id = `${this.name}-${this.asked.length}`;
    const method = ["GET", "GET", "HEAD", "PUT", "POST"][random.integer(0, 4)]!;
    const route = random.chance(0.3) ? "named" : "app";
    if (method === "GET" && this.shares?.chance(0.5) === true) {
      id = `shared-${this.shares.integer(0, 2)}`;
    }
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

/** A caller that asks for a tunnel, sends through it, and ends its side when it has said all. */
export class TunnelCaller {
  readonly asked: Asked[];
  readonly clients: SimClient[];
  readonly text: string;
  #world: SimulatedWorld;
  #random: SimulatedRandom;

  constructor(id: string, world: SimulatedWorld, random: SimulatedRandom) {
    this.#world = world;
    this.#random = random;
    this.text = pattern(id, random.integer(1, 30_000));
    const client = new SimClient(world.at("10.0.2.1"), PROXY);
    this.clients = [client];
    client.whenDone = ({ status }) => {
      if (status === 101) this.#talk(0);
      else client.peer.close();
    };
    const upgrade = "Connection: upgrade\r\nUpgrade: echo\r\n";
    const call = client.send(`GET /app/${id} HTTP/1.1\r\nHost: shop\r\n${upgrade}\r\n`);
    this.asked = [{ id, method: "GET", call }];
    const read = client.peer.changed;
    client.peer.changed = () => {
      read();
      const { ended, closed } = client.peer;
      if (client.raw && ended && !closed && this.#saidAll) client.peer.close();
    };
  }

  #saidAll = false;

  get done(): boolean {
    return this.clients[0]!.peer.closed;
  }

  #talk(from: number): void {
    const { peer } = this.clients[0]!;
    if (peer.closed) return;
    const to = Math.min(this.text.length, from + this.#random.integer(1, 9_000));
    peer.send(this.text.slice(from, to));
    if (to < this.text.length) {
      this.#world.clock.plan(this.#random.between(0, 30), () => this.#talk(to));
      return;
    }
    this.#saidAll = true;
    if (peer.ended) peer.close();
    else peer.shutdown();
  }

  /** What is wrong with what came back; empty where nothing is. */
  get problem(): string {
    const { peer, raw } = this.clients[0]!;
    if (!raw) return "";
    const got = peer.text;
    // Either an echo of all, or the greeting of an upstream that ended its side at once.
    const whole = got === this.text || got === "bye";
    if (peer.ended && peer.error === null) return whole ? "" : `ended after ${got.length} bytes`;
    return this.text.startsWith(got) || "bye".startsWith(got) ? "" : "other bytes came back";
  }
}

/** An upstream of moods. It keeps what it sent, so that what arrives can be compared. */
export class Moody {
  readonly server: SimUpstream;
  /** By id: every whole body that a try was given. */
  readonly sent = new Map<string, string[]>();
  readonly tries = new Map<string, number>();
  readonly problems: string[] = [];
  /** By id: what came through a tunnel that the caller ended. */
  readonly heard = new Map<string, string>();
  readonly #tunnels = new Map<Peer, { id: string; echoes: boolean; text: string }>();
  /** How likely a bad answer is, from 0 to 1. */
  mood = 0;
  #world: SimulatedWorld;
  #random: SimulatedRandom;

  constructor(index: number, world: SimulatedWorld, random: SimulatedRandom) {
    const { host, port } = upstreamAt(index);
    this.#world = world;
    this.#random = random;
    this.server = new SimUpstream(world.at(host), host, port, (request) => this.#take(request));
    this.server.onBytes = (peer) => this.#hear(peer);
  }

  /** The bytes of a tunnel are echoed, or only listened to. */
  #hear(peer: Peer): boolean {
    const tunnel = this.#tunnels.get(peer);
    if (tunnel === undefined) return false;
    const bytes = peer.input;
    peer.input = Buffer.alloc(0);
    tunnel.text += bytes.toString("latin1");
    if (tunnel.echoes && bytes.length > 0) peer.send(bytes);
    if (peer.ended && !this.heard.has(tunnel.id)) {
      this.heard.set(tunnel.id, tunnel.text);
      if (!peer.closed) peer.close();
    }
    return true;
  }

  #openTunnel(peer: Peer, id: string): void {
    const echoes = this.#random.chance(0.6);
    this.#tunnels.set(peer, { id, echoes, text: "" });
    peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    if (echoes) return;
    peer.send("bye");
    peer.shutdown();
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
      else if (request.headers.has("upgrade")) this.#openTunnel(request.peer, id);
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
