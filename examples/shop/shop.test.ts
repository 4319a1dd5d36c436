import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

const folder = mkdtempSync(join(tmpdir(), "shop-"));
const children: Bun.Subprocess[] = [];
const url = { api: "", frontend: "", search: "" };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a program and waits for the line by which it says that it listens. */
async function start(file: string, env: Record<string, string> = {}): Promise<string> {
  const port = await freePort();
  const child = Bun.spawn(["node", join(import.meta.dir, file)], {
    cwd: folder,
    env: { ...process.env, ...env, PORT: String(port) },
    stdout: "pipe",
  });
  children.push(child);
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toContain(`http://127.0.0.1:${port}`);
  return `http://127.0.0.1:${port}`;
}

beforeAll(async () => {
  url.api = await start("api/api.js");
  url.frontend = await start("frontend/frontend.js", { API_URL: url.api });
  url.search = await start("elasticsearch_stand_in.js");
});

afterAll(async () => {
  for (const child of children) child.kill();
  await Promise.all(children.map((child) => child.exited));
  rmSync(folder, { recursive: true });
});

async function mode(to: string): Promise<void> {
  expect((await fetch(`${url.api}/admin/mode?to=${to}`, { method: "POST" })).status).toBe(200);
}

async function statuses(of: string, times: number): Promise<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (let n = 0; n < times; n++) {
    const answer = await fetch(of);
    await answer.text();
    counts[answer.status] = (counts[answer.status] ?? 0) + 1;
  }
  return counts;
}

describe("the API", () => {
  test("is ill at first: about a third of its answers are 500, always the same ones", async () => {
    await fetch(`${url.api}/admin/count`, { method: "POST" });
    const counts = await statuses(`${url.api}/items`, 300);
    expect(counts).toEqual({ 200: 206, 500: 94 });
    const counted: unknown = await (await fetch(`${url.api}/admin/count`)).json();
    expect(counted).toEqual({ items: 300, failed: 94 });
  });

  test("can be down and healed, and says what it is", async () => {
    await mode("down");
    expect(await statuses(`${url.api}/items`, 20)).toEqual({ 500: 20 });
    await mode("healed");
    expect(await statuses(`${url.api}/items`, 20)).toEqual({ 200: 20 });
    expect(await (await fetch(`${url.api}/admin/mode`)).json()).toEqual({ mode: "healed" });
    const refused = await fetch(`${url.api}/admin/mode?to=tired`, { method: "POST" });
    expect(refused.status).toBe(400);
  });

  test("logs each event in the format that the stage files parse", async () => {
    const stage = readFileSync(join(import.meta.dir, "v2.yaml"), "utf8");
    const app = parseAllDocuments(stage)[1]!.toJS() as { spec: { logs: { parse: string }[] } };
    const pattern = new RegExp(app.spec.logs[0]!.parse);
    const read = () => readFileSync(join(folder, "logs/events.log"), "utf8").trim().split("\n");
    // The API writes its log after it has answered.
    for (let looks = 0; looks < 200 && read().length <= 300; looks++) await Bun.sleep(10);
    const lines = read();
    expect(lines.length).toBeGreaterThan(300);
    expect(lines.filter((line) => !pattern.test(line))).toEqual([]);
    const groups = pattern.exec(lines.find((line) => line.includes("[error]"))!)!.groups!;
    expect(groups).toMatchObject({ level: "error", event: "catalogue_unreadable" });
  });
});

describe("the frontend", () => {
  test("shows the items of a healthy API and hands JSON through", async () => {
    await mode("healed");
    const page = await fetch(`${url.frontend}/`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("Ash paddle");
    const items = (await (await fetch(`${url.frontend}/api/items`)).json()) as { items: unknown[] };
    expect(items.items).toHaveLength(5);
  });

  test("fails with its API, as an app does that nobody hardened", async () => {
    await mode("down");
    const page = await fetch(`${url.frontend}/`);
    expect(page.status).toBe(500);
    expect(await page.text()).toContain("the API answered 500");
    expect((await fetch(`${url.frontend}/healthz`)).status).toBe(200);
    await mode("ill");
  });
});

describe("the stand-in for Elasticsearch", () => {
  const bulk = (body: string) =>
    fetch(`${url.search}/_bulk`, { method: "POST", body }).then((answer) => answer.json());

  test("stores what the bulk API is given, once per id", async () => {
    const actions = [
      { create: { _index: "logs-api", _id: "a" } },
      { level: "error" },
      { create: { _index: "logs-api", _id: "a" } },
      { level: "error" },
      { index: { _index: "logs-api" } },
      { level: "info" },
    ];
    const body = `${actions.map((action) => JSON.stringify(action)).join("\n")}\n`;
    const answer = (await bulk(body)) as { errors: boolean; items: Record<string, unknown>[] };
    expect(answer.errors).toBe(true);
    expect(
      answer.items.map((item) => (Object.values(item)[0] as { status: number }).status),
    ).toEqual([201, 409, 201]);
    expect(await (await fetch(`${url.search}/logs-*/_count`)).json()).toEqual({ count: 2 });
    const found = await (await fetch(`${url.search}/_search?q=level:error`)).json();
    expect(found).toMatchObject({ hits: { total: { value: 1 }, hits: [{ _id: "a" }] } });
  });

  test("refuses what it does not know", async () => {
    expect(await bulk('{"delete":{"_index":"a"}}\n')).toMatchObject({ status: 400 });
    expect((await fetch(`${url.search}/a/_mapping`)).status).toBe(404);
  });
});

test("the stages differ by their improvement alone", () => {
  const stages = ["initial", "v1", "v2", "v3"].map((name) => {
    const documents = parseAllDocuments(
      readFileSync(join(import.meta.dir, `${name}.yaml`), "utf8"),
    );
    expect(documents.flatMap((document) => document.errors)).toEqual([]);
    type Spec = Record<string, unknown>;
    return documents.map((document) => (document.toJS() as { spec: Spec }).spec);
  });
  const [initial, v1, v2, v3] = stages as [(typeof stages)[0], ...typeof stages];
  const without = (spec: Record<string, unknown> | undefined, ...names: string[]) =>
    Object.fromEntries(Object.entries(spec ?? {}).filter(([name]) => !names.includes(name)));
  expect(without(v1![0], "slo")).toEqual(without(initial[0], "sidecar"));
  expect(v1![1]!).toEqual(without(initial[1], "sidecar"));
  expect(v2![0]!).toEqual(v1![0]!);
  expect(without(v2![1], "logs")).toEqual(v1![1]!);
  expect(without(v3![0], "calls")).toEqual(without(v2![0], "calls"));
  expect(v3!.slice(1)).toEqual(v2!.slice(1));
});
