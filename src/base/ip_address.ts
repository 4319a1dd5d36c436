/**
 * IP addresses and networks as numbers: IPv4 lies in ::ffff:0:0/96 (RFC 4291, 2.5.5.2), so that an
 * address means the same however a socket writes it.
 */

const MAPPED = 0xffffn << 32n;

/** `203.0.113.7`, `2001:db8::7`, `::ffff:203.0.113.7`; null for anything else. */
export function parseAddress(text: string): bigint | null {
  if (!text.includes(":")) {
    const low = parseIpv4(text);
    return low === null ? null : MAPPED | low;
  }
  return parseIpv6(text);
}

function parseIpv4(text: string): bigint | null {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) return null;
  let value = 0n;
  for (const part of text.split(".")) {
    // 010 is 8 for some readers and 10 for others.
    if (Number(part) > 255 || (part.length > 1 && part.startsWith("0"))) return null;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseIpv6(text: string): bigint | null {
  const [head = "", tail, more] = text.split("::");
  if (more !== undefined) return null;
  const front = groups(head, tail === undefined);
  const back = tail === undefined ? [] : groups(tail, true);
  if (front === null || back === null) return null;
  const missing = 8 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const all = [...front, ...Array<bigint>(Math.max(0, missing)).fill(0n), ...back];
  return all.reduce((value, group) => (value << 16n) | group, 0n);
}

/** Groups of 16 bits; the last one may be an IPv4 address where the text ends there. */
function groups(text: string, isEnd: boolean): bigint[] | null {
  if (text === "") return [];
  const found: bigint[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (isEnd && index === parts.length - 1 && part.includes(".")) {
      const low = parseIpv4(part);
      if (low === null) return null;
      found.push(low >> 16n, low & 0xffffn);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) found.push(BigInt(`0x${part}`));
    else return null;
  }
  return found;
}

interface Network {
  /** The bits that count, and how many do not. */
  readonly prefix: bigint;
  readonly rest: bigint;
}

/** `203.0.113.0/24`, `2001:db8::/32`, or one address; null for anything else. */
function parseNetwork(text: string): Network | null {
  const slash = text.indexOf("/");
  const written = slash < 0 ? text : text.slice(0, slash);
  const address = parseAddress(written);
  if (address === null) return null;
  const width = written.includes(":") ? 128 : 32;
  const bits = slash < 0 ? String(width) : text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > width) return null;
  const rest = BigInt(width - Number(bits));
  return { prefix: address >> rest, rest };
}

/** Why a text is no network, or null where it is one. */
export function networkProblem(text: string): string | null {
  const network = parseNetwork(text);
  if (network === null) return 'write an address such as "203.0.113.7", or "203.0.113.0/24"';
  const exact = parseAddress(text.split("/")[0] as string);
  if (exact === network.prefix << network.rest) return null;
  return "the address has bits behind the network's: set them to 0, or make the network longer";
}

/** Networks that an address may be in. */
export class Networks {
  readonly #networks: readonly Network[];

  /** @throws Error for a text that is no network (a bug: files are checked). */
  constructor(texts: readonly string[]) {
    this.#networks = texts.map((text) => {
      const network = parseNetwork(text);
      if (network === null) throw new Error(`${JSON.stringify(text)} is not a network`);
      return network;
    });
  }

  get isEmpty(): boolean {
    return this.#networks.length === 0;
  }

  has(address: bigint): boolean {
    return this.#networks.some(({ prefix, rest }) => address >> rest === prefix);
  }
}
