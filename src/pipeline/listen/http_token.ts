import { FileError } from "../../base/world.ts";
import type { World } from "../../base/world.ts";
import type { Report } from "../component.ts";

/** A secret that senders show; read again when its file changes, looked at this often. */
const LOOK_MS = 5000;

export class HttpToken {
  readonly #world: World;
  readonly #path: string;
  readonly #report: Report;
  #secret: Buffer | null = null;
  #lookedAtMs = -Infinity;
  #said = "";

  constructor(world: World, path: string, report: Report) {
    this.#world = world;
    this.#path = path;
    this.#report = report;
  }

  /** False also where the secret cannot be read: nobody gets in then. */
  allows(authorization: string | undefined): boolean {
    this.#look();
    const shown = authorization === undefined ? null : readAuthorization(authorization);
    if (this.#secret === null || shown === null) return false;
    return shown.some((one) => sameBytes(Buffer.from(one), this.#secret!));
  }

  #look(): void {
    const now = this.#world.clock.now();
    if (now - this.#lookedAtMs < LOOK_MS) return;
    this.#lookedAtMs = now;
    try {
      const text = this.#world.files.readText(this.#path).trim();
      this.#secret = text === "" ? null : Buffer.from(text);
      if (text === "") this.#say(`${this.#path} is empty: every request is refused`);
      else this.#said = "";
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#secret = null;
      this.#say(`${error.message}: every request is refused`);
    }
  }

  #say(text: string): void {
    if (this.#said !== text) this.#report(text);
    this.#said = text;
  }
}

/** What may be the secret: a bearer's token, an API key and its part behind the id, a password. */
function readAuthorization(header: string): string[] | null {
  const match = /^(\w+) +(\S+)$/.exec(header.trim());
  if (match === null) return null;
  const [, scheme, value] = match;
  const decoded = (): string => Buffer.from(value!, "base64").toString("utf8");
  switch (scheme!.toLowerCase()) {
    case "bearer":
      return [value!];
    case "apikey":
      return [value!, behindColon(decoded())];
    case "basic":
      return [behindColon(decoded())];
    default:
      return null;
  }
}

function behindColon(text: string): string {
  return text.slice(text.indexOf(":") + 1);
}

/** In a time that says nothing of where they differ. */
function sameBytes(one: Buffer, other: Buffer): boolean {
  let differ = one.length ^ other.length;
  for (let i = 0; i < one.length; i++) differ |= one[i]! ^ other[i % other.length]!;
  return differ === 0;
}
