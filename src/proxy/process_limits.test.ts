import { afterEach, expect, test } from "bun:test";
import { Rig } from "../sim/rig.ts";
import { snapshotOf } from "../sim/snapshots.ts";
import { SocketRoom } from "../base/socket_room.ts";
import { shortLimits } from "./process_limits.ts";

let rig: Rig;

afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

test("limits that are too low for a Snapshot are told with what to do, once", () => {
  rig = new Rig(null);
  const { world } = rig;
  expect(shortLimits(world, snapshotOf({}))).toEqual([]);
  Object.defineProperty(world.net, "room", { value: new SocketRoom(256) });
  world.files.makeFolder("/sys/fs/cgroup/memory");
  world.files.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", `${48 * 2 ** 20}\n`);
  const listener = { maxConnections: 1_000 };
  rig.apply({ listener });
  rig.apply({ listener, version: "2" });
  const told = rig.log.filter((line) => line.includes("limits-short"));
  expect(told.length).toBe(1);
  expect(JSON.parse(told[0]!).text).toBe(
    "256 descriptors let about 144 callers in, this Snapshot's listeners 1000 (maxConnections); " +
      "raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of a container); " +
      "there are 48 MiB of memory, and a sidecar under load takes up to 96 MiB; " +
      "raise the container's or the unit's memory limit",
  );
});

test("who comes when the process has no room is turned away, counted, and told of once", async () => {
  rig = new Rig();
  rig.upstream();
  // In the simulation both ends count.
  rig.world.net.room.maxForCallers = 20;
  const clients = Array.from({ length: 10 }, () => rig.client());
  await rig.advance(10);
  clients.push(...Array.from({ length: 5 }, () => rig.client()));
  await rig.advance(10);
  const open = clients.filter(({ peer }) => !peer.closed);
  expect([open.length, rig.metric("outrigger_connections_refused_total")]).toEqual([10, 5]);
  expect(rig.log.filter((line) => line.includes("limits-reached")).length).toBe(1);
  const call = open[0]!.get("/");
  await rig.advance(10);
  expect(call.status).toBe(200);
  for (const { peer } of open.slice(0, 5)) peer.close();
  await rig.advance(10);
  expect((await rig.ask()).status).toBe(200);
});
