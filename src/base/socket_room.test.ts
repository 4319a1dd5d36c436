import { expect, test } from "bun:test";
import { SocketRoom } from "./socket_room.ts";

test("some descriptors are kept free, and some of the rest for connects", () => {
  const bounds = (limit: number, threads = 1): number[] => {
    const room = new SocketRoom(limit);
    room.divide(threads);
    return [room.maxForCallers, room.maxForAll];
  };
  expect(bounds(1_024)).toEqual([672, 896]);
  expect(bounds(1_048_576)).toEqual([1_044_352, 1_048_448]);
  expect(bounds(64)).toEqual([36, 48]);
  expect(bounds(1_024, 4)).toEqual([168, 224]);
  expect(bounds(2, 8)).toEqual([1, 1]);
});

test("where the system does not say, there is no bound", () => {
  const room = new SocketRoom(null);
  room.divide(2);
  expect([room.maxForCallers, room.maxForAll]).toEqual([Infinity, Infinity]);
});
