import { expect, test } from "bun:test";
import type { CapturedRequest, CaptureLine, CaptureOrder } from "../api/capture.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import type { ServerAnswer } from "../http/server.ts";
import type { CaptureTaker } from "../proxy/watch/capture.ts";
import { CaptureAdmin } from "./capture_admin.ts";
import type { DataPlane } from "./sidecar.ts";

const BOUNDS = { maxBytes: 1e6, durationMs: 1_000 };

function setup() {
  const world = createSimulatedWorld({ seed: 1 });
  const plane = { takers: new Set<CaptureTaker>(), orders: [] as CaptureOrder[] };
  const proxy = {
    capture: (order: CaptureOrder, take: CaptureTaker) => {
      plane.orders.push(order);
      plane.takers.add(take);
      return () => plane.takers.delete(take);
    },
  } as unknown as DataPlane;
  const state = { version: "1" };
  const snapshot = (): Snapshot => {
    const workload = { namespace: "shop", name: "api" };
    return { workload, version: state.version, origins: { "/x": {} } } as unknown as Snapshot;
  };
  const admin = new CaptureAdmin(world, () => proxy, snapshot);
  return { world, plane, admin, state };
}

/** Reads an answer's stream; `stop` is the reader's leaving. */
function read(answer: ServerAnswer) {
  const seen = { lines: [] as CaptureLine[], ended: false, stop: () => {} };
  const writer = {
    write: (data: string | Uint8Array): boolean => {
      if (seen.ended) return false;
      seen.lines.push(JSON.parse(Buffer.from(data).toString()) as CaptureLine);
      return true;
    },
    queuedBytes: 0,
    end: () => {
      if (seen.ended) return;
      seen.ended = true;
      seen.stop();
    },
  };
  seen.stop = answer.stream!(writer);
  return seen;
}

const request = (version: string, target = "/"): CapturedRequest =>
  ({ version, target }) as unknown as CapturedRequest;

test("lines: what is captured and how, the Snapshot that was met, requests; a new Snapshot anew", async () => {
  const { world, plane, admin, state } = setup();
  const seen = read(await admin.answer({ ...BOUNDS, ratio: 0.5, headers: ["Accept"] }));
  const [take] = plane.takers;
  take!([request("1")], 0);
  take!([request("1")], 2);
  state.version = "2";
  take!([request("2"), request("1")], 0);
  const kinds = seen.lines.map((line) => Object.keys(line)[0]);
  expect(kinds).toEqual(
    ["capture", "snapshot", "request", "lost", "request", "snapshot", "request", "request"],
  );
  expect(seen.lines[0]).toEqual({
    capture: {
      format: 1,
      workload: { namespace: "shop", name: "api" },
      timeMs: world.clock.wallMs(),
      ratio: 0.5,
      headers: ["accept"],
      query: [],
    },
  });
  expect(seen.lines[1]).toMatchObject({ snapshot: { version: "1", origins: {} } });
  await world.clock.advance(BOUNDS.durationMs);
  expect([seen.ended, plane.takers.size, world.leaks()]).toEqual([true, 0, []]);
});

test("it ends at its bound of bytes, and when its reader leaves", async () => {
  const { world, plane, admin } = setup();
  const seen = read(await admin.answer({ ...BOUNDS, maxBytes: 2_000 }));
  const [take] = plane.takers;
  for (let count = 0; count < 20; count++) take!([request("1", "x".repeat(300))], 0);
  expect(seen.ended).toBe(true);
  expect(JSON.stringify(seen.lines).length).toBeLessThan(2_000);
  expect(plane.takers.size).toBe(0);
  const other = read(await admin.answer(BOUNDS));
  other.stop();
  expect([plane.takers.size, world.leaks()]).toEqual([0, []]);
});

test("a wrong order is refused, and more captures than four", async () => {
  const { admin } = setup();
  expect((await admin.answer({ ratio: 3 })).status).toBe(409);
  expect((await admin.answer(undefined)).status).toBe(409);
  const running = [1, 2, 3, 4].map(async () => read(await admin.answer(BOUNDS)));
  const [first] = await Promise.all(running);
  const fifth = await admin.answer(BOUNDS);
  expect([fifth.status, String(fifth.body)]).toEqual([409, expect.stringContaining("4 captures")]);
  first!.stop();
  expect((await admin.answer(BOUNDS)).stream).toBeDefined();
});

test("of many captures that are asked for at once no more are taken than may run", async () => {
  const { admin } = setup();
  const answers = await Promise.all(Array.from({ length: 6 }, () => admin.answer(BOUNDS)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 409, 409]);
  const bad = await admin.answer({ ...BOUNDS, path: "~/(?=a)" });
  expect(bad.status).toBe(409);
  expect(String(bad.body)).toContain("path: the regular expression is refused");
});
