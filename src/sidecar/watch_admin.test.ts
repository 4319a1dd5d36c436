import { afterEach, expect, test } from "bun:test";
import type { FailedRequest, RequestRecord } from "../api/request_record.ts";
import { HttpClient } from "../http/client.ts";
import { type JsonLine, readJsonLines } from "../http/json_lines.ts";
import { HttpServer, textAnswer } from "../http/server.ts";
import { GroupRig } from "../sim/group_rig.ts";
import { Rig } from "../sim/rig.ts";
import { reply } from "../sim/upstream.ts";
import type { DataPlane } from "./sidecar.ts";
import { WatchAdmin } from "./watch_admin.ts";

const SOCKET = { path: "/run/admin.sock" };

let rig: Rig | GroupRig;
let server: HttpServer;
afterEach(async () => {
  server.stop();
  expect(await rig.leaks()).toEqual([]);
});

/** The admin API of a proxy, or of several workers. */
async function start(workers = 1): Promise<HttpClient> {
  const shape = { route: { hosts: ["shop"], filters: [{ filter: "request_id", config: {} }] } };
  if (workers > 1) {
    rig = new GroupRig(workers);
    await rig.apply(shape);
  } else rig = new Rig(shape);
  rig.upstream(1, ({ peer, target }) => peer.send(reply(target === "/bad" ? 500 : 200, "x")));
  rig.world.files.makeFolder("/run");
  const proxy: DataPlane = rig instanceof Rig ? rig.proxy : rig.group;
  const admin = new WatchAdmin(rig.world, () => proxy);
  server = new HttpServer(rig.world, {
    address: SOCKET,
    mode: 0o600,
    handle: async (request) => (await admin.answer(request)) ?? textAnswer(404, "unknown"),
  });
  server.start();
  return new HttpClient(rig.world);
}

async function ask(client: HttpClient, method: string, path: string, body?: string) {
  const more = body === undefined ? {} : { body };
  const asked = client.request({ method, path, address: SOCKET, timeoutMs: 5_000, ...more });
  let done = false;
  const end = (): void => void (done = true);
  asked.then(end, end);
  await rig.world.clock.until(() => done, 10_000);
  const { status, body: bytes } = await asked;
  const text = Buffer.from(bytes).toString();
  return { status, value: text.startsWith("{") ? JSON.parse(text) : text };
}

function tap(client: HttpClient, query: string) {
  const tapped = { records: [] as RequestRecord[], lost: 0, ended: "", leave: () => {} };
  const controller = new AbortController();
  tapped.leave = () => controller.abort();
  const request = { method: "GET", address: SOCKET, path: `/tap?${query}`, timeoutMs: 0 };
  readJsonLines(client, { ...request, abort: controller.signal }, (line: JsonLine) => {
    if ("lost" in line) tapped.lost += line.lost;
    else tapped.records.push(line.value as RequestRecord);
  }).then(
    () => (tapped.ended = "whole"),
    (error: { code: string }) => (tapped.ended = error.code),
  );
  return tapped;
}

async function requests(...paths: string[]): Promise<void> {
  for (const path of paths) {
    const client = rig.client();
    client.get(path);
    await rig.advance(200);
    client.peer.close();
  }
}

