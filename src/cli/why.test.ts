import { expect, test } from "bun:test";
import { outrigger } from "./testdata/machine.ts";
import { runningSidecars } from "./testdata/running_sidecars.ts";

const ID = "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b";

test("why tells the story of a failed request hop by hop, with the line that asked for it", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  running.answer = () => 500;
  expect(await ask("/api/items?token=s3cret", `x-request-id: ${ID}\r\n`)).toBe(500);
  const first = await outrigger(world, "why", ID);
  expect([first.code, first.err]).toEqual([0, ""]);
  expect(first.out).toContain(`${ID}: refused or failed at 3 hops`);
  const hops = [...first.out.matchAll(/^\d\. (\S+), listener (\S+), route/gm)].map((hop) => hop.slice(1));
  expect(hops).toEqual([
    ["shop/frontend", "inbound"],
    ["shop/frontend", "call:api"],
    ["shop/api", "inbound"],
  ]);
  expect(first.out).toContain("127.0.0.1:9000 of api itself answered 500");
  expect(first.out).not.toContain("s3cret");

  await ask("/api/items");
  const open = "0af7651916cd43dd8448eb211c80319c";
  const trace = `traceparent: 00-${open}-b7ad6b7169203331-01\r\n`;
  expect(await ask("/api/items", trace)).toBe(503);
  const second = await outrigger(world, "why", open);
  expect(second.out).toContain("the circuit breaker of api was open: the request was not sent");
  expect(second.out).toMatch(/decided by \/policy\/clusters\/api\/breaker = \{"errorRate":0.5,/);
  expect(second.out).toMatch(/asked for by shop\.yaml:11:7 spec\.calls\.api\.breaker/);
  expect(second.out).toContain("breaker of api: open at its end");
  expect(second.out).toContain("what to do: too many tries to api had failed or were slow");
  const json = JSON.parse((await outrigger(world, "why", open, "-o", "json")).out);
  expect(json.hops.map((hop: { app: string; cause: string }) => [hop.app, hop.cause])).toEqual([
    ["shop/frontend", "via_upstream"],
    ["shop/frontend", "breaker-open"],
  ]);
  await running.stop();
});

test("why lists the newest without an id; what has none is asked for by its key", async () => {
  const running = await runningSidecars();
  const { world, ask } = running;
  expect((await outrigger(world, "why")).out).toEndWith("nothing was refused or failed in 2 sidecars\n");
  await ask("/%00");
  running.answer = () => 500;
  await ask("/api/a");
  const listed = await outrigger(world, "why");
  const rows = listed.out.trim().split("\n").slice(1);
  expect(rows.length).toBe(4);
  expect(rows.at(-1)).toMatch(/shop\/frontend +inbound +GET \/%00 +400 DPE +bad-path +shop\/frontend:f0-1$/);
  const one = await outrigger(world, "why", "shop/frontend:f0-1");
  expect([one.code, one.out.includes("can be read in two ways")]).toEqual([0, true]);
  expect((await outrigger(world, "why", "--count", "1")).out.trim().split("\n").length).toBe(2);
  await running.stop();
});

test("what is unknown ends with 1, and says what was looked at", async () => {
  const running = await runningSidecars();
  const { code, out } = await outrigger(running.world, "why", "nobody");
  expect(code).toBe(1);
  expect(out).toStartWith("nothing is known of nobody\n  2 sidecars were asked: shop/frontend, shop/api");
  await running.stop();
});
