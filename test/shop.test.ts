/**
 * The demo from end to end: the shop's own files on their own ports, a real browser, a real
 * Prometheus. The tests follow the stages, so they run in this order and in one file.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { parsePrometheusText, sumOfSamples } from "../src/codec/prometheus_text.ts";
import type { LoadReport } from "../src/operate/load.ts";
import { listenerPort, scrape } from "./kit/admin.ts";
import { openBrowser, realPart } from "./kit/browser.ts";
import { type Ended, Place, ROOT, type Started } from "./kit/outrigger.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { isFree } from "./kit/ports.ts";
import { carriers, commandLine, killLeft, leftProcesses, stillRunning } from "./kit/processes.ts";

const SHOP = join(ROOT, "examples", "shop");
const FRONTEND = "http://127.0.0.1:8080";
/** The API itself, past its sidecar: what it is asked about itself must not count as traffic. */
const API = "http://127.0.0.1:19000";
const API_WITHOUT_SIDECAR = "http://127.0.0.1:9000";
const SEARCH = "http://127.0.0.1:9200";
const PROMETHEUS = "http://127.0.0.1:9090";
const PORTS = [8080, 18080, 9000, 19000, 9200, 9090];

const place = new Place();
let browser: Browser;
const filesBefore = shopFiles();
const commandsInitially = new Map<string, string>();

setDefaultTimeout(60_000);

beforeAll(async () => {
  const taken: number[] = [];
  for (const port of PORTS) if (!(await isFree(port))) taken.push(port);
  if (taken.length > 0) {
    throw new Error(`the demo's ports ${taken} are in use; make reset_demo stops a demo`);
  }
  await make("reset_demo");
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await make("reset_demo");
  await place.end();
  killLeft();
});

/** Hash of every file of the shop that the demo does not write itself. */
function shopFiles(): Record<string, string> {
  const files: Record<string, string> = {};
  for (const entry of readdirSync(SHOP, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || path.includes("/logs/")) continue;
    files[path] = new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
  }
  return files;
}

/** As somebody types it, but with the test's own state folder. */
async function make(...words: string[]): Promise<Ended> {
  const ended = await place.startProgram(["make", "--no-print-directory", ...words], ROOT).ended;
  if (ended.status !== 0) {
    throw new Error(`make ${words.join(" ")}: ${ended.stdout}${ended.stderr}`);
  }
  return ended;
}

async function load(rate: number, duration: string): Promise<LoadReport> {
  const flags = ["--rate", String(rate), "--duration", duration, "-o", "json"];
  const { stdout, stderr } = await place.outrigger("load", `${FRONTEND}/`, ...flags);
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as LoadReport;
}

