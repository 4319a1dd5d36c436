import { expect, test } from "bun:test";
import { parse, parseAllDocuments } from "yaml";
import { GENERATORS } from "../render/mod.ts";
import { machine, outrigger, SHOP } from "./testdata/machine.ts";

test("each format is printed, or all are written to a folder", async () => {
  const world = machine({ "/home/app/shop.yaml": SHOP });
  await outrigger(world, "render", "shop.yaml", "--format", "prometheus", "--out", "out");
  for (const { name, fileName } of GENERATORS) {
    const { code, out } = await outrigger(world, "render", "shop.yaml", "--format", name);
    expect([name, code]).toEqual([name, 0]);
    expect(parse(out)).toBeObject();
    expect(world.files.readText(`/home/app/out/${fileName}`)).toBe(out);
  }
  const names = GENERATORS.map(({ name }) => name);
  const known = ["manifests", "kustomize", "helm", ...names, "prometheus"].join(", ");
  const wrong = await outrigger(world, "render", "shop.yaml", "--format", "grafana");
  expect([wrong.code, wrong.err]).toEqual([
    2,
    `error: there is no format grafana\n  known are ${known}\n`,
  ]);
});

test("objects go to stdout as one stream, or to a folder from which what is gone is removed", async () => {
  const text = SHOP.replaceAll(/^spec:$/gm, "spec:\n  image: registry.example.com/shop:1");
  const world = machine({ "/home/app/shop.yaml": text });
  const { code, out, err } = await outrigger(world, "render", "shop.yaml", "--target", "openshift");
  expect([code, err]).toEqual([0, ""]);
  const kinds = parseAllDocuments(out).map((one) => one.toJS().kind);
  expect(kinds).toContain("Deployment");
  await outrigger(world, "render", "shop.yaml", "--format", "kustomize", "--out", "out");
  const file = "/home/app/out/shop/deployment-frontend.yaml";
  expect(parse(world.files.readText(file)).kind).toBe("Deployment");
  world.files.write("/home/app/shop.yaml", text.replace("name: frontend,", "name: page,"));
  const again = await outrigger(world, "render", "shop.yaml", "--out", "out");
  expect(again.err).toContain("removed out/shop/deployment-frontend.yaml\n");
  expect(again.err).toContain("removed out/kustomization.yaml\n");
  expect(world.files.stat(file)).toBeNull();
  for (const [option, value, problem] of [
    ["--target", "moon", "there is no target moon"],
    ["--kubernetes", "1.20", "objects for Kubernetes 1.20"],
    ["--format", "kustomize", "kustomize is a folder"],
  ] as const) {
    const wrong = await outrigger(world, "render", "shop.yaml", option, value);
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining(problem)]);
  }
});

test("a chart is a folder, a package, or one of each App", async () => {
  const text = SHOP.replaceAll(/^spec:$/gm, "spec:\n  image: registry.example.com/shop:1");
  const world = machine({ "/home/app/shop.yaml": text });
  const helm = ["render", "shop.yaml", "--format", "helm"];
  const { code } = await outrigger(world, ...helm, "--out", "chart", "--chart", "shop:2.0.0-rc.1");
  expect(code).toBe(0);
  const chart = parse(world.files.readText("/home/app/chart/Chart.yaml"));
  expect([chart.name, chart.version]).toEqual(["shop", "2.0.0-rc.1"]);
  await outrigger(world, ...helm, "--out", "charts", "--package", "packages", "--per-app");
  expect(world.files.list("/home/app/charts")).toContain("frontend");
  expect(world.files.list("/home/app/packages")).toContain("frontend-0.1.0.tgz");
  for (const [options, problem] of [
    [[], "a chart is a folder or a package"],
    [["--package", "a.tgz", "--per-app"], "--per-app makes several charts"],
    [["--out", "x", "--chart", "Shop:1"], "is no name with a version"],
  ] as const) {
    const wrong = await outrigger(world, ...helm, ...options);
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining(problem)]);
  }
});
