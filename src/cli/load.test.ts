import { expect, test } from "bun:test";
import { HttpServer, textAnswer } from "../http/server.ts";
import { machine, outrigger } from "./testdata/machine.ts";

const ADDRESS = { host: "127.0.0.1", port: 8080 };

test("S2-8 load has a rate, a duration and a report; failures show in its status", async () => {
  const world = machine();
  let count = 0;
  const server = new HttpServer(world, {
    address: ADDRESS,
    handle: async () => {
      count += 1;
      const status = count % 4 === 0 ? 500 : 200;
      await world.clock.sleep(20);
      return textAnswer(status, "x");
    },
  });
  server.start();
  const args = ["http://127.0.0.1:8080/a?b", "--rate", "50", "--duration", "4s", "-o", "json"];
  const { code, out } = await outrigger(world, "load", ...args);
  const report = JSON.parse(out);
  expect(code).toBe(1);
  expect(report.requests).toBe(200);
  expect(report.byStatus).toEqual({ 200: 150, 500: 50 });
  expect(report.successRate).toBe(0.75);
  expect(report.p50Ms).toBeGreaterThan(20);
  expect(report.p99Ms).toBeLessThan(30);
  server.stop();
});

test("a URL that cannot be, and a server that is not there", async () => {
  expect((await outrigger(machine(), "load", "https://a/")).err).toContain("is no URL to send to");
  const { code, out } = await outrigger(
    machine(),
    ...["load", "http://127.0.0.1:1/", "--rate", "10", "--duration", "1s"],
  );
  expect(code).toBe(1);
  expect(out).toContain("no answer  connect: 10");
});
