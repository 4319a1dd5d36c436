import { expect, test } from "bun:test";
import { HeaderBlock, X_FORWARDED_CLIENT_CERT } from "../../codec/headers.ts";
import type { TlsState } from "../../base/world.ts";
import type { Stream } from "../stream.ts";
import type { FilterTools } from "./filter.ts";
import { forwardedTls } from "./forwarded_tls.ts";

const PEER = {
  fingerprint: "ab12",
  subject: 'CN=shop "one"',
  subjectAltNames: ["URI:spiffe://mesh/ns/shop", "DNS:shop.example", "IP Address:10.0.0.1"],
};

function tls(over: Partial<TlsState>): TlsState {
  return { authorized: true, peer: () => PEER, ...over } as unknown as TlsState;
}

/** The headers that go on of a request with these. */
function passed(config: object, state: TlsState | null, sent: Record<string, string> = {}) {
  const headers = new HeaderBlock();
  headers.reset(new Uint8Array(0));
  for (const [name, value] of Object.entries(sent)) headers.append(name, value);
  const filter = forwardedTls.create(config as never, {} as FilterTools);
  void filter.onRequestHeaders!({ head: { headers }, tls: state } as unknown as Stream);
  return headers;
}

test("the callee hears by which scheme the caller came, whatever the caller says", () => {
  const said = { "x-forwarded-proto": "https" };
  expect(passed({ scheme: true }, null, said).get("x-forwarded-proto")).toBe("http");
  expect(passed({ scheme: true }, tls({})).get("x-forwarded-proto")).toBe("https");
  expect(passed({}, tls({}), said).get("x-forwarded-proto")).toBe("https");
});

test("a certificate that was proved is told as Envoy tells it, its quotes harmless", () => {
  const header = passed({ clientCertificate: true }, tls({})).get("x-forwarded-client-cert");
  expect(header).toBe(
    'Hash=ab12;Subject="CN=shop \\"one\\"";URI=spiffe://mesh/ns/shop;DNS=shop.example',
  );
});

test("none is told that was not proved, or that the caller made up", () => {
  const forged = { "x-forwarded-client-cert": "Subject=admin" };
  const config = { clientCertificate: true };
  for (const state of [null, tls({ authorized: false })]) {
    expect(passed(config, state, forged).has(X_FORWARDED_CLIENT_CERT)).toBe(false);
  }
  expect(passed({}, tls({}), forged).has(X_FORWARDED_CLIENT_CERT)).toBe(false);
});
