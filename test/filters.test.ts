/** Users' filters in the one-file program: the worked examples, hot reload, the watchdog. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeToken } from "../examples/filters/lib/token.ts";
import { scrape } from "./kit/admin.ts";
import { tinyApp } from "./kit/apps.ts";
import { Place, ROOT } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft, stillRunning } from "./kit/processes.ts";

setDefaultTimeout(60_000);

const SECRETS = { NOTES_SECRET: "s3cret", LEDGER_KEY: "k3y" };

const build = new Place();
const binary = build.path("outrigger");
/** Of the test in hand. */
let place: Place;
const places: Place[] = [];

beforeAll(async () => {
  const { status, stderr } = await build.startProgram(["make", "build"], ROOT).ended;
  if (status !== 0) throw new Error(`make build: ${stderr}`);
  copyFileSync(join(ROOT, "dist", "outrigger"), binary);
  chmodSync(binary, 0o755);
});

afterEach(async () => {
  for (const one of places.splice(0)) await one.end();
});

afterAll(async () => {
  await build.end();
  killLeft();
});

/** The examples' files away from the checkout, on ports that are free. */
async function examples(): Promise<{ readonly file: string; readonly url: string }> {
  place = new Place([binary], SECRETS);
  places.push(place);
  cpSync(join(ROOT, "examples", "filters"), place.path("filters"), { recursive: true });
  const file = place.path("filters/app.yaml");
  let text = readFileSync(file, "utf8");
  let url = "";
  for (const port of ["18070", "18071", "8070", "8071"]) {
    const free = await freePort();
    text = text.replaceAll(new RegExp(`\\b${port}\\b`, "g"), String(free));
    if (port === "8070") url = `http://127.0.0.1:${free}`;
  }
  writeFileSync(file, text);
  return { file, url };
}

const tokenOf = (user: string, inMs = 60_000): string =>
  makeToken(user, Date.now() + inMs, SECRETS.NOTES_SECRET);

function send(url: string, headers: Record<string, string>, body = '{"text":"hello"}') {
  return fetch(`${url}/notes`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
}

test("the worked examples: a token is asked for, JSON is rewritten both ways, calls are signed", async () => {
  const { file, url } = await examples();
  const checked = await place.outrigger("check", file);
  expect([checked.status, checked.stdout]).toEqual([0, "ok: 2 Apps\n"]);
  await place.up(file);
  // Custom auth.
  expect(await (await fetch(`${url}/healthz`)).text()).toBe("ok\n");
  for (const bad of ["", "Bearer x", `Bearer ${tokenOf("mary", -1)}`, `Bearer ${tokenOf("mary")}0`]) {
    const refused = await send(url, bad === "" ? {} : { authorization: bad, "x-user": "root" });
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  }
  // Rewritten on the way in and out, and what the app then sent to the ledger was signed.
  const body = JSON.stringify({ fullName: "Mary Ann Evans", text: "Middlemarch" });
  const answer = await send(url, { authorization: `Bearer ${tokenOf("mary")}` }, body);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("cache-control")).toBe("private");
  expect(await answer.json()).toEqual({
    fullName: "Mary Ann Evans",
    user: "mary",
    ledger: "kept 34 bytes",
  });
  const wrong = await send(url, { authorization: `Bearer ${tokenOf("mary")}` }, "{");
  expect([wrong.status, await wrong.text()]).toEqual([400, "this is no JSON\n"]);
  const huge = await send(url, { authorization: `Bearer ${tokenOf("mary")}` }, "x".repeat(1_100_000));
  expect(huge.status).toBe(413);
  const metrics = await scrape(place, "filters/notes");
  for (const name of ["custom-auth", "rewrite-json-body", "sign-request"]) {
    expect(metrics).toMatch(
      new RegExp(`outrigger_filter_busy_seconds_total\\{filter="${name}"\\} [0-9.e-]+`),
    );
  }
});

