import { expect, test } from "bun:test";
import { outrigger } from "./testdata/machine.ts";
import { runningPipeline } from "./testdata/running_pipeline.ts";

const FILE = "/home/app/.outrigger/pipelines/default.orders/dead-letters.jsonl";

test("dead letters are listed, edited, sent again and dropped, while the pipeline runs", async () => {
  const { world, append, settle, stop } = await runningPipeline();
  append("odd\nother\nthird\n");
  await settle();
  const letters = async () => {
    const { out } = await outrigger(world, "pipeline", "dead-letters", "list", "-o", "json");
    return JSON.parse(out) as { id: string; reason: string; event: object }[];
  };
  const [first, second] = await letters();
  expect(first).toMatchObject({ reason: "not-json", event: { message: "odd" } });
  const run = (...args: string[]) => outrigger(world, "pipeline", "dead-letters", ...args);
  const edited = await run("edit", first!.id, "--event", '{"message":"{\\"n\\":1}"}');
  expect([edited.code, edited.out]).toEqual([0, "1 dead letters changed\n"]);
  const again = (await letters())[0]!;
  // It goes through the steps again, and out on the same standard output.
  const sent = (await run("replay", again.id)).out.trim().split("\n").sort();
  expect(sent).toEqual(["1 dead letters sent again", '{"n":1}']);
  await settle();
  expect((await run("show", second!.id, "-o", "json")).out).toContain('"other"');
  expect((await run("drop", second!.id.slice(0, 6))).code).toBe(0);
  expect((await letters()).map(({ event }) => event)).toEqual([{ message: "third" }]);
  expect(world.files.stat(FILE)!.mode & 0o777).toBe(0o600);
  const unknown = await run("drop", "ffff");
  expect([unknown.code, unknown.err.includes("0 of 1")]).toEqual([3, true]);
  expect((await run("drop")).code).toBe(2);
  const ledger = await outrigger(world, "pipeline", "ledger", "-o", "json");
  expect(JSON.parse(ledger.out)["default.orders"].sources["dead-letters"]).toMatchObject({
    received: 1,
    delivered: 1,
  });
  await stop();
  // Nothing runs: the files themselves are worked on.
  expect((await run("replay", "--all")).out).toContain("they go when the pipeline starts");
  expect(world.files.readText(FILE)).toBe("");
});
