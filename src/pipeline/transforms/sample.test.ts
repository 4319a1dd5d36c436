import { expect, test } from "bun:test";
import { mixedHash } from "../../base/hash.ts";
import { runSteps } from "../testdata/run_step.ts";

test("a share of the keys, the same ones in every run", async () => {
  const keys = Array.from({ length: 2000 }, (_, i) => `trace-${i}`);
  const kept = async (share: string): Promise<unknown[]> => {
    const run = runSteps([{ sample: { share, key: "event.message" } }]);
    await run.feed(...keys);
    const messages = run.out().map(({ message }) => message);
    expect(run.dropped()["sampled"] ?? 0).toBe(keys.length - messages.length);
    return messages;
  };
  const tenth = await kept("10%");
  expect(tenth.length).toBeGreaterThan(150);
  expect(tenth.length).toBeLessThan(250);
  expect(await kept("10%")).toEqual(tenth);
  // A larger share has all of the smaller one.
  expect(await kept("30%")).toEqual(expect.arrayContaining(tenth));
  expect((await kept("100%")).length).toBe(2000);
});

test("the hash is fixed for ever: processes of different versions choose the same", () => {
  expect([mixedHash(""), mixedHash("trace-1")]).toEqual([0, 3135173848]);
});

test("without a key each event is its own", async () => {
  const run = runSteps([{ sample: { share: "50%" } }]);
  await run.feed(...Array.from({ length: 400 }, () => "same"));
  const { length } = run.out();
  expect(length).toBeGreaterThan(140);
  expect(length).toBeLessThan(260);
});
