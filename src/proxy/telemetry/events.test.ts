import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { EventLog, eventLine } from "./events.ts";

test("an event is told as a JSON line at once, and the newest 256 are kept", () => {
  const { clock } = createSimulatedWorld({ seed: 1 });
  const lines: string[] = [];
  const events = new EventLog(clock, (event) => lines.push(eventLine(event)));
  for (let count = 0; count < 300; count++) events.add("breaker-opened", "api", `the ${count}th`);
  expect(events.list().length).toBe(256);
  expect(events.list()[0]!.text).toBe("the 44th");
  expect(events.list().at(-1)!.text).toBe("the 299th");
  expect(JSON.parse(lines[0]!)).toEqual({
    time: "2026-01-01T00:00:00.000Z",
    event: "breaker-opened",
    subject: "api",
    text: "the 0th",
  });
});