async function json<T>(url: string, init?: RequestInit): Promise<T> {
  const answer = await fetch(url, init);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

const setMode = (to: string) => json(`${API}/admin/mode?to=${to}`, { method: "POST" });
const resetTries = (api = API) => json(`${api}/admin/count`, { method: "POST" });
const tries = (api = API) => json<{ items: number; failed: number }>(`${api}/admin/count`);

async function metricsOf(app: string) {
  return parsePrometheusText(await scrape(place, `shop/${app}`));
}

async function appCommand(app: string): Promise<string> {
  return commandLine(await place.pidOf(`shop/${app}`));
}

// ---------------------------------------------------------------- the shop as it is

test("S2-9 each stage starts on its own", async () => {
  for (const stage of ["v3", "v2", "v1"]) {
    await make(stage);
    const answer = await fetch(`${FRONTEND}/healthz`);
    expect([stage, answer.status]).toEqual([stage, 200]);
    await make("reset_demo");
  }
});

test("S2-11 the fresh shop in a browser: a page, and failures by refreshing", async () => {
  await make("initial");
  for (const app of ["frontend", "api"]) commandsInitially.set(app, await appCommand(app));
  const page = await browser.newPage();
  const seen = { served: 0, failed: 0 };
  for (let view = 0; view < 30; view += 1) {
    const answer = await page.goto(`${FRONTEND}/`);
    if (answer?.status() === 200) {
      expect(await page.textContent("h1")).toBe("The shop");
      expect(await page.locator("#items li").count()).toBe(5);
      seen.served += 1;
    } else {
      expect(answer?.status()).toBe(500);
      expect(await page.textContent(".error")).toContain("the API answered 500");
      seen.failed += 1;
    }
  }
  await page.close();
  expect(seen.failed).toBeGreaterThan(3);
  expect(seen.served).toBeGreaterThan(15);
});

test("S2-8 load with rate and duration; its report counts what the API counted", async () => {
  await resetTries(API_WITHOUT_SIDECAR);
  const report = await load(50, "2s");
  // 50 a second for 2 s; a machine that stands still at the end sends a few less.
  expect(report.requests).toBeGreaterThan(70);
  expect(report.requests).toBeLessThanOrEqual(101);
  const count = await tries(API_WITHOUT_SIDECAR);
  expect(count.items).toBe(report.requests);
  expect(report.byStatus).toEqual({ 200: report.requests - count.failed, 500: count.failed });
  expect(report.failures).toEqual({});
  expect(report.successRate).toBeCloseTo(1 - count.failed / report.requests, 6);
  expect(report.p50Ms!).toBeLessThanOrEqual(report.p99Ms!);
  const { stdout } = await make("create_load", "RATE=20", "DURATION=500ms");
  for (const line of ["requests ", "success ", "answers ", "no answer ", "latency "]) {
    expect(stdout).toContain(line);
  }
});

// ---------------------------------------------------------------- stage 1: seen

describe("stage v1", () => {
  test("S2-9 it starts in place of the one before", async () => {
    await make("v1");
    const roles = (await place.status()).processes.map(({ id, state }) => `${id} ${state}`);
    expect(roles.sort()).toEqual([
      "shop/api ready",
      "shop/api/sidecar ready",
      "shop/frontend ready",
      "shop/frontend/sidecar ready",
    ]);
  });

  test("S2-12 the scrape is a valid exposition, and its counts equal the load", async () => {
    await resetTries();
    const report = await load(100, "2s");
    const count = await tries();
    const frontend = await metricsOf("frontend");
    const api = await metricsOf("api");
    expect(frontend.problems).toEqual([]);
    expect(api.problems).toEqual([]);
    const inbound = { listener: "inbound", direction: "inbound" };
    for (const [code, sent] of Object.entries(report.byStatus)) {
      const labels = { ...inbound, code };
      const counted = sumOfSamples(frontend, "outrigger_requests_total", labels);
      expect([code, counted]).toEqual([code, sent]);
    }
    const total = (metrics: typeof api, labels: Record<string, string>) =>
      sumOfSamples(metrics, "outrigger_requests_total", labels);
    expect(total(frontend, inbound)).toBe(report.requests);
    expect(total(frontend, { direction: "outbound" })).toBe(report.requests);
    expect(total(api, inbound)).toBe(report.requests);
    expect(total(api, { ...inbound, code: "500" })).toBe(count.failed);
    const timed = "outrigger_request_duration_seconds_count";
    expect(sumOfSamples(frontend, timed, inbound)).toBe(report.requests);
  });

  test("S2-12 promtool accepts the scrape of both sidecars", async () => {
    const promtool = await realPart("promtool");
    for (const app of ["frontend", "api"]) {
      const stdin = Buffer.from(await scrape(place, `shop/${app}`));
      const done = Bun.spawnSync([promtool, "check", "metrics"], { stdin });
      const said = `${done.stdout.toString()}${done.stderr.toString()}`;
      expect([app, done.exitCode, said]).toEqual([app, 0, ""]);
    }
  });

  test("S2-5 a real Prometheus takes the rules, scrapes and records a value", async () => {
    const { stdout } = await make("apply_prometheus_rules");
    expect(stdout).toMatch(/^[1-9]\d* rules, checked and tested by promtool: /);
    const server: Started = place.startProgram(["make", "forward_prometheus"], ROOT);
    try {
      await untilTrue("Prometheus", async () => (await fetch(`${PROMETHEUS}/-/ready`)).ok);
      const value = (query: string) => prometheusValue(query);
      await untilTrue("both targets up", async () => (await value("sum(up)")) === 2);
      await load(50, "1s");
      const ratio = "app:outrigger_request_errors:ratio_rate1m";
      const recorded = await until(
        "a recorded error ratio of the frontend",
        async () => {
          // Two scrapes with requests between them make a rate.
          await load(20, "500ms");
          const now = await value(`${ratio}{namespace="shop",app="frontend"}`);
          return now !== null && now > 0 ? now : null;
        },
        40_000,
      );
      expect(recorded).toBeLessThan(1);
      const rules = await json<RulesAnswer>(`${PROMETHEUS}/api/v1/rules`);
      const all = rules.data.groups.flatMap((group) => group.rules);
      expect(all.filter(({ health }) => health === "err")).toEqual([]);
      expect(new Set(all.map(({ type }) => type))).toEqual(new Set(["recording", "alerting"]));
    } finally {
      await stopMake(server, "prometheus");
    }
  });
});

interface RulesAnswer {
  readonly data: {
    readonly groups: readonly {
      readonly rules: readonly { readonly type: string; readonly health: string }[];
    }[];
  };
}

/** Null where there is no such series. */
async function prometheusValue(query: string): Promise<number | null> {
  const url = `${PROMETHEUS}/api/v1/query?query=${encodeURIComponent(query)}`;
  const { data } = await json<{ data: { result: { value: [number, string] }[] } }>(url);
  const value = data.result[0]?.value[1];
  return value === undefined ? null : Number(value);
}

/** Ctrl-C reaches make and what it runs; a signal to make alone would not. */
async function stopMake(started: Started, tool: string): Promise<void> {
  const tools = leftProcesses().filter(({ command }) => command.includes(`tools/${tool}.ts`));
  for (const { pid } of tools) process.kill(pid, "SIGINT");
  started.kill("SIGINT");
  await started.ended;
}

// ---------------------------------------------------------------- stage 2: events

test("S2-17 the API's odd log comes out as JSON lines and as documents, once", async () => {
  await make("v2");
  await load(50, "1s");
  const file = join(SHOP, "api", "logs", "events.log");
  const lines = () => readFileSync(file, "utf8").trim().split("\n");
  const stored = () => json<{ count: number }>(`${SEARCH}/logs-api/_count`);
  await untilTrue("a document for each line", async () => {
    return (await stored()).count === lines().length;
  });
  const { hits } = await json<SearchAnswer>(`${SEARCH}/logs-api/_search?size=10000`);
  const odd = /^(\S+) (\S+) \[(\w+)\] (\w+) (.*)$/;
  const expected = lines().map((line) => {
    const [, day, time, level, event, rest] = odd.exec(line)!;
    return { time: `${day}T${time}Z`, level: level!, event: event!, rest: rest! };
  });
  const parsed = (one: Record<string, unknown>) => ({
    time: new Date(String(one["@timestamp"] ?? one["time"])).toISOString(),
    level: String(one["level"]),
    event: String(one["event"]),
    rest: String(one["rest"]),
  });
  const sorted = (all: readonly ReturnType<typeof parsed>[]) =>
    all.map((one) => JSON.stringify(one)).sort();
  expect(sorted(hits.hits.map(({ _source }) => parsed(_source)))).toEqual(sorted(expected));
  const printed = await place.outrigger("logs", "api", "-o", "json", "--lines", "100000");
  const events = printed.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { label: string; text: string })
    .filter(({ label, text }) => label === "api~" && text.startsWith("{"))
    .map(({ text }) => JSON.parse(text) as Record<string, unknown>)
    .filter((one) => "rest" in one);
  expect(sorted(events.map(parsed))).toEqual(sorted(expected));
  expect(new Set(expected.map(({ level }) => level))).toEqual(new Set(["info", "error"]));
  const errors = await json<SearchAnswer>(`${SEARCH}/logs-api/_search?q=level:error`);
  expect(errors.hits.total.value).toBe(expected.filter(({ level }) => level === "error").length);
});

