import { afterEach, expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";

/** The rig's clients have this address. */
const CLIENT = "10.0.2.1";
const DELETE = { methods: ["DELETE"], notFrom: ["203.0.113.0/24"] };

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

function rigWith(rules: readonly object[], trustedHops: readonly string[] = []): void {
  const filters = [{ filter: "deny", config: { rules } }];
  rig = new Rig({ listener: { trustedHops, routes: [{ filters }] }, accessLog: "json" });
  rig.upstream();
}

async function status(method: string, forwardedFor = ""): Promise<number> {
  const line = forwardedFor === "" ? "" : `X-Forwarded-For: ${forwardedFor}\r\n`;
  const call = rig.client().send(`${method} /items/1 HTTP/1.1\r\nHost: shop\r\n${line}\r\n`);
  await rig.advance(10);
  return call.status;
}

test("S3-20 DELETE from another address is 403, from the office 200, GET is unaffected", async () => {
  rigWith([DELETE]);
  expect(await status("DELETE")).toBe(403);
  expect(await status("GET")).toBe(200);
  expect(await rig.leaks()).toEqual([]);
  rigWith([{ methods: ["DELETE"], notFrom: ["10.0.2.0/24"] }]);
  expect(await status("DELETE")).toBe(200);
  expect(await status("GET")).toBe(200);
});

test("S3-20 what was refused stands in the access log, and no upstream hears of it", async () => {
  rigWith([{ methods: ["PUT"], notFrom: [] }, DELETE]);
  expect(await status("DELETE")).toBe(403);
  await rig.advance(200);
  const line = JSON.parse(rig.log.at(-1)!) as Record<string, unknown>;
  expect(line.response_code).toBe(403);
  expect(line.response_code_details).toBe("denied{1,DELETE}");
  expect(rig.upstreams[0]!.requests).toEqual([]);
});

test("X-Forwarded-For is not believed from just anybody", async () => {
  rigWith([DELETE]);
  expect(await status("DELETE", "203.0.113.7")).toBe(403);
  expect(await rig.leaks()).toEqual([]);
  rigWith([DELETE], ["10.9.0.0/16"]);
  expect(await status("DELETE", "203.0.113.7")).toBe(403);
});

test("behind trusted hops the caller is the last address that is not theirs", async () => {
  rigWith([DELETE], [`${CLIENT}/32`, "10.1.0.0/16"]);
  expect(await status("DELETE", "203.0.113.7")).toBe(200);
  expect(await status("DELETE", "203.0.113.7, 10.1.0.9")).toBe(200);
  expect(await status("DELETE", "203.0.113.7:4711, [::ffff:10.1.0.9]:80")).toBe(200);
  // Written by the caller itself, before the hop appended where it really came from.
  expect(await status("DELETE", "203.0.113.7, 198.51.100.1")).toBe(403);
  expect(await status("DELETE", "203.0.113.7, unknown")).toBe(403);
  expect(await status("DELETE", "unknown, 203.0.113.7")).toBe(200);
  expect(await status("DELETE")).toBe(403);
});

test("a rule without methods is for all of them, one without networks for everybody", async () => {
  rigWith([{ methods: [], notFrom: [] }]);
  expect(await status("GET")).toBe(403);
  expect(await rig.leaks()).toEqual([]);
  rigWith([{ methods: [], notFrom: [CLIENT] }]);
  expect(await status("GET")).toBe(200);
});

test("a Snapshot with what is no network is refused", () => {
  rig = new Rig(null);
  expect(() => rig.apply({ listener: { trustedHops: ["office"] } })).toThrow("not a network");
  const filters = [{ filter: "deny", config: { rules: [{ methods: [], notFrom: ["home"] }] } }];
  expect(() => rig.apply({ route: { filters } })).toThrow("not a network");
});
