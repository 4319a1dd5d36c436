import { expect, test } from "bun:test";
import { machine, outrigger, SHOP } from "./testdata/machine.ts";

test("files that are right are counted", async () => {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  const checked = await outrigger(world, "check", "shop.yaml");
  expect(checked).toEqual({ code: 0, out: "ok: 2 Apps\n", err: "" });
});

test("all that is wrong is said at once, with its line, and the status is 1", async () => {
  const bad = SHOP.replace("timeout: 2s", "timeuot: 2s").replace("port: 9000", "port: many");
  const world = machine({ "/home/app/shop.yaml": bad });
  const { code, out } = await outrigger(world, "check", "shop.yaml");
  expect(code).toBe(1);
  expect(out.trim().split("\n").length).toBe(2);
  expect(out).toContain('shop.yaml:9:12: "timeuot"');
  expect(out).toContain('did you mean "timeout"?');
  const json = JSON.parse((await outrigger(world, "check", "-o", "json", "shop.yaml")).out);
  expect(json.problems.map((one: { line: number }) => one.line)).toEqual([9, 17]);
});

test("what only shows when it is compiled is found too", async () => {
  const bad = SHOP.replace("api: { timeout: 2s }", "api: { app: nobody }");
  const world = machine({ "/home/app/shop.yaml": bad });
  const { code, out } = await outrigger(world, "check", "shop.yaml");
  expect(code).toBe(1);
  expect(out).toContain("nobody");
});

test("standard input is read for -", async () => {
  const world = machine();
  world.stdio.stdin.feed(SHOP.replace("port: 9000", "prot: 9000"));
  world.stdio.stdin.end();
  expect((await outrigger(world, "check", "-")).out).toContain("stdin:17:3");
});

const BARE = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: api, namespace: shop }
spec:
  image: registry.example.com/shop/api
  port: 9000
`;

test("S3-21 --strict explains what is missing, each with its line and what to write", async () => {
  const world = machine({ "/home/app/api.yaml": BARE });
  expect((await outrigger(world, "check", "api.yaml")).code).toBe(0);
  const { code, out } = await outrigger(world, "check", "--strict", "api.yaml");
  expect(code).toBe(1);
  for (const [line, what] of [
    [4, "no readiness probe"],
    [4, "no liveness probe"],
    [4, "no CPU is reserved but a guess of 100m"],
    [4, "no limit of memory but a guess of 512Mi"],
    [3, "nobody is named whom an alert is for"],
    [4, "one pod, so a node that fails or is emptied is an outage"],
    [5, "another one tomorrow"],
  ] as const) {
    expect(out).toMatch(new RegExp(`^api.yaml:${line}:\\d+: .*${what}`, "m"));
  }
  expect(out).toContain("health: { ready: /healthz }");
});

test("S3-21 --strict has nothing to say of an App that says it all, nor of one without an image", async () => {
  const whole = BARE.replace("namespace: shop }", "namespace: shop, labels: { owner: shop } }").replace(
    "shop/api\n",
    "shop/api:2.0.0\n  replicas: 2\n  resources: { cpu: 100m, memory: 64Mi }\n" +
      "  health: { ready: /healthz, live: /livez }\n",
  );
  for (const text of [whole, SHOP]) {
    const world = machine({ "/home/app/api.yaml": text });
    const { code, out } = await outrigger(world, "check", "--strict", "api.yaml");
    expect([code, out]).toEqual([0, expect.stringMatching(/^ok: /)]);
  }
});

test("S3-20 --strict says that behind a controller nobody's network is seen without trustedHops", async () => {
  const closed = `${BARE}  ingress: [{ host: a.example.com, deny: [{ notFrom: [203.0.113.0/24] }] }]\n`;
  const hops = "gateway: { port: 8000, trustedHops: [10.0.0.0/8] }";
  const mesh = `---\napiVersion: outrigger.dev/v1alpha1\nkind: Mesh\nmetadata: { name: m, namespace: shop }\nspec: { ${hops} }\n`;
  const said = async (text: string) => {
    const world = machine({ "/home/app/api.yaml": text });
    const { out } = await outrigger(world, "check", "--strict", "api.yaml");
    return /^api.yaml:7:\d+: .*who a caller is cannot be seen/m.test(out);
  };
  expect([await said(closed), await said(closed + mesh)]).toEqual([true, false]);
});
