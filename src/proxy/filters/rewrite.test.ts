import { afterEach, expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

test.each([
  [{ from: "/api", prefix: "/v2" }, "/api/items?a=/api", "/v2/items?a=/api"],
  [{ from: "/api", prefix: "/v2" }, "/api", "/v2"],
  [{ from: "/api", prefix: "/" }, "/api/items", "/items"],
  [{ from: "/api", prefix: "/" }, "/api?q", "/?q"],
  [{ from: "", prefix: "/v2/" }, "/items", "/v2/items"],
])("%j makes of %s %s", async (config, path, target) => {
  rig = new Rig({ route: { filters: [{ filter: "rewrite", config }] } });
  const upstream = rig.upstream();
  await rig.ask(path);
  expect(upstream.requests[0]!.target).toBe(target);
});

test("the host that the callee is asked for", async () => {
  rig = new Rig({ route: { filters: [{ filter: "rewrite", config: { host: "api.internal" } }] } });
  const upstream = rig.upstream();
  await rig.ask("/a", "shop");
  expect(upstream.requests[0]!.headers.get("host")).toBe("api.internal");
  expect(upstream.requests[0]!.target).toBe("/a");
});
