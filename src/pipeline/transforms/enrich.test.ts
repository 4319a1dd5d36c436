import { describe, expect, test } from "bun:test";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { parse } from "../../schema/field.ts";
import { nodeOf } from "../../schema/node.ts";
import {
  append,
  policyOf,
  putFiles,
  startPipeline,
  stopPipeline,
  worldWithLogs,
} from "../testdata/harness.ts";
import { parseLookupTable } from "../parsers/lookup_table.ts";
import { runSteps } from "../testdata/run_step.ts";
import { enrich } from "./enrich.ts";

test("S2-17 fixed fields win over what a line says of itself", async () => {
  const world = worldWithLogs(1);
  append(world, "/logs/app.log", '{"message":"one","app":"another"}\n');
  const steps = [
    { component: "parse", config: { json: {} } },
    { component: "enrich", config: { fields: { app: "api", namespace: "shop" } } },
  ];
  startPipeline(world, policyOf({ steps }));
  await world.clock.advance(3000);
  expect(world.stdio.text()).toBe('{"message":"one","app":"api","namespace":"shop"}\n');
});

describe("tables", () => {
  const table = { file: "users.csv", key: "id", by: "event.user" };

  test("a change of the file is taken over; one that is wrong leaves the table before", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    putFiles(world, { "users.csv": "id,name\n1,Ann\n" });
    const run = runSteps([{ parse: { json: {} } }, { enrich: { table } }], world);
    const ask = async (): Promise<unknown> => {
      await run.world.clock.advance(6000);
      await run.feed('{"user":1}');
      return run.out()[0]!["name"];
    };
    expect(await ask()).toBe("Ann");
    putFiles(world, { "users.csv": "id,name\n1,Anna\n" });
    expect(await ask()).toBe("Anna");
    putFiles(world, { "users.csv": "id,name\n1\n" });
    expect(await ask()).toBe("Anna");
    world.files.remove(`${world.processes.self.folder}/users.csv`);
    expect(await ask()).toBe("Anna");
    putFiles(world, { "users.csv": "name,id\nBob,1\n" });
    expect(await ask()).toBe("Bob");
    expect(run.runner.metrics()).toMatch(/load_failures[^\n]* 1\n/);
    await stopPipeline(world, run.runner);
    expect(world.files.watchers).toBe(0);
    expect(world.clock.pendingTimers).toBe(0);
  });

  test("the event's own fields win; some columns only; a key that is not there", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    putFiles(world, { "users.csv": "id,name,team\n1,Ann,shop\n" });
    const config = { table: { ...table, columns: ["name"], onMissing: "fail" } };
    const run = runSteps([{ parse: { json: {} } }, { enrich: config, onError: "drop" }], world);
    await run.feed('{"user":"1"}', '{"user":1,"name":"own"}', '{"user":2}', "{}");
    expect(run.out()).toEqual([
      { user: "1", name: "Ann" },
      { user: 1, name: "own" },
    ]);
    expect(run.dropped()).toEqual({ "not-in-table": 2 });
  });

  test("a file that is missing or too large: said once, and nothing is added", async () => {
    const world = createSimulatedWorld({ seed: 1 });
    putFiles(world, { "users.csv": `id,name\n1,${"x".repeat(2000)}\n` });
    const by = "event.message";
    const large = runSteps([{ enrich: { table: { ...table, by, maxBytes: "1KiB" } } }], world);
    await large.feed("1");
    expect(large.out()).toEqual([{ message: "1" }]);
    expect(large.runner.metrics()).toMatch(/load_failures[^\n]* 1\n/);
    const missing = runSteps([{ enrich: { table: { ...table, by } } }]);
    await missing.feed("1");
    expect(missing.out()).toEqual([{ message: "1" }]);
    expect(missing.runner.metrics()).toMatch(/load_failures[^\n]* 1\n/);
  });

  test("forms of tables, and what is wrong with one", () => {
    const rows = (text: string, format: "csv" | "json", key: string | null): unknown => {
      const read = parseLookupTable(text, format, key, null);
      return typeof read === "string" ? read : Object.fromEntries(read);
    };
    expect(rows('\uFEFFid,a\r\n1,"x,y"\r\n\r\n', "csv", "id")).toEqual({ "1": { a: "x,y" } });
    expect(rows('[{"id":1,"a":[2]}]', "json", "id")).toEqual({ "1": { a: [2] } });
    expect(rows('{"k":{"a":1}}', "json", null)).toEqual({ k: { a: 1 } });
    expect(rows("", "csv", "id")).toContain("does not name the columns");
    expect(rows("id,a\n1,2,3", "csv", "id")).toContain("line 2 has 3 values");
    expect(rows("a\n1", "csv", "id")).toContain('no text or number as "id"');
    expect(rows("[1]", "json", "id")).toContain("item 1 is no object");
    expect(rows("[]", "json", null)).toContain("needs key");
    expect(rows("{", "json", "id")).toContain("JSON");
    expect(parseLookupTable("id,a\n1,2", "csv", "id", ["b"])).toContain('no column "b"');
  });

  test("nothing to add, or a CSV file without its key, is refused", () => {
    const problem = (config: object): string =>
      parse(enrich.config, nodeOf(config)).problems[0]!.message;
    expect(problem({})).toContain("expected fields, or table");
    expect(problem({ table: { file: "a.csv", by: "event.x" } })).toContain("needs key");
  });
});
