import { afterEach, expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";
import { reply } from "../../sim/upstream.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const NONE = { set: {}, add: {}, remove: [] };

test("headers are set and removed, of the request and of its answer", async () => {
  const request = { ...NONE, set: { "x-env": "prod" }, remove: ["X-Secret"] };
  const response = { ...NONE, set: { Server: "shop" }, remove: ["x-powered-by"] };
  rig = new Rig({ route: { filters: [{ filter: "headers", config: { request, response } }] } });
  const upstream = rig.upstream(1, ({ peer }) => {
    peer.send(reply(200, "ok", "Server: old\r\nX-Powered-By: me\r\nX-Kept: 1\r\n"));
  });
  const call = rig.client().send("GET / HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\nx-env: test\r\n\r\n");
  await rig.advance(10);
  const sent = upstream.requests[0]!.headers;
  expect([sent.get("x-env"), sent.has("x-secret")]).toEqual(["prod", false]);
  const got = call.answer!.headers;
  expect([got.get("server"), got.get("x-kept")]).toEqual(["shop", "1"]);
  expect(got.has("x-powered-by")).toBe(false);
});

test("a header that is added stands beside what came", async () => {
  const request = { ...NONE, add: { "x-tag": "edge" } };
  const response = { ...NONE, add: { Vary: "x-user" } };
  rig = new Rig({ route: { filters: [{ filter: "headers", config: { request, response } }] } });
  const upstream = rig.upstream(1, ({ peer }) => peer.send(reply(200, "ok", "Vary: accept\r\n")));
  const call = rig.client().send("GET / HTTP/1.1\r\nHost: a\r\nX-Tag: mine\r\n\r\n");
  await rig.advance(10);
  expect(upstream.requests[0]!.headers.get("x-tag")).toBe("mine, edge");
  expect(call.answer!.headers.get("vary")).toBe("accept, x-user");
});

test("what could not be sent is refused with its Snapshot", () => {
  rig = new Rig(null);
  for (const field of ["set", "add"]) {
    const config = { request: { ...NONE, [field]: { "x\r\ny": "1" } }, response: NONE };
    const filters = [{ filter: "headers", config }];
    expect(() => rig.apply({ route: { filters } })).toThrow("cannot be sent");
  }
});
