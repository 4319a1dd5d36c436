import { afterEach, expect, test } from "bun:test";
import type { FaultPolicy } from "../api/fault.ts";
import { Rig } from "../sim/rig.ts";
import type { RouteShape } from "../sim/snapshots.ts";
import { chunked, type Received, reply } from "../sim/upstream.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const RATE = 64 * 1024;
const PLAIN: FaultPolicy = { delay: null, abort: null, headers: {}, maxHeld: 1000 };

function slow(policy: Partial<FaultPolicy> = {}, route: RouteShape = {}): void {
  const bandwidth = { bytesPerSecond: RATE, ratio: 1 };
  const filters = [{ filter: "fault", config: { ...PLAIN, bandwidth, ...policy } }];
  rig = new Rig({ route: { ...route, filters } });
}

function body(length: number): string {
  return "0123456789abcdef".repeat(Math.ceil(length / 16)).slice(0, length);
}

/** How long a request takes, and its answer. */
async function ask(path = "/"): Promise<{ readonly tookMs: number; readonly body: string }> {
  const startedMs = rig.world.clock.now();
  const answer = await rig.ask(path);
  return { tookMs: rig.world.clock.now() - startedMs, body: answer.body };
}

const paced = (): number => rig.metric("outrigger_faults_total", { fault: "bandwidth" });

test("S1-26 an answer's bytes come at the rate, whole and in order", async () => {
  slow();
  const upstream = rig.upstream(1, ({ peer, target }) => {
    const length = Number(target.slice(1));
    peer.send(reply(200, body(length)));
  });
  for (const [length, seconds] of [[3 * RATE, 3], [RATE / 2, 0.5], [100, 0], [0, 0]] as const) {
    const { tookMs, body: got } = await ask(`/${length}`);
    expect(got).toBe(body(length));
    // The first twentieth of a second's bytes come at once.
    expect(tookMs).toBeGreaterThanOrEqual(seconds * 1000 - 60);
    expect(tookMs).toBeLessThan(seconds * 1000 + 60);
  }
  expect(paced()).toBe(4);
  // Its connection was kept for the next one each time.
  expect(upstream.peers.length).toBe(1);
});

test("S1-26 the share is drawn from the seeded generator, and counted to the last one", async () => {
  rig = new Rig();
  rig.upstream(1, ({ peer }) => peer.send(reply(200, body(RATE))));
  expect((await ask()).tookMs).toBeLessThan(50);
  const fault = { ...PLAIN, bandwidth: { bytesPerSecond: RATE, ratio: 0.5 } };
  rig.proxy.setFault({ listener: "in", route: null, fault, forMs: null });
  let slowed = 0;
  for (let sent = 0; sent < 200; sent++) {
    const { tookMs, body: got } = await ask();
    expect(got.length).toBe(RATE);
    if (tookMs > 500) slowed++;
  }
  expect(slowed).toBeGreaterThan(75);
  expect(slowed).toBeLessThan(125);
  expect(paced()).toBe(slowed);
  rig.proxy.clearFaults(null, null);
  expect((await ask()).tookMs).toBeLessThan(50);
  expect(paced()).toBe(slowed);
});

test("trailers and the end come behind the body, also where the upstream closed long before", async () => {
  slow({ headers: { "x-slow": "1" } });
  rig.upstream(1, ({ peer, target }) => {
    if (target === "/chunked") {
      const half = body(RATE / 2);
      peer.send(chunked([half, half], "X-Sum: 1\r\n"));
    } else {
      peer.send(`HTTP/1.1 200 OK\r\n\r\n${body(RATE)}`);
      peer.close();
    }
  });
  const client = rig.client();
  const get = (path: string): ReturnType<typeof client.send> =>
    client.send(`GET ${path} HTTP/1.1\r\nHost: shop\r\nX-Slow: 1\r\n\r\n`);
  const one = get("/chunked");
  // Behind it on the same connection: it waits for its turn.
  const two = get("/until-close");
  await rig.advance(900);
  expect([one.status, two.status]).toEqual([0, 0]);
  await rig.advance(100);
  expect([one.status, one.answer!.body]).toEqual([200, body(RATE)]);
  expect(Object.fromEntries(one.answer!.trailers)).toEqual({ "x-sum": "1" });
  await rig.advance(1_100);
  expect([two.status, two.answer!.body]).toEqual([200, body(RATE)]);
});

