import { describe, expect, test } from "bun:test";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import {
  append,
  expectBalanced,
  messages,
  mortal,
  policyOf,
  startPipeline,
  stopPipeline,
  worldWithLogs,
} from "../testdata/harness.ts";

const FOLDER = "/var/log/pods/shop_api-0_0a1b2c3d-0000/app";
const LOG = `${FOLDER}/0.log`;
const TIME = "2024-03-01T12:00:00.5Z";

function policy(config = {}) {
  return policyOf({ sources: { app: { component: "container", config } } });
}

function worldWithPod(seed = 1): SimulatedWorld {
  const world = worldWithLogs(seed);
  world.files.makeFolder(FOLDER);
  return world;
}

const line = (stream: string, tag: string, message: string): string =>
  `${TIME} ${stream} ${tag} ${message}\n`;

describe("partial lines", () => {
  test("stdout and stderr interleaved are joined each by itself", async () => {
    const world = worldWithPod();
    const runner = startPipeline(world, policy());
    append(world, LOG, line("stdout", "P", "out-1 ") + line("stderr", "P", "err-1 "));
    await world.clock.advance(2000);
    append(world, LOG, line("stdout", "P", "out-2 ") + line("stderr", "F", "err-2"));
    await world.clock.advance(2000);
    append(world, LOG, line("stderr", "F", "alone") + line("stdout", "F", "out-3"));
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(["err-1 err-2", "alone", "out-1 out-2 out-3"]);
    expectBalanced(runner);
    await stopPipeline(world, runner);
    expect(world.leaks()).toEqual([]);
    // All of it is acknowledged: both streams' parts lay in one batch.
    const again = startPipeline(world, policy());
    await world.clock.advance(2000);
    expect(again.ledger().sources["app"]!.received).toBe(0);
  });

  test("a part whose rest has not come is read again after a kill, and joined", async () => {
    const world = worldWithPod();
    const life = mortal(world);
    startPipeline(life.world, policy());
    append(world, LOG, line("stdout", "F", "whole") + line("stdout", "P", "first "));
    await world.clock.advance(3000);
    life.kill();
    append(world, LOG, line("stdout", "F", "second"));
    startPipeline(world, policy());
    await world.clock.advance(3000);
    // `whole` lay in one batch with the part: at least once.
    expect(messages(world)).toEqual(["whole", "whole", "first second"]);
  });

  test("a part at the end of a rotated log goes on in the next one", async () => {
    const world = worldWithPod();
    startPipeline(world, policy());
    append(world, LOG, line("stdout", "P", "first "));
    await world.clock.advance(2000);
    world.files.rename(LOG, `${LOG}.20240301-120000`);
    append(world, LOG, line("stdout", "F", "second"));
    await world.clock.advance(2000);
    expect(messages(world)).toEqual(["first second"]);
  });

  test("a part whose rest does not come is handed on as it is", async () => {
    const world = worldWithPod();
    const runner = startPipeline(world, policy({ partialTimeout: "5s" }));
    append(world, LOG, line("stdout", "P", "alone"));
    await world.clock.advance(4000);
    expect(messages(world)).toEqual([]);
    await world.clock.advance(4000);
    expect(messages(world)).toEqual(["alone"]);
    expect(runner.metrics()).toContain('counter="partial_timeouts"');
    await stopPipeline(world, runner);
    const again = startPipeline(world, policy());
    await world.clock.advance(8000);
    expect(again.ledger().sources["app"]!.received).toBe(0);
  });
});

describe("long lines", () => {
  const long = "é0123456789".repeat(40_000);

  test("a CRI line above 300 KB is one message, in one line or in parts", async () => {
    const parts = long.match(/.{1,16000}/gs)!;
    const inParts = parts.map((part, i) =>
      line("stdout", i === parts.length - 1 ? "F" : "P", part),
    );
    for (const pieces of [[line("stdout", "F", long)], inParts]) {
      const world = worldWithPod();
      const runner = startPipeline(world, policy());
      for (const piece of pieces) {
        append(world, LOG, piece);
        append(world, LOG, line("stderr", "F", "between"));
        await world.clock.advance(100);
      }
      append(world, LOG, line("stdout", "F", "next"));
      await world.clock.advance(3000);
      const found = messages(world).filter((message) => message !== "between");
      expect(found.map((message) => message.length)).toEqual([long.length, 4]);
      expect(found[0]).toBe(long);
      expectBalanced(runner);
    }
  });

  test("what is above the bound goes on as another message, and nothing of it is lost", async () => {
    const world = worldWithPod();
    const runner = startPipeline(world, policy({ maxMessageBytes: "100KiB", maxLineBytes: "8KiB" }));
    append(world, LOG, line("stdout", "F", long) + line("stdout", "F", "next"));
    await world.clock.advance(3000);
    const found = messages(world);
    expect(found.at(-1)).toBe("next");
    const pieces = found.slice(0, -1);
    expect(pieces.join("")).toBe(long);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(120 * 1024);
    expect(runner.metrics()).toContain('counter="long_messages"');
    expectBalanced(runner);
  });
});

test("a line that is none is kept with its reason", async () => {
  const world = worldWithPod();
  startPipeline(world, policy());
  append(world, LOG, `what is this\n${line("stdout", "F", "fine")}`);
  await world.clock.advance(2000);
  const found = world.stdio.text().trim().split("\n");
  expect(JSON.parse(found[0]!)).toMatchObject({
    message: "what is this",
    parse_error: "not-cri",
    pod: "api-0",
  });
  expect(messages(world)).toEqual(["what is this", "fine"]);
});

test("the links of a node's log folder are followed, and none out of it", async () => {
  const world = worldWithPod();
  const id = "0123456789abcdef".repeat(4);
  for (const folder of ["/etc", "/var/log/containers"]) world.files.makeFolder(folder);
  world.files.makeFolder(`/var/lib/docker/containers/${id}`);
  world.files.write("/etc/shadow", line("stdout", "F", "secret"));
  append(world, LOG, line("stdout", "F", "cri"));
  const docker = `/var/lib/docker/containers/${id}/${id}-json.log`;
  append(world, docker, `${JSON.stringify({ log: "docker\n", stream: "stdout", time: TIME })}\n`);
  world.files.link(`/var/log/containers/api-0_shop_app-${id}.log`, LOG);
  world.files.link(`/var/log/containers/api-1_shop_app-${id}.log`, docker);
  world.files.link(`/var/log/containers/evil-0_shop_app-${id}.log`, "/etc/shadow");
  startPipeline(world, policy({ include: ["/var/log/containers/*.log"] }));
  await world.clock.advance(3000);
  expect(messages(world).sort()).toEqual(["cri", "docker"]);
  const found = world.stdio.text().trim().split("\n");
  const pods = found.map((one) => (JSON.parse(one) as { pod: string }).pod);
  expect(pods.sort()).toEqual(["api-0", "api-1"]);
});
