import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { parse } from "../../schema/field.ts";
import { nodeOf } from "../../schema/node.ts";
import { passesLuhn, redactCards, redactEmails, redactTokens } from "../parsers/redactors.ts";
import { runSteps } from "../testdata/run_step.ts";
import { redact } from "./redact.ts";

const mask = (): string => "****";

/** A number that passes Luhn's check, from its first digits. */
function cardOf(digits: string): string {
  for (let last = 0; last < 10; last++) if (passesLuhn(digits + last)) return digits + last;
  throw new Error("no check digit");
}

describe("cards", () => {
  test("the numbers that networks publish for tests", () => {
    for (const card of [
      "4111111111111111",
      "4222222222222",
      "5555555555554444",
      "2223003122003222",
      "378282246310005",
      "30569309025904",
      "6011111111111117",
      "3530111333300000",
      "6205500000000000004",
      "4111-1111-1111-1111",
      "3782 822463 10005",
    ]) {
      expect(redactCards(`pay ${card}.`, mask)).toBe("pay ****.");
    }
  });

  test("never leaves a card, whatever is around it", () => {
    const digits = fc
      .tuple(fc.constantFrom(..."23456"), fc.stringMatching(/^[0-9]{11,17}$/))
      .map(([first, rest]) => cardOf(first + rest));
    const grouped = fc
      .tuple(digits, fc.constantFrom("", " ", "-"), fc.integer({ min: 3, max: 6 }))
      .map(([card, separator, size]) =>
        card.match(new RegExp(`.{1,${size}}`, "g"))!.join(separator),
      );
    const around = fc.constantFrom(
      "",
      "a",
      "id=",
      "2026-11-21 ",
      ": ",
      "12 ",
      "x7 ",
      "(",
      '"',
      "9-",
    );
    fc.assert(
      fc.property(around, grouped, around, (before, card, behind) => {
        const text = `${before}${card}${/^[0-9]/.test(behind) ? ` ${behind}` : behind}`;
        fc.pre(!/\d$/.test(before));
        expect(redactCards(text, mask)).not.toContain(card);
      }),
      { numRuns: 2000 },
    );
  });

  test("other numbers stay: too short, too long, no check digit, times", () => {
    for (const text of [
      "4111111111111112",
      "411111111111",
      "41111111111111111111111111111111",
      "1795252518250",
      "2026-11-21 09:15:18.250",
      "+49 170 1234567",
      "order 0000000000000000",
    ]) {
      expect(redactCards(text, mask)).toBe(text);
    }
  });
});

describe("e-mail addresses and tokens", () => {
  test("addresses", () => {
    expect(redactEmails("to ann.b+x@mail.shop.example, c@d.io;@x a@b", mask)).toBe(
      "to ****, ****;@x a@b",
    );
    expect(redactEmails("@".repeat(1000), mask)).toBe("@".repeat(1000));
  });

  test("tokens", () => {
    const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
    const cases = [
      [`token=${jwt}&x=1`, "token=****&x=1"],
      [`eyJ=${jwt} end`, "eyJ=**** end"],
      ["key AKIAIOSFODNN7EXAMPLE.", "key ****."],
      ["AKIAIOSFODNN7EXAMPLE/ASIAIOSFODNN7EXAMPLE", "****/****"],
      ["authorization: bearer abcdef123", "authorization: bearer ****"],
      ["Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ****"],
      [`ghp_${"a1".repeat(18)}`, "****"],
      ["sk_live_0123456789abcdefXYZ", "****"],
      ["a basic idea, the bearer of news", "a basic idea, the bearer of news"],
      ["/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"],
    ] as const;
    for (const [text, expected] of cases) {
      expect({ text, redacted: redactTokens(text, mask) }).toEqual({ text, redacted: expected });
    }
  });

  test("texts that invite searching without end are searched once", () => {
    for (const text of [
      "eyJ".repeat(20_000),
      "AKIA".repeat(20_000),
      "1 ".repeat(30_000),
      "4".repeat(60_000),
    ]) {
      expect(
        redactCards(redactEmails(redactTokens(text, mask), mask), mask).length,
      ).toBeGreaterThan(0);
    }
  });
});

describe("where", () => {
  test("in every text of the event, and in numbers; keys of objects stay", async () => {
    const run = runSteps([{ parse: { json: {} } }, { redact: {} }]);
    await run.feed(
      '{"a":{"b":["x@y.io",{"c":"4111111111111111"}]},"n":4111111111111111,"k":12,"t":null}',
    );
    expect(run.out()).toEqual([{ a: { b: ["****", { c: "****" }] }, n: "****", k: 12, t: null }]);
    expect(run.runner.metrics()).toMatch(/redacted[^\n]* 3\n/);
  });

  test("in some fields only, kinds and own patterns", async () => {
    const config = {
      fields: ["message", "user.mail"],
      kinds: ["email"],
      patterns: { id: "ID[0-9]+" },
    };
    const run = runSteps([{ parse: { json: {} } }, { redact: config }]);
    await run.feed('{"message":"ID12 4111111111111111","user":{"mail":"a@b.io","other":"a@b.io"}}');
    expect(run.out()).toEqual([
      { message: "**** 4111111111111111", user: { mail: "****", other: "a@b.io" } },
    ]);
  });

  test("a hash is keyed, the same for the same text, and needs its key", async () => {
    const config = { with: "hash", keyFile: "redact.key" };
    expect(parse(redact.config, nodeOf({ with: "hash" })).problems[0]!.message).toContain(
      "keyFile",
    );
    const hashes = async (key: string): Promise<unknown[]> => {
      const world = createSimulatedWorld({ seed: 1 });
      const folder = world.processes.self.folder;
      world.files.makeFolder(folder);
      world.files.write(`${folder}/redact.key`, key);
      const run = runSteps([{ redact: config }], world);
      await run.feed("a@b.io", "c@d.io", "a@b.io");
      return run.out().map(({ message }) => message);
    };
    const [a, c, again] = await hashes("k".repeat(32));
    expect(a).toMatch(/^[0-9a-f]{16}$/);
    expect(again).toBe(a);
    expect(c).not.toBe(a);
    expect((await hashes("l".repeat(32)))[0]).not.toBe(a);
    expect(() => runSteps([{ redact: config }])).toThrow("no key");
  });
});
