import { afterEach, expect, test } from "bun:test";
import type { RoutePolicy } from "../../api/snapshot.ts";
import { Rig } from "../../sim/rig.ts";
import { type SnapshotShape, upstreamAt } from "../../sim/snapshots.ts";
import { reply } from "../../sim/upstream.ts";

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const STICKY = { cookie: "release", ttlMs: 0 };

type Weights = Readonly<Record<string, number>>;

function shape(weights: Weights, over: Partial<RoutePolicy> = {}): SnapshotShape {
  const backends = Object.entries(weights).map(([cluster, weight]) => ({ cluster, weight }));
  const clusters = [1, 2, 3].map((n) => [`u${n}`, { endpoints: [upstreamAt(n)] }] as const);
  const routes = [{ backends, sticky: STICKY, ...over }];
  return { listener: { routes }, clusters: Object.fromEntries(clusters) };
}

function rigWith(weights: Weights, over: Partial<RoutePolicy> = {}): void {
  rig = new Rig(shape(weights, over));
  for (const n of [1, 2, 3]) rig.upstream(n);
}

async function ask(cookie: string | null, path = "/") {
  const line = cookie === null ? "" : `Cookie: a=1; ${cookie}\r\n`;
  const call = rig.client().send(`GET ${path} HTTP/1.1\r\nHost: shop\r\n${line}\r\n`);
  await rig.advance(10);
  const { body, headers } = call.answer!;
  return { body, status: call.status, set: headers.get("set-cookie") ?? null };
}

const pair = (set: string | null) => set!.split(";")[0]!;

test("who got a backend gets it again, and the cookie is set once", async () => {
  rigWith({ u1: 50, u2: 50 });
  const first = await ask(null);
  expect(first.set).toMatch(/^release=[0-9a-f]{8}; Path=\/; HttpOnly; SameSite=Lax$/);
  for (let time = 0; time < 20; time++) {
    expect(await ask(pair(first.set))).toEqual({ body: first.body, status: 200, set: null });
  }
});

test("who has no cookie yet is chosen for by weight", async () => {
  rigWith({ u1: 1, u2: 1 });
  const bodies = new Set<string>();
  for (let time = 0; time < 40; time++) bodies.add((await ask(null)).body);
  expect([...bodies].sort()).toEqual(["u1", "u2"]);
});

test("the choice outlives another order and other weights, not its backend", async () => {
  rigWith({ u1: 1, u2: 0 });
  const kept = pair((await ask(null)).set);
  rig.apply(shape({ u3: 1000, u2: 1000, u1: 1 }));
  for (let time = 0; time < 10; time++) expect((await ask(kept)).body).toBe("u1");
  // Taken out of service, then out of the file: chosen anew, and the cookie with it.
  const later: Weights[] = [{ u1: 0, u2: 1 }, { u2: 1, u3: 0 }];
  for (const weights of later) {
    rig.apply(shape(weights));
    const moved = await ask(kept);
    expect(moved.body).toBe("u2");
    expect(pair(moved.set)).not.toBe(kept);
  }
});

test.each(["release=", "release=0", "release=../u2", "release=00000001"])(
  "%s is no backend: chosen by weight",
  async (cookie) => {
    rigWith({ u1: 1, u2: 0 });
    const { body, set } = await ask(cookie);
    expect(body).toBe("u1");
    expect(set).not.toBeNull();
  },
);

test("the cookie lives as long as it is asked to, on its own path", async () => {
  const path = { kind: "prefix", value: "/api" } as const;
  rigWith({ u1: 1, u2: 1 }, { path, sticky: { cookie: "release", ttlMs: 3_600_000 } });
  const { set } = await ask(null, "/api/items");
  expect(set).toEndWith("; Path=/api; Max-Age=3600; HttpOnly; SameSite=Lax");
});

test("a browser that came by https sends it by https only", async () => {
  rigWith({ u1: 1, u2: 1 });
  const call = rig.client().send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n");
  await rig.advance(10);
  expect(call.answer!.headers.get("set-cookie")).toEndWith("; SameSite=Lax; Secure");
});

test("it stands beside the callee's cookies; an error made here sets none", async () => {
  rig = new Rig(shape({ u1: 1, u2: 0 }));
  const upstream = rig.upstream(1, ({ peer }) => {
    peer.send(reply(200, "u1", "Set-Cookie: session=7\r\n"));
  });
  expect((await ask(null)).set).toMatch(/^session=7, release=[0-9a-f]{8};/);
  upstream.stop();
  for (const peer of upstream.peers) peer.terminate();
  await rig.advance(10);
  expect(await ask(null)).toMatchObject({ status: 503, set: null });
});