interface SearchAnswer {
  readonly hits: {
    readonly total: { readonly value: number };
    readonly hits: readonly { readonly _source: Record<string, unknown> }[];
  };
}

// ---------------------------------------------------------------- stage 3: protected

describe("stage v3", () => {
  const CANNED = { items: [], degraded: true };
  const breaker = async () => {
    const { stats } = await place.process("shop/frontend/sidecar");
    return stats?.clusters.find(({ kind }) => kind === "call")?.breaker ?? null;
  };
  const counter = async (name: string, labels: Record<string, string> = {}) =>
    sumOfSamples(await metricsOf("frontend"), name, labels);

  test("S2-9 it starts, and with the ill API no view fails", async () => {
    await make("v3");
    const report = await load(50, "2s");
    expect(report.byStatus).toEqual({ 200: report.requests });
    expect(report.failures).toEqual({});
  });

  test("S2-18 with the API down its breaker opens under load, as metric and as event", async () => {
    await setMode("down");
    const opened = "outrigger_breaker_transitions_total";
    const before = await counter(opened, { to: "open" });
    await until("an open breaker", async () => {
      const report = await load(50, "1s");
      expect(report.byStatus).toEqual({ 200: report.requests });
      return (await counter(opened, { to: "open" })) > before ? true : null;
    });
    const { stats } = await place.process("shop/frontend/sidecar");
    expect(stats?.events.some(({ kind }) => kind === "breaker-opened")).toBe(true);
  });

  test("S2-19 while it is open the frontend gets the canned status, headers and body", async () => {
    await untilTrue("an open breaker", async () => {
      await fetch(`${FRONTEND}/`).then((one) => one.text());
      return (await breaker()) === "open";
    });
    const port = await listenerPort(place, "shop/frontend", "call:api");
    const canned = await fetch(`http://127.0.0.1:${port}/items`);
    expect(canned.status).toBe(200);
    expect(canned.headers.get("content-type")).toBe("application/json");
    expect(await canned.json()).toEqual(CANNED);
    expect(await json<unknown>(`${FRONTEND}/api/items`)).toEqual(CANNED);
    const page = await browser.newPage();
    expect((await page.goto(`${FRONTEND}/`))?.status()).toBe(200);
    expect(await page.textContent(".degraded")).toContain("short break");
    await page.close();
  });

  test("S2-20 while it is down the tries at the API fall to the probes", async () => {
    await untilTrue("an open breaker", async () => {
      await fetch(`${FRONTEND}/`).then((one) => one.text());
      return (await breaker()) === "open";
    });
    const halfOpened = () => counter("outrigger_breaker_transitions_total", { to: "half-open" });
    const tried = () => counter("outrigger_upstream_tries_total", { cluster: "api" });
    const [halvesBefore, triedBefore] = [await halfOpened(), await tried()];
    await resetTries();
    const report = await load(60, "6s");
    const [halves, sent] = [(await halfOpened()) - halvesBefore, (await tried()) - triedBefore];
    expect(report.byStatus).toEqual({ 200: report.requests });
    const { items } = await tries();
    // It opens for 5 s, so in 6 s of load it probed once at least, 3 tries each time.
    expect(halves).toBeGreaterThan(0);
    expect(items).toBe(sent);
    expect(items).toBeGreaterThan(0);
    expect(items).toBeLessThanOrEqual(halves * 3);
    expect(report.requests).toBeGreaterThan(200);
  });

  test("S2-18 once the API is healed: half-open, closed, and the real items are back", async () => {
    await setMode("healed");
    await untilTrue("a closed breaker", async () => {
      await fetch(`${FRONTEND}/`).then((one) => one.text());
      return (await breaker()) === "closed";
    });
    const { stats } = await place.process("shop/frontend/sidecar");
    const kinds = (stats?.events ?? []).map(({ kind }) => kind);
    const order = kinds.filter((kind) => kind.startsWith("breaker-")).slice(-2);
    expect(order).toEqual(["breaker-half-open", "breaker-closed"]);
    expect(await counter("outrigger_breaker_state", { cluster: "api" })).toBe(0);
    const items = await json<{ items: unknown[] }>(`${FRONTEND}/api/items`);
    expect(items.items.length).toBe(5);
    const report = await load(50, "1s");
    expect(report.byStatus).toEqual({ 200: report.requests });
  });

  test("S2-1 the untouched apps have gained metrics, logs and a breaker", async () => {
    expect(shopFiles()).toEqual(filesBefore);
    for (const app of ["frontend", "api"]) {
      expect(await appCommand(app)).toBe(commandsInitially.get(app)!);
      expect((await metricsOf(app)).families.length).toBeGreaterThan(5);
    }
    expect(await breaker()).toBe("closed");
    expect((await json<{ count: number }>(`${SEARCH}/logs-api/_count`)).count).toBeGreaterThan(0);
    await fetch(`${FRONTEND}/`, { headers: { "x-request-id": "a-visitor-of-the-test" } });
    const file = join(SHOP, "api", "logs", "events.log");
    // The id went through frontend and API, neither of which made it.
    await untilTrue("its id in the API's log", () => {
      return readFileSync(file, "utf8").includes("request=a-visitor-of-the-test");
    });
  });

  test("the console shows each app and draws its four charts, without an error", async () => {
    const { console: url } = await place.status();
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    await page.goto(url!);
    await page.waitForSelector("#apps tbody tr:nth-child(3)");
    const rows = await page.locator("#apps tbody tr").allTextContents();
    const names = await page.locator("#apps tbody td:first-child").allTextContents();
    expect(names.sort()).toEqual([
      "shop/api",
      "shop/elasticsearch",
      "shop/frontend",
    ]);
    expect(rows.find((row) => row.startsWith("shop/frontend"))).toContain("api closed");
    await load(50, "1s");
    await untilTrue("four charts with lines", async () => {
      const drawn = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLCanvasElement>(".charts canvas")].map((canvas) => {
          const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
          const colours = new Set<number>();
          for (let at = 0; at < data.length; at += 4) {
            // Grey is grid and text; a line has a colour.
            const [red, green, blue, alpha] = data.slice(at, at + 4) as unknown as number[];
            const spread = Math.max(red!, green!, blue!) - Math.min(red!, green!, blue!);
            if (alpha! > 200 && spread > 60) {
              colours.add((red! << 16) | (green! << 8) | blue!);
            }
          }
          return colours.size;
        }),
      );
      return drawn.length === 4 && drawn.every((colours) => colours > 0);
    });
    expect(await page.textContent("#connection")).toBe("live");
    expect(errors).toEqual([]);
    await page.close();
  });
});

