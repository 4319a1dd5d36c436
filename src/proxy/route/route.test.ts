import { expect, test } from "bun:test";
import type { RoutePolicy } from "../../api/snapshot.ts";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { RequestHead } from "../../codec/message.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { RouteCounters } from "../telemetry/counters.ts";
import { Route } from "./route.ts";

const { random } = createSimulatedWorld({ seed: 7 });
const head = new RequestHead();
const clusters = new Map(["a", "b"].map((name) => [name, { name } as Cluster]));

function route(over: Partial<RoutePolicy>): Route {
  const policy: RoutePolicy = {
    name: "r",
    hosts: ["*"],
    path: { kind: "prefix", value: "/" },
    backends: [{ cluster: "a", weight: 1 }],
    timeoutMs: 0,
    idleTimeoutMs: 0,
    retry: null,
    fallback: null,
    filters: [],
    ...over,
  };
  return new Route(policy, clusters, new RouteCounters(), { random });
}

test("backends share by weight; a weight of 0 gets nothing", () => {
  const split = route({ backends: [{ cluster: "a", weight: 3 }, { cluster: "b", weight: 1 }] });
  let first = 0;
  for (let request = 0; request < 4000; request++) {
    if (split.chooseCluster(random, head).name === "a") first++;
  }
  expect(first).toBeGreaterThan(2850);
  expect(first).toBeLessThan(3150);
  const off = route({ backends: [{ cluster: "a", weight: 0 }, { cluster: "b", weight: 5 }] });
  for (let request = 0; request < 100; request++) {
    expect(off.chooseCluster(random, head).name).toBe("b");
  }
});

test("what cannot be meant is refused when the Snapshot is applied", () => {
  const fallback = { on: ["open"], status: 200, headers: {}, body: "" } as const;
  expect(() => route({ backends: [{ cluster: "zzz", weight: 1 }] })).toThrow("no cluster is named zzz");
  expect(() => route({ backends: [{ cluster: "a", weight: 0 }] })).toThrow("no backend has a weight");
  expect(() => route({ backends: [] })).toThrow("no backend has a weight");
  const respond = { filter: "respond", config: { status: 410, headers: {}, body: "" } };
  expect(route({ backends: [], filters: [respond] }).name).toBe("r");
  expect(() => route({ sticky: { cookie: "a b", ttlMs: 0 } })).toThrow("not a cookie's name");
  expect(() => route({ filters: [{ filter: "nope", config: {} }] })).toThrow("no filter is named nope");
  const unfit = [["x\r\ny", "1"], ["x", "1\r\ny: 2"], ["x", "\u010d\u010a"], ["", "1"]] as const;
  for (const [name, value] of unfit) {
    const headers = { [name]: value };
    expect(() => route({ fallback: { ...fallback, headers } })).toThrow("cannot be sent");
  }
});
