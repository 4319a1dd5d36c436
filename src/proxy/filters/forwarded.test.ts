import { afterEach, expect, test } from "bun:test";
import { RequestHead } from "../../codec/message.ts";
import { Rig } from "../../sim/rig.ts";
import { TrustedHops } from "../listener/trusted_hops.ts";
import type { Stream } from "../stream.ts";
import type { FilterTools } from "./filter.ts";
import { forwarded } from "./forwarded.ts";

const NO_TOOLS = {} as FilterTools;
/** The rig's clients have this address. */
const CLIENT = "10.0.2.1";
const NAMES = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] as const;

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

/** What the upstream gets of a request with these lines. */
async function seen(lines: string, trustedHops: readonly string[] = []) {
  const filters = [{ filter: "forwarded", config: {} }];
  rig = new Rig({ listener: { trustedHops, routes: [{ filters }] } });
  const upstream = rig.upstream();
  rig.client().send(`GET / HTTP/1.1\r\nHost: Shop.example:8000\r\n${lines}\r\n`);
  await rig.advance(10);
  return upstream.requests[0]!.headers;
}

const three = (headers: ReadonlyMap<string, string>) => NAMES.map((name) => headers.get(name));

test("the callee hears who called, by which scheme, and under which name", async () => {
  expect(three(await seen(""))).toEqual([CLIENT, "http", "Shop.example:8000"]);
});

test("what a caller that nobody trusts says of itself is replaced, not extended", async () => {
  const headers = await seen(
    "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n" +
      "X-Forwarded-Host: bank.example\r\nForwarded: for=203.0.113.7\r\nX-Real-IP: 203.0.113.7\r\n" +
      "X-Forwarded-Port: 443\r\nX-Forwarded-Client-Cert: Subject=admin\r\n",
  );
  expect(three(headers)).toEqual([CLIENT, "http", "Shop.example:8000"]);
  for (const name of ["forwarded", "x-real-ip", "x-forwarded-port", "x-forwarded-client-cert"]) {
    expect(headers.has(name)).toBe(false);
  }
});

test("no caller strips what is written here by naming it in Connection", async () => {
  const headers = await seen("Connection: X-Forwarded-For, x-forwarded-proto\r\n");
  expect(three(headers)).toEqual([CLIENT, "http", "Shop.example:8000"]);
});

test("a trusted hop is believed, and its own address appended", async () => {
  const headers = await seen(
    "X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n" +
      "X-Forwarded-Host: shop.example\r\nForwarded: for=203.0.113.7\r\n",
    ["10.0.0.0/8"],
  );
  const chain = `198.51.100.1, 203.0.113.7, ${CLIENT}`;
  expect(three(headers)).toEqual([chain, "https", "shop.example"]);
  expect(headers.get("forwarded")).toBe("for=203.0.113.7");
});

test("a trusted hop that says nothing is a caller like any other", async () => {
  const headers = await seen("", ["10.0.0.0/8"]);
  expect(three(headers)).toEqual([CLIENT, "http", "Shop.example:8000"]);
});

test("over TLS the scheme is https, whatever a caller says", () => {
  const head = new RequestHead();
  const config = { trustedHops: new TrustedHops([]) };
  const stream = { head, config, remoteAddress: CLIENT, tls: {} } as unknown as Stream;
  forwarded.create({}, NO_TOOLS).onRequestHeaders!(stream);
  expect(head.headers.get("x-forwarded-proto")).toBe("https");
  rig = new Rig();
});

test("deny decides the same behind it", async () => {
  const rules = [{ methods: [], notFrom: ["203.0.113.0/24"] }];
  const filters = [
    { filter: "forwarded", config: {} },
    { filter: "deny", config: { rules } },
  ];
  rig = new Rig({ listener: { trustedHops: ["10.0.0.0/8"], routes: [{ filters }] } });
  rig.upstream();
  const status = async (line: string): Promise<number> => {
    const call = rig.client().send(`GET / HTTP/1.1\r\nHost: a\r\n${line}\r\n`);
    await rig.advance(10);
    return call.status;
  };
  expect(await status("X-Forwarded-For: 203.0.113.7\r\n")).toBe(200);
  expect(await status("X-Forwarded-For: 203.0.113.7, 198.51.100.1\r\n")).toBe(403);
  expect(await status("")).toBe(403);
});
