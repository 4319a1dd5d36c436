import { afterEach, expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";
import { RETRY } from "../../sim/snapshots.ts";
import { reply } from "../../sim/upstream.ts";
import type { Stream } from "../stream.ts";
import type { RequestWatch, Watcher } from "./watch.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

/** Writes down what it is told of requests whose path starts as given. */
function recorder(prefix: string): { watcher: Watcher; told: string[] } {
  const told: string[] = [];
  const watch: RequestWatch = {
    onTry: () => told.push("try"),
    onTryEnd: (_, status, failure) => told.push(`try ${failure ?? status}`),
    onAnswer: (_, head) => told.push(`answer ${head.status}`),
    onLocalAnswer: (_, headers) => told.push(`local ${headers["content-type"]}`),
    onTrailers: () => told.push("trailers"),
    onComplete: (stream) => told.push(`complete ${stream.status} ${stream.flags}`.trim()),
  };
  const begin = ({ head }: Stream): RequestWatch | null => {
    if (!head.target.startsWith(prefix)) return null;
    told.push(`begin ${head.target}`);
    return watch;
  };
  return { watcher: { begin }, told };
}

test("a watcher sees each phase of a request: tries with their outcomes, the answer, the end", async () => {
  rig = new Rig({ route: { retry: RETRY } });
  let tries = 0;
  rig.upstream(1, (request) => request.peer.send(reply(tries++ === 0 ? 503 : 200, "ok")));
  const { watcher, told } = recorder("/");
  rig.proxy.addWatcher(watcher);
  expect(await rig.ask("/a")).toEqual({ status: 200, body: "ok" });
  expect(told).toEqual(["begin /a", "try", "try 503", "try", "try 200", "answer 200", "complete 200"]);
});

test("answers made here are seen, also where no route was found and where the upstream is away", async () => {
  rig = new Rig({ route: { hosts: ["shop"] } });
  const { watcher, told } = recorder("/");
  rig.proxy.addWatcher(watcher);
  await rig.ask("/a", "elsewhere");
  expect(told).toEqual(["begin /a", "local text/plain", "complete 404 NR"]);
  told.length = 0;
  await rig.ask("/b");
  expect(told).toEqual(["begin /b", "try", "try connect-failure", "local text/plain", "complete 503 UF"]);
});

test("several watch side by side, each its own; one that ends leaves the other, and a new Snapshot both", async () => {
  rig = new Rig();
  rig.upstream();
  const all = recorder("/");
  const some = recorder("/b");
  rig.proxy.addWatcher(all.watcher);
  const end = rig.proxy.addWatcher(some.watcher);
  rig.apply({ route: { timeoutMs: 5_000 } });
  await rig.ask("/a");
  await rig.ask("/b");
  expect([all.told.length, some.told.length]).toEqual([10, 5]);
  end();
  await rig.ask("/b");
  expect([all.told.length, some.told.length]).toEqual([15, 5]);
});
