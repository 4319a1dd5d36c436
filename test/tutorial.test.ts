/** docs/tutorial.md, typed into one shell: what it says one sees is what comes. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { clusterMissing } from "../tools/kube/cluster.ts";
import { Place, ROOT } from "./kit/outrigger.ts";
import { freePort } from "./kit/ports.ts";
import { Shell } from "./kit/shell.ts";
import { type Fence, matches, stepsOf } from "./kit/tutorial.ts";

setDefaultTimeout(120_000);

const CLUSTER_MS = 900_000;
/** From this step on it needs a cluster. */
const CLUSTER_STEP = "A cluster";

const missing = clusterMissing();
if (missing !== null) {
  if (process.env["CI"] === "true") throw new Error(missing);
  console.log(`skipped: the tutorial's second half: ${missing}`);
}

const page = readFileSync(join(ROOT, "docs", "tutorial.md"), "utf8");
const place = new Place();
const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
/** Folders and ports of this run in the place of those that the page names. */
const text = page
  .replaceAll("/tmp/tutorial", place.path("tutorial"))
  .replaceAll(/\b(18080|8080|19000|9000)\b/g, (port) => {
    return String(ports[["18080", "8080", "19000", "9000"].indexOf(port)]);
  });
const steps = stepsOf(text);
const first = steps.findIndex(({ title }) => title === CLUSTER_STEP);

const shell = new Shell(ROOT, {
  OUTRIGGER_HOME: place.home,
  OUTRIGGER_CLUSTER: place.path("cluster"),
  NO_COLOR: "1",
  SHELL: "/bin/bash",
});

afterAll(async () => {
  await shell.end();
  if (existsSync(place.path("cluster"))) {
    const env = { OUTRIGGER_CLUSTER: place.path("cluster") };
    const down = new Place([process.execPath, join(ROOT, "tools", "cluster.ts")], env);
    await down.outrigger("down");
    await down.end();
  }
  await place.end();
}, 60_000);

async function follow(fences: readonly Fence[]): Promise<void> {
  for (const fence of fences) {
    if (fence.kind === "file") {
      mkdirSync(dirname(fence.path), { recursive: true });
      writeFileSync(fence.path, fence.text);
      continue;
    }
    for (const { command, shown } of fence.commands) {
      const { status, output } = await shell.run(command);
      const said = `$ ${command}\n${output}`;
      expect([status, said]).toEqual([0, said]);
      if (shown.length > 0 && !matches(shown, output)) {
        // Both, so that a failure shows what to write instead.
        expect(output).toBe(shown.join("\n"));
      }
    }
  }
}

test("a typical App stays within 15 lines", () => {
  const apps = steps.flatMap(({ fences }) => fences).filter(({ kind }) => kind === "file");
  expect(apps.length).toBe(3);
  for (const app of apps) {
    expect((app as { text: string }).text.trim().split("\n").length).toBeLessThanOrEqual(15);
  }
});

describe("on this machine", () => {
  for (const { title, fences } of steps.slice(0, first)) test(title, () => follow(fences));
});

describe.skipIf(missing !== null)("on a cluster", () => {
  for (const { title, fences } of steps.slice(first)) {
    test(title, () => follow(fences), title === CLUSTER_STEP ? CLUSTER_MS : 120_000);
  }
});
