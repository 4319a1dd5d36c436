import { afterEach, expect, test } from "bun:test";
import { Dns } from "./dns.ts";

/** The answer to a name: A records with a TTL in seconds, or a response code, or silence. */
type Zone = Record<string, { a?: string[]; aaaa?: string[]; ttl: number } | number | "silent">;

let close: () => void = () => {};
afterEach(() => close());

/** A DNS server of the test's own (RFC 1035, 4.1), on a free UDP port. */
async function serve(zone: Zone): Promise<{ server: string; asked: string[] }> {
  const asked: string[] = [];
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    socket: {
      data(self, query, port, address) {
        const { name, type, end } = readQuestion(query);
        asked.push(`${name} ${type}`);
        const answer = zone[name] ?? 3;
        if (answer === "silent") return;
        self.send(respond(query.subarray(0, end), type, answer), port, address);
      },
    },
  });
  close = () => socket.close();
  return { server: `127.0.0.1:${socket.port}`, asked };
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (; query[at] !== 0; at += 1 + query[at]!) {
    labels.push(query.toString("latin1", at + 1, at + 1 + query[at]!));
  }
  return { name: labels.join("."), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function respond(query: Buffer, type: number, answer: Exclude<Zone[string], "silent">): Buffer {
  const header = Buffer.from(query);
  const code = typeof answer === "number" ? answer : 0;
  header.writeUInt16BE(0x8180 | code, 2);
  const records: Buffer[] = [];
  if (typeof answer !== "number") {
    const texts = (type === 1 ? answer.a : answer.aaaa) ?? [];
    for (const text of texts) {
      const data = type === 1 ? Buffer.from(text.split(".").map(Number)) : ipv6(text);
      const record = Buffer.alloc(12);
      record.writeUInt16BE(0xc00c, 0);
      record.writeUInt16BE(type, 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt32BE(answer.ttl, 6);
      record.writeUInt16BE(data.length, 10);
      records.push(record, data);
    }
  }
  header.writeUInt16BE(records.length / 2, 6);
  header.writeUInt32BE(0, 8);
  return Buffer.concat([header, ...records]);
}

function ipv6(text: string): Buffer {
  const [head, tail] = text.split("::").map((half) => half.split(":").filter((word) => word));
  const zeros = new Array<string>(8 - head!.length - tail!.length).fill("0");
  return Buffer.from(
    [...head!, ...zeros, ...tail!].map((word) => word.padStart(4, "0")).join(""),
    "hex",
  );
}

async function failure(answer: Promise<unknown>): Promise<{ code: string; message: string }> {
  return answer.then(
    () => {
      throw new Error("it was resolved");
    },
    (error) => error,
  );
}

test("both kinds of addresses come from the named server, with their time to live", async () => {
  const { server, asked } = await serve({
    "api.test": { a: ["10.1.2.3", "10.1.2.4"], aaaa: ["fd00::7"], ttl: 17 },
  });
  const answer = await new Dns([server]).resolve("API.test.");
  expect([...answer].sort((a, b) => (a.address < b.address ? -1 : 1))).toEqual([
    { address: "10.1.2.3", ttlMs: 17_000 },
    { address: "10.1.2.4", ttlMs: 17_000 },
    { address: "fd00::7", ttlMs: 17_000 },
  ]);
  expect(asked.sort()).toEqual(["api.test 1", "api.test 28"]);
});

test("one kind of address is enough", async () => {
  const { server } = await serve({ "four.test": { a: ["10.0.0.1"], ttl: 5 } });
  const answer = await new Dns([server]).resolve("four.test");
  expect(answer).toEqual([{ address: "10.0.0.1", ttlMs: 5_000 }]);
});

test("a name that does not exist, and one without addresses, are not found", async () => {
  const { server } = await serve({ "empty.test": { ttl: 5 } });
  const dns = new Dns([server]);
  expect(await failure(dns.resolve("no.test"))).toMatchObject({
    code: "name-not-found",
    message: 'DNS has no address for "no.test"',
  });
  expect((await failure(dns.resolve("empty.test"))).code).toBe("name-not-found");
});

test("a server that fails or is silent is no proof that the name does not exist", async () => {
  const { server } = await serve({ "broken.test": 2, "silent.test": "silent" });
  const dns = new Dns([server], 20);
  expect((await failure(dns.resolve("broken.test"))).code).toBe("name-timeout");
  expect((await failure(dns.resolve("silent.test"))).code).toBe("name-timeout");
});

test("localhost, names below it and literals are answered without asking", async () => {
  const { server, asked } = await serve({});
  const dns = new Dns([server]);
  for (const [name, address] of [
    ["localhost", "127.0.0.1"],
    ["Shop.LOCALHOST.", "127.0.0.1"],
    ["10.0.0.1", "10.0.0.1"],
    ["::1", "::1"],
  ] as const) {
    expect((await dns.resolve(name)).map((one) => one.address)).toEqual([address]);
  }
  expect(asked).toEqual([]);
});
