import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { CONSOLE } from "./build_site.ts";
import type { RunningSet } from "./running_set.ts";
import { serveConsole } from "./serve_console.ts";

function set(port: number): RunningSet {
  const record = () => ({ name: "shop", processes: [] });
  return { loaded: { ports: { [CONSOLE]: port } }, record } as unknown as RunningSet;
}

test("the console has the port that was allotted, or another where somebody took it since", () => {
  const world = createSimulatedWorld({ seed: 3 });
  const first = serveConsole(world, set(21_164));
  expect(first.url).toBe("http://127.0.0.1:21164/");
  const second = serveConsole(world, set(21_164));
  expect(second.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  expect(second.url).not.toBe(first.url);
  first.stop();
  second.stop();
});
