import { expect, test } from "bun:test";
import { machine, outrigger, SHOP } from "./testdata/machine.ts";

const IMAGES = SHOP.replaceAll(/^spec:$/gm, "spec:\n  image: registry.example.com/shop:1");

async function renderedShop() {
  const world = machine({ "/home/app/shop.yaml": IMAGES });
  await outrigger(world, "render", "shop.yaml", "--out", "deploy");
  world.files.makeFolder("deploy/others");
  world.files.write("deploy/others/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\n");
  return world;
}

test("S2-9 diff with a rendered folder: nothing, where nothing changes; others' objects do not count", async () => {
  const world = await renderedShop();
  const same = { code: 0, out: "no difference\n", err: "" };
  expect(await outrigger(world, "diff", "shop.yaml", "--rendered", "deploy")).toEqual(same);
  // Lines that moved change nothing.
  world.files.write("shop.yaml", `# One more line.\n${IMAGES}`);
  expect(await outrigger(world, "diff", "shop.yaml", "--rendered", "deploy")).toEqual(same);
});

test("S2-9 diff with a rendered folder: each value that changes, with its line, and status 1", async () => {
  const world = await renderedShop();
  const env = "env: { API_URL";
  const changed = IMAGES.replace(env, `replicas: 3\n  ${env}`)
    .replace("PORT:", "AAA: first, PORT:")
    .replace("name: api,", "name: items,")
    .replace("    api: {", "    items: {")
    .replace("calls.api", "calls.items");
  world.files.write("shop.yaml", changed);
  const { code, out } = await outrigger(world, "diff", "shop.yaml", "--rendered", "deploy");
  expect(code).toBe(1);
  const lines = out.split("\n");
  expect(lines).toContain("    /spec/replicas: 1 -> 3  shop.yaml:7:3 spec.replicas");
  expect(lines).toContain("+ deployment/items in shop added  shop.yaml:16:13 metadata.name");
  expect(lines).toContain("- deployment/api in shop removed");
  // A variable between others is one value, not all behind it.
  expect(lines.filter((line) => line.includes("/env/"))).toEqual([
    expect.stringContaining("/env/0/value: \"http://api:9000\" -> \"http://items:9000\""),
    expect.stringContaining('/env/1: nothing -> {"name":"AAA","value":"first"}  shop.yaml:8'),
  ]);
  // Of a list without names only what differs.
  expect(lines.filter((line) => line.includes("/hostAliases/0/ip"))).toEqual([]);
  expect(lines.filter((line) => line.includes("/spec/egress"))).toHaveLength(1);
  const json = await outrigger(world, "diff", "shop.yaml", "--rendered", "deploy", "-o", "json");
  const { objects } = JSON.parse(json.out);
  const find = (key: string) => objects.find((one: any) => `${one.kind}/${one.name}` === key);
  expect(find("Deployment/frontend")).toMatchObject({ namespace: "shop", change: "changed" });
});

test("S2-9 diff with a rendered folder: of a sidecar's Snapshot its parts, with their lines", async () => {
  const world = await renderedShop();
  world.files.write("shop.yaml", IMAGES.replace("timeout: 2s", "timeout: 3s"));
  const { out } = await outrigger(world, "diff", "shop.yaml", "--rendered", "deploy");
  const lines = out.split("\n").filter((line) => line.includes("snapshot.json"));
  expect(lines).toEqual([expect.stringMatching(/: 2000 -> 3000  shop\.yaml:10:\d+ spec\.calls\.api\.timeout$/)]);
});

test("diff with a cluster is kubectl's, with its status", async () => {
  const world = machine({ "/home/app/shop.yaml": IMAGES, "/usr/bin/kubectl": "" });
  world.processes.self.env["PATH"] = "/usr/bin";
  const seen: { command: readonly string[]; objects: string }[] = [];
  let code = 1;
  world.programs.set("kubectl", (child) => {
    const end = (): void => {
      if (!child.inputEnded) return void world.clock.after(10, end);
      seen.push({ command: child.command, objects: child.input });
      child.exit(code);
    };
    end();
  });
  expect((await outrigger(world, "diff", "shop.yaml", "--cluster")).code).toBe(1);
  expect(seen[0]!.command.slice(1)).toEqual(["diff", "--server-side", "--force-conflicts", "-f", "-"]);
  expect(seen[0]!.objects).toContain("kind: Deployment");
  code = 3;
  const failed = await outrigger(world, "diff", "shop.yaml", "--cluster");
  expect([failed.code, failed.err]).toEqual([6, expect.stringContaining("ended with status 3")]);
});

test("diff without kubectl, and with one file alone, says what to do", async () => {
  const world = machine({ "/home/app/shop.yaml": IMAGES });
  const cluster = await outrigger(world, "diff", "shop.yaml", "--cluster");
  expect([cluster.code, cluster.err]).toEqual([5, expect.stringContaining("there is no kubectl")]);
  const alone = await outrigger(world, "diff", "shop.yaml");
  expect([alone.code, alone.err]).toEqual([2, expect.stringContaining("--rendered DIR")]);
});
