import { afterEach, expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

test.each([
  [{ status: 301, scheme: "https" }, "/a?b=c", "https://shop/a?b=c"],
  [{ status: 302, host: "www.example.com" }, "/a", "//www.example.com/a"],
  [{ status: 307, scheme: "https", host: "x.example", port: 8443 }, "/", "https://x.example:8443/"],
  [{ status: 308, path: "/new" }, "/old?q=1", "/new?q=1"],
  [{ status: 301, from: "/old", prefix: "/new" }, "/old/a?q=/old", "/new/a?q=/old"],
  [{ status: 301, from: "/old", prefix: "/new" }, "/old", "/new"],
  [{ status: 301, from: "/old", prefix: "/" }, "/old", "/"],
  [{ status: 301, from: "/old", prefix: "/" }, "/old?q", "/?q"],
  [{ status: 301, scheme: "https", from: "", prefix: "/v2" }, "/a", "https://shop/v2/a"],
  // Not a way to another host.
  [{ status: 302, from: "/old", prefix: "/" }, "/old//evil.example", "/evil.example"],
  [{ status: 302, host: "a.example" }, "//evil.example/x", "//a.example/evil.example/x"],
])("%j of %s leads to %s", async (config, path, location) => {
  rig = new Rig({ route: { filters: [{ filter: "redirect", config }] } });
  const upstream = rig.upstream();
  const call = rig.client().get(path, "shop:8080");
  await rig.advance(10);
  expect([call.status, call.answer!.headers.get("location")]).toEqual([config.status, location]);
  expect(upstream.requests).toEqual([]);
});