// ---------------------------------------------------------------- the files, and the end

test("S2-9 diff between stages names only the improvement of the later one", async () => {
  const diff = async (from: string, to: string): Promise<string[]> => {
    const files = [join(SHOP, `${from}.yaml`), join(SHOP, `${to}.yaml`)];
    const { status, stdout } = await place.outrigger("diff", ...files);
    expect(status).toBe(from === to ? 0 : 1);
    const change = /^ +[+~-] (.+? (?:added|changed|removed)): /;
    return stdout.split("\n").flatMap((line) => change.exec(line)?.[1] ?? []);
  };
  expect(await diff("v1", "v1")).toEqual([]);
  expect(await diff("initial", "v1")).toEqual([
    "listener inbound added",
    "listener inbound added",
    "listener call:api added",
  ]);
  expect(await diff("v1", "v2")).toEqual(["log adapter events added"]);
  expect(await diff("v2", "v3")).toEqual([
    "timeout of calls to api added",
    "retry of calls to api added",
    "fallback of calls to api added",
    "limits of calls to api changed",
    "breaker of calls to api added",
  ]);
});

test("S2-3 make help lists each target with one line, and each one is a target", async () => {
  const { stdout } = await make("help");
  const listed = stdout.trim().split("\n").map((line) => /^(\S+) +\S.*$/.exec(line)?.[1]);
  const wanted = (
    "demo test test-fast check fuzz sim bench build initial v1 v2 v3 create_load reset_demo " +
    "apply_prometheus_rules forward_prometheus open_dashboard"
  ).split(" ");
  expect(listed).toEqual(expect.arrayContaining(wanted));
  for (const target of listed) await make("--dry-run", target!);
});

test("S2-10 reset_demo leaves no process, no port and no file", async () => {
  const set = join(place.home, "shop");
  expect(carriers("OUTRIGGER_SET", set).length).toBe(6);
  expect(existsSync(join(SHOP, "api", "logs"))).toBe(true);
  await make("reset_demo");
  expect(carriers("OUTRIGGER_SET", set)).toEqual([]);
  for (const port of PORTS) expect([port, await isFree(port)]).toEqual([port, true]);
  expect(existsSync(set)).toBe(false);
  expect(existsSync(join(SHOP, "api", "logs"))).toBe(false);
  expect(shopFiles()).toEqual(filesBefore);
  // Twice is as good as once.
  await make("reset_demo");
});

test("nothing that these tests started is left", async () => {
  await browser.close();
  expect(await stillRunning()).toEqual([]);
});