test("a changed file is in force without a restart; one that is broken is not", async () => {
  const { file, url } = await examples();
  await place.up(file);
  const own = place.path("filters/custom_auth.ts");
  const before = readFileSync(own, "utf8");
  const pid = await place.pidOf("filters/notes/sidecar");
  writeFileSync(own, before.replace("a token is needed", "who are you?"));
  await untilTrue("the new text", async () => {
    return (await (await send(url, {})).text()).includes("who are you?");
  });
  const token = place.path("filters/lib/token.ts");
  writeFileSync(token, readFileSync(token, "utf8").replace("nowMs < Number(expires)", "true"));
  await untilTrue("a file that it imports has changed too", async () => {
    return (await send(url, { authorization: `Bearer ${tokenOf("mary", -60_000)}` })).ok;
  });
  writeFileSync(own, "export default {");
  await untilTrue("the refusal is told", async () => {
    const metrics = await scrape(place, "filters/notes");
    return /outrigger_filter_loads_total\{filter="custom-auth",result="refused"\} [1-9]/.test(metrics);
  });
  expect(await (await send(url, {})).text()).toContain("who are you?");
  expect(await place.pidOf("filters/notes/sidecar")).toBe(pid);
  const refused = await place.outrigger("check", file);
  expect(refused.status).toBe(1);
  expect(refused.stdout).toMatch(/custom_auth\.ts:1:\d+: filter custom-auth: /);
});

/** A filter that does what its config says. */
const NAUGHTY = `import { naught } from "./naught.ts";
export default {
  async onRequest(request) {
    if (request.path === "/loop") for (;;) {}
    if (request.path === "/late-loop") { await 0; for (;;) {} }
    if (request.path === "/forgotten") void Promise.reject(new Error("forgotten"));
    if (request.path === "/timer") setTimeout(() => { throw new Error("in a timer"); }, 1);
    request.headers.set("x-naught", naught);
  },
};
`;

async function naughty(more: readonly string[] = []): Promise<string> {
  place = new Place([binary]);
  places.push(place);
  place.write("naughty.ts", NAUGHTY);
  place.write("naught.ts", 'export const naught: string = "0";\n');
  const [port, own] = [await freePort(), await freePort()];
  const lines = ["filters: [naughty.ts]", ...more];
  const file = place.write("app.yaml", tinyApp({ name: "one", port, own, more: lines }));
  await place.up(file);
  return `http://127.0.0.1:${port}`;
}

test("an endless loop ends the sidecar by the watchdog, which names the filter; it comes back", async () => {
  const url = await naughty(["sidecar: { filterWatchdog: 1s }"]);
  expect(await (await fetch(url)).text()).toBe("one\n");
  for (const path of ["/loop", "/late-loop"]) {
    const before = await place.pidOf("test/one/sidecar");
    await fetch(`${url}${path}`).catch(() => {});
    await until(`the sidecar is back after ${path}`, async () => {
      const now = await place.process("test/one/sidecar");
      return now.state === "ready" && now.pid !== before ? now : null;
    });
    expect(await (await fetch(url)).text()).toBe("one\n");
  }
  const { stdout } = await place.outrigger("logs");
  expect(stdout).toContain("the event loop has stood still for 1 s, in the filter naughty (");
  expect(stdout).toContain("perhaps behind an await of the filter naughty (");
});

test("an error that no hook was there to catch ends no request and no sidecar", async () => {
  const url = await naughty();
  const pid = await place.pidOf("test/one/sidecar");
  for (const path of ["/forgotten", "/timer"]) {
    expect(await (await fetch(`${url}${path}`)).text()).toBe("one\n");
  }
  await untilTrue("both are counted", async () => {
    const metrics = await scrape(place, "test/one");
    return /outrigger_filter_errors_total\{filter="naughty",reason="uncaught"\} 2/.test(metrics);
  });
  expect(await place.pidOf("test/one/sidecar")).toBe(pid);
});

test("several workers: each loads the code, and one in an endless loop is replaced", async () => {
  const url = await naughty(["sidecar: { workers: 2, filterWatchdog: 2s }"]);
  const pid = await place.pidOf("test/one/sidecar");
  await fetch(`${url}/loop`, { signal: AbortSignal.timeout(1_000) }).catch(() => {});
  await untilTrue("the worker's end is told", async () => {
    const { stdout } = await place.outrigger("logs");
    return /it stood still for 2 s, in the filter naughty \(.*another starts at once/.test(stdout);
  });
  await untilTrue("all is well", async () => (await fetch(url)).ok);
  expect(await place.pidOf("test/one/sidecar")).toBe(pid);
});

test("nothing that these tests started is left", async () => {
  expect(await stillRunning()).toEqual([]);
});