for (const workers of [1, 3]) {
  test(`a tap follows live requests until its reader leaves; ${workers} workers`, async () => {
    const client = await start(workers);
    const all = tap(client, "");
    const bad = tap(client, "status=5xx&limit=2");
    await rig.advance(10);
    await requests("/a", "/bad", "/b", "/bad", "/bad");
    expect(all.records.map(({ path }) => path)).toEqual(["/a", "/bad", "/b", "/bad", "/bad"]);
    expect(bad.records.map(({ status }) => status)).toEqual([500, 500]);
    expect([all.ended, bad.ended]).toEqual(["", "whole"]);
    all.leave();
    await requests("/c");
    expect([all.ended, all.records.length]).toEqual(["aborted", 5]);
    const short = tap(client, "durationMs=300");
    await requests("/d", "/e", "/f");
    expect([short.ended, short.records.length < 3]).toEqual(["whole", true]);
  });

  test(`why finds a request by id, or lists the newest; ${workers} workers`, async () => {
    const client = await start(workers);
    await requests("/a", "/bad", "/bad", "/bad");
    const { value } = await ask(client, "GET", "/why");
    const newest = value.requests as FailedRequest[];
    expect(newest.map(({ path, status }) => [path, status])).toEqual([
      ["/bad", 500],
      ["/bad", 500],
      ["/bad", 500],
    ]);
    const id = newest[1]!.requestId!;
    const found = (await ask(client, "GET", `/why/${id}`)).value.requests as FailedRequest[];
    expect(found).toEqual([newest[1]!]);
    const none = { status: 200, value: { requests: [] } };
    expect(await ask(client, "GET", "/why/nobody")).toEqual(none);
    expect(await ask(client, "GET", "/why/%E0%A4%A")).toEqual(none);
  });

  test(`the log level changes what is said from now on; ${workers} workers`, async () => {
    const client = await start(workers);
    expect(await ask(client, "GET", "/log-level")).toEqual({ status: 200, value: { level: "info" } });
    await ask(client, "PUT", "/log-level", '{"level":"debug"}');
    await requests("/bad");
    const debug = rig.log.filter((line) => line.includes('"debug"')).map((line) => JSON.parse(line));
    expect(debug).toMatchObject([
      { debug: "request", method: "GET", path: "/bad" },
      { debug: "try", upstream_host: "10.0.1.1:80", try: 1, status: 500, failure: null },
    ]);
    await ask(client, "PUT", "/log-level", '{"level":"error"}');
    rig.log.length = 0;
    await requests("/bad");
    expect(rig.log).toEqual([]);
    const wrong = await ask(client, "PUT", "/log-level", '{"level":"loud"}');
    expect([wrong.status, wrong.value.problem]).toEqual([
      409,
      '{"level": L} was expected, with L one of error, info, debug',
    ]);
  });
}

test("an order that makes no sense, and a tap too many, are refused with a reason", async () => {
  const client = await start();
  const wrong = await ask(client, "GET", "/tap?pth=/a");
  expect([wrong.status, wrong.value.problem]).toEqual([
    409,
    expect.stringContaining('"pth" is not known'),
  ]);
  const taps = Array.from({ length: 8 }, () => tap(client, ""));
  await rig.advance(10);
  const more = await ask(client, "GET", "/tap");
  expect(more).toMatchObject({ status: 409, value: { problem: "8 taps run already" } });
  for (const one of taps) one.leave();
  await rig.advance(10);
  const again = tap(client, "limit=1");
  await requests("/a");
  expect(again.ended).toBe("whole");
});

test("an expression that no route could have is refused, and the sidecar lives on", async () => {
  const client = await start();
  for (const path of ["~/(?=a)", "~/(", `/${"x".repeat(2_000)}`]) {
    const { status, value } = await ask(client, "GET", `/tap?path=${encodeURIComponent(path)}`);
    expect([status, value.problem]).toEqual([409, expect.stringContaining('path is "')]);
  }
  const taken = tap(client, `limit=1&path=${encodeURIComponent("~/a[0-9]+")}`);
  await rig.advance(10);
  await requests("/ab", "/a12");
  expect(taken.records.map(({ path }) => path)).toEqual(["/a12"]);
});

test("of many taps that are asked for at once no more are taken than may run", async () => {
  await start();
  const proxy = (rig as Rig).proxy;
  const admin = new WatchAdmin(rig.world, () => proxy);
  const none = { query: new Map<string, string>(), headers: new Map(), body: new Uint8Array() };
  const asked = Array.from({ length: 12 }, () => {
    return admin.answer({ method: "GET", path: "/tap", ...none });
  });
  const statuses = (await Promise.all(asked)).map((answer) => answer!.status);
  expect(statuses.filter((status) => status === 200).length).toBe(8);
});
