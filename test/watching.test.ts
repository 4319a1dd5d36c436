/** Commands that look at what runs, on real processes: two apps, one sidecar in two threads. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { tinyApp } from "./kit/apps.ts";
import { type Ended, Place } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft } from "./kit/processes.ts";

setDefaultTimeout(60_000);

const place = new Place();
let front = "";
let file = "";

beforeAll(async () => {
  const [port, own] = [await freePort(), await freePort()];
  const [apiPort, apiOwn] = [await freePort(), await freePort()];
  const breaker = "breaker: { errorRate: 50%, minRequests: 100, window: 10s }";
  const front2 = tinyApp({
    ...{ name: "front", port, own, calls: "api" },
    more: ["calls:", "  api:", "    timeout: 5s", `    ${breaker}`, "sidecar: { workers: 2 }"],
  });
  const api = tinyApp({
    ...{ name: "api", port: apiPort, own: apiOwn },
    more: ["routes:", '  - path: "/closed/*"', "    deny: [{ methods: [GET] }]", '  - path: "/*"'],
  });
  file = place.write("pair.yaml", `${front2}---\n${api}`);
  front = `http://127.0.0.1:${port}`;
  await place.up(file);
});

afterAll(async () => {
  await place.end();
  killLeft();
});

/** It has to work; returns what it printed. */
async function outrigger(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await place.outrigger(...args);
  if (status !== 0) throw new Error(`outrigger ${args.join(" ")} ended with ${status}: ${stderr}`);
  return stdout;
}

/** Line and column of a text in the file, as origins have them. */
function lineOf(text: string): number {
  return place.read("pair.yaml").split("\n").findIndex((line) => line.includes(text)) + 1;
}

test("tap follows requests of all threads until Ctrl-C, with what they hold left out", async () => {
  const tap = place.start("tap", "front", "--headers", "--path", "/seen/*");
  const ended = { value: null as Ended | null };
  void tap.ended.then((value) => (ended.value = value));
  let asked = 0;
  const ask = async (): Promise<void> => {
    const headers = { authorization: "Bearer s3cret", connection: "close" };
    await (await fetch(`${front}/seen/${asked}?token=s3cret`, { headers })).text();
    asked += 1;
  };
  await untilTrue("the tap shows something", async () => {
    await ask();
    return tap.output().includes("/seen/");
  });
  const from = asked;
  for (let n = 0; n < 10; n += 1) await ask();
  // Each thread hands on what it saw at its own time.
  const isSeen = (n: number): boolean => tap.output().includes(`GET /seen/${n}?... 200`);
  const wanted = Array.from({ length: 10 }, (_, at) => from + at);
  await untilTrue("all of them", () => wanted.every(isSeen));
  expect(tap.output()).toContain("> authorization: [redacted]");
  expect(tap.output()).not.toContain("s3cret");
  tap.kill("SIGINT");
  await untilTrue("the tap has ended", () => ended.value !== null);
  expect(ended.value).toMatchObject({ status: 0, stderr: "" });
});

test("S4-56 (real processes) config and routes explain what is in force, and follow a change", async () => {
  const text = await outrigger("config", "front", "--part", "routes");
  expect(text).toMatch(
    new RegExp(
      "/policy/listeners/call:api/routes/0/timeoutMs = 5000 +\\S*" +
        `pair\\.yaml:${lineOf("timeout: 5s")}:7 spec\\.calls\\.api\\.timeout`,
    ),
  );
  expect(text).toMatch(/retry = null +default: /);
  const routes = await outrigger("routes", "api");
  expect(routes).toMatch(/\/closed\/\* +app +request_id, trace_context, deny/);
  place.write("pair.yaml", place.read("pair.yaml").replace("timeout: 5s", "timeout: 6s"));
  await untilTrue("the new timeout is in force", async () =>
    (await outrigger("config", "front", "--part", "routes")).includes("timeoutMs = 6000"),
  );
});

test("why tells of a request by its trace: every hop, the filter, the line of the file", async () => {
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-01` };
  expect((await fetch(`${front}/call/closed/door`, { headers })).status).toBe(403);
  const flaky = "4bf92f3577b34da6a3ce929d0e0e4737";
  await fetch(`${front}/call/flaky/one`, {
    headers: { traceparent: `00-${flaky}-00f067aa0ba902b7-01` },
  });
  const denied = await outrigger("why", trace);
  expect(denied).toMatch(/^\d\. test\/api, listener inbound, route \S+, at /m);
  expect(denied).toContain("a rule of the filter deny does not let GET through");
  expect(denied).toMatch(new RegExp(`asked for by .*pair\\.yaml:${lineOf("deny:")}:`));
  const hops = JSON.parse(await outrigger("why", flaky, "-o", "json")).hops;
  expect(hops.map((hop: { app: string; listener: string }) => `${hop.app} ${hop.listener}`)).toEqual([
    "test/front inbound",
    "test/front call:api",
    "test/api inbound",
  ]);
  const unknown = await place.outrigger("why", "nobody");
  expect([unknown.status, unknown.stdout.includes("2 sidecars were asked")]).toEqual([1, true]);
  expect(await outrigger("why")).toMatch(/test\/api +inbound +GET \/closed\/door +403 +denied +/);
});

test("tap --malformed names the header of a malformed request", async () => {
  const { port, hostname } = new URL(front);
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write("GET /odd HTTP/1.1\r\nHost: front\r\nbad name: x\r\n\r\n");
    });
    socket.once("data", (bytes) => {
      socket.destroy();
      resolve(String(bytes));
    });
    socket.once("error", reject);
  });
  expect(answer).toStartWith("HTTP/1.1 400 ");
  const seen = await outrigger("tap", "front", "--malformed", "--limit", "1");
  expect(seen).toMatch(/request header bad at inbound: bad-header-name, refused: /);
});

test("top and clusters count what passes; the log level changes what is written", async () => {
  const load = { ended: false, count: 0 };
  const loading = (async () => {
    for (; !load.ended; load.count += 1) await (await fetch(`${front}/call/x`)).text();
  })();
  const top = await outrigger("top", "front", "--once", "--interval", "500ms");
  load.ended = true;
  await loading;
  expect(top).toMatch(/^test\/front +route +inbound \/\* +[1-9]\S*\/s +0\.0%/m);
  const clusters = JSON.parse(await outrigger("clusters", "front", "-o", "json"));
  const api = clusters.find(({ name }: { name: string }) => name === "api");
  expect(api).toMatchObject({ app: "test/front", breaker: "closed" });
  expect(api.endpoints[0]).toMatchObject({ state: "healthy", why: null });
  expect(api.endpoints[0].triesTotal).toBeGreaterThanOrEqual(load.count);
  await outrigger("log-level", "front", "debug");
  await (await fetch(`${front}/call/loud`)).text();
  const logged = await until("a try in the log", async () => {
    const logs = await outrigger("logs", "front");
    return logs.includes('"debug":"try"') ? logs : null;
  });
  expect(logged).toContain('"path":"/call/loud"');
  expect(await outrigger("log-level", "info")).toMatch(/test\/api +info/);
});
