import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { createPost, resolveHost } from "./post.ts";
import { HttpServer, textAnswer } from "./server.ts";

test("a post reaches its URL, by address or by name", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const server = new HttpServer(world, {
    address: { host: "127.0.0.1", port: 9200 },
    handle: ({ method, path, query, headers, body }) => {
      const text = `${query.get("a")} ${headers.get("host")} ${Buffer.from(body)}`;
      return textAnswer(201, `${method} ${path} ${text}`);
    },
  });
  server.start();
  const post = createPost(world);
  for (const host of ["127.0.0.1", "localhost"]) {
    let text = "";
    void post(`http://${host}:9200/_bulk?a=1`, {}, Buffer.from("x")).then(({ status, body }) => {
      text = `${status} ${body}`;
    });
    await world.clock.until(() => text !== "", 10_000);
    expect(text).toBe(`201 POST /_bulk 1 ${host}:9200 x\n`);
  }
  server.stop();
});

test("a name without an address says so; addresses are never asked for", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  let problem = "";
  resolveHost(world, "nowhere.example").catch((error: Error) => (problem = error.message));
  await world.clock.until(() => problem !== "", 60_000);
  expect(problem).toStartWith("nowhere.example: ");
  expect(await resolveHost(world, "[::1]")).toBe("::1");
  expect(await resolveHost(world, "10.0.0.1")).toBe("10.0.0.1");
});