test("the upstream is held back meanwhile, and no more is kept than it had sent", async () => {
  slow();
  const whole = 4 * 1024 * 1024;
  let unsent = (): number => 0;
  rig.upstream(1, ({ peer }: Received) => {
    peer.send(reply(200, body(whole)));
    unsent = () => peer.unsentBytes;
  });
  const client = rig.client();
  client.get("/");
  await rig.advance(2_000);
  const got = client.peer.receivedBytes;
  expect(got).toBeGreaterThan(2 * RATE - 100);
  expect(got).toBeLessThan(2.1 * RATE + 200);
  // In the proxy and in both sockets together.
  expect(whole - unsent() - got).toBeLessThan(512 * 1024);
  client.peer.terminate();
  await rig.advance(100);
  expect(rig.metric("outrigger_requests_active")).toBe(0);
});

test("a caller that does not read holds the upstream back too", async () => {
  slow({ bandwidth: { bytesPerSecond: 2 ** 20, ratio: 1 } });
  const whole = 8 * 2 ** 20;
  let unsent = (): number => 0;
  rig.upstream(1, ({ peer }: Received) => {
    peer.send(reply(200, body(whole)));
    unsent = () => peer.unsentBytes;
  });
  const client = rig.client();
  const call = client.get("/");
  await rig.advance(500);
  client.peer.socket!.pause();
  await rig.advance(6_000);
  // A second and a half's bytes, and what the sockets and one read hold.
  expect(whole - unsent()).toBeLessThan(1.5 * 2 ** 20);
  client.peer.socket!.resume();
  await rig.advance(9_000);
  expect(call.answer!.body).toBe(body(whole));
});

test("an idle timeout does not end what still comes; the request's own time does", async () => {
  slow({}, { idleTimeoutMs: 200 });
  const answer = ({ peer }: Received): void => peer.send(reply(200, body(2 * RATE)));
  rig.upstream(1, answer);
  expect((await ask()).body.length).toBe(2 * RATE);
  const filters = [
    {
      filter: "fault",
      config: { ...PLAIN, bandwidth: { bytesPerSecond: RATE, ratio: 1 } },
    },
  ];
  rig.apply({ route: { timeoutMs: 500, filters } });
  const client = rig.client();
  const call = client.get("/");
  await rig.advance(600);
  expect([call.broken, call.answer]).toEqual([true, null]);
});

test("a caller that reads slowly, and one answer too many", async () => {
  slow({ maxHeld: 1 });
  rig.upstream(1, ({ peer }) => peer.send(reply(200, body(RATE))));
  const first = rig.client();
  const call = first.get("/");
  await rig.advance(20);
  expect((await ask()).tookMs).toBeLessThan(50);
  expect(rig.metric("outrigger_faults_total", { fault: "overflow" })).toBe(1);
  first.peer.socket!.pause();
  await rig.advance(3_000);
  first.peer.socket!.resume();
  await rig.advance(2_000);
  expect([call.status, call.answer!.body]).toEqual([200, body(RATE)]);
});

test("a rate of a byte a second is one", async () => {
  slow({ bandwidth: { bytesPerSecond: 1, ratio: 1 } });
  rig.upstream(1, ({ peer }) => peer.send(reply(200, "abcd")));
  const { tookMs, body: got } = await ask();
  expect(got).toBe("abcd");
  expect(tookMs).toBeGreaterThanOrEqual(3_000);
  expect(tookMs).toBeLessThan(3_100);
});
