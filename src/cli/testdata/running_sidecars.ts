/** For tests of commands that ask sidecars: the shop's two, with their apps, as a set that runs. */
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import { SimClient } from "../../sim/client.ts";
import { reply, SimUpstream } from "../../sim/upstream.ts";
import { background, machine, outrigger, type Running, SHOP, until } from "./machine.ts";
import "../../api/tap.ts";
import "../../compile/origins.ts";
import "../../compile/words.ts";
import "../../local/sidecars.ts";
import "../../local/why.ts";
import "../../operate/top.ts";
import "../../proxy/route/matching_order.ts";

const POLICIES = `
    api:
      timeout: 2s
      breaker: { errorRate: 50%, minRequests: 2, window: 10s, openFor: 30s }`;

export interface RunningSidecars {
  readonly world: SimulatedWorld;
  /** What api's app answers from now on. */
  answer: (path: string) => number;
  /** A request to the frontend, whose app passes /api/... on with the request's ids. */
  ask(path: string, headers?: string): Promise<number>;
  /** The same while something else lets time pass. */
  send(path: string): void;
  /** Gives what runs beside the test its time. */
  pass(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export async function runningSidecars(): Promise<RunningSidecars> {
  const shop = SHOP.replace("\n    api: { timeout: 2s }", POLICIES);
  const world = machine({ "/home/app/shop.yaml": shop });
  world.processes.self.env["OUTRIGGER_HOME"] = "/state";
  const sidecars: Running[] = [];
  const processes = [];
  let callPort = 0;
  for (const app of ["frontend", "api"]) {
    const { out, err } = await outrigger(world, "compile", "shop.yaml", "--app", app);
    if (out === "") throw new Error(err);
    world.files.write(`${app}.json`, out);
    const { bindings } = JSON.parse(out);
    const { socket } = bindings.admin;
    callPort ||= bindings.listeners["call:api"]?.port ?? 0;
    world.files.makeFolder(socket.slice(0, socket.lastIndexOf("/")));
    sidecars.push(background(world, "sidecar", "--snapshot", `${app}.json`));
    await until(world, () => world.files.stat(socket) !== null);
    const admin = { readOnly: "", socket };
    processes.push({ id: `${app}~`, role: "sidecar", workload: `shop/${app}`, admin });
  }
  processes.push({ id: "db", role: "app", workload: "shop/db", admin: null });
  world.files.makeFolder("/state/shop");
  const record = { name: "shop", up: { pid: 1 }, processes };
  world.files.write("/state/shop/running.json", JSON.stringify(record));

  const running: RunningSidecars = {
    world,
    answer: () => 200,
    ask: async (path, headers = "") => {
      const client = new SimClient(world, { host: "127.0.0.1", port: 8080 });
      const call = client.send(`GET ${path} HTTP/1.1\r\nHost: shop\r\n${headers}\r\n`);
      await world.clock.until(() => call.answer !== null || call.broken, 60_000);
      client.peer.close();
      await world.clock.advance(200);
      return call.status;
    },
    send: (path) => {
      const client = new SimClient(world, { host: "127.0.0.1", port: 8080 });
      client.whenDone = () => client.peer.close();
      client.get(path);
    },
    pass: (ms) => world.clock.advance(ms),
    stop: async () => {
      world.signals.raise("SIGTERM");
      await until(world, () => sidecars.every(({ code }) => code !== null));
      front.stop();
      api.stop();
      await world.clock.advance(400_000);
    },
  };
  const front = new SimUpstream(world, "127.0.0.1", 18080, ({ target, headers, peer }) => {
    if (!target.startsWith("/api")) return peer.send(reply(200, "home"));
    const call = new SimClient(world, { host: "127.0.0.1", port: callPort });
    const ids = ["x-request-id", "traceparent"].flatMap((name) => {
      const value = headers.get(name);
      return value === undefined ? [] : [`${name}: ${value}\r\n`];
    });
    call.whenDone = ({ status }) => {
      call.peer.close();
      peer.send(reply(status === 0 ? 502 : status, "passed on"));
    };
    call.send(`GET ${target} HTTP/1.1\r\nHost: api\r\n${ids.join("")}\r\n`);
  });
  const api = new SimUpstream(world, "127.0.0.1", 19000, ({ target, peer }) =>
    peer.send(reply(running.answer(target), "from api")),
  );
  return running;
}
