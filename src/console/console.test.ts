import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { HttpClient } from "../http/client.ts";
import { Console } from "./console.ts";
import type { ConsoleView } from "./view.ts";

async function ask(path: string, method = "GET", host = "localhost:4000") {
  const world = createSimulatedWorld({ seed: 1 });
  let asked = 0;
  const page = new Console(world, { host: "127.0.0.1", port: 4000 }, {
    title: "shop",
    apps: async () => {
      asked++;
      return [{ workload: "shop/api", url: "http://localhost:9000/", processes: [], stats: null }];
    },
  });
  page.start();
  await world.clock.advance(3000);
  const client = new HttpClient(world);
  const answer = client.request({
    method,
    address: { host: "127.0.0.1", port: 4000 },
    path,
    host,
    timeoutMs: 1000,
  });
  await world.clock.advance(500);
  const { status, headers, body } = await answer;
  page.stop();
  client.close();
  return { status, headers, text: Buffer.from(body).toString(), asked };
}

test("serves its page and its scripts, which load nothing from elsewhere", async () => {
  const page = await ask("/");
  expect(page.status).toBe(200);
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  const sources = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
  expect(sources.length).toBeGreaterThan(3);
  for (const source of sources.filter((one) => one.startsWith("/"))) {
    expect((await ask(source)).status).toBe(200);
  }
  expect(sources.filter((one) => !one.startsWith("/"))).toEqual(["data:,"]);
});

test("samples every second and answers its view from a time on", async () => {
  const { text, asked } = await ask("/api/view?since=0");
  const view = JSON.parse(text) as ConsoleView;
  expect(asked).toBe(4);
  expect(view.title).toBe("shop");
  expect(view.samples.length).toBe(4);
  expect(view.apps[0]).toMatchObject({ workload: "shop/api", url: "http://localhost:9000/" });
  const later = JSON.parse((await ask(`/api/view?since=${view.samples[2]!.timeMs}`)).text);
  expect(later.samples.length).toBe(1);
});

test("refuses other methods, other paths and other sites' names", async () => {
  expect((await ask("/api/view", "POST")).status).toBe(405);
  expect((await ask("/etc/passwd")).status).toBe(404);
  expect((await ask("/", "GET", "evil.example")).status).toBe(421);
});
