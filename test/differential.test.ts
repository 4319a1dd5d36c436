/**
 * One corpus of odd requests through HAProxy, nginx, Envoy and Outrigger, each in front of an
 * upstream that records bytes: what do we pass on that two of them refuse, and do we ever pass on
 * what an upstream may take for more or other requests than we did?
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RequestDecoder } from "../src/codec/http1/request_decoder.ts";
import { corpus } from "./differential/corpus.ts";
import { EXPLAINED } from "./differential/explained.ts";
import { exchange } from "./differential/exchange.ts";
import { code, inWords, oddRequestsPage, type Outcome, type Seen } from "./differential/page.ts";
import { NAMES, PEERS, Stand, type Standing } from "./differential/proxies.ts";
import { ROOT } from "./kit/outrigger.ts";

setDefaultTimeout(300_000);

const PAGE = join(ROOT, "docs", "odd_requests.md");

describe.skipIf(PEERS === null)("odd requests through four proxies", () => {
  const stand = new Stand();
  const seen: Seen[] = [];

  beforeAll(async () => {
    await stand.start();
    const requests = corpus();
    const columns = await Promise.all(stand.all.map((one) => throughOne(one)));
    for (const [n, { title, bytes }] of requests.entries()) {
      const outcomes = Object.fromEntries(NAMES.map((name, i) => [name, columns[i]![n]!]));
      seen.push({ title, bytes, outcomes: outcomes as Seen["outcomes"] });
    }

    async function throughOne(standing: Standing): Promise<Outcome[]> {
      const outcomes: Outcome[] = [];
      for (const { bytes } of requests) outcomes.push(await exchange(standing, bytes));
      return outcomes;
    }
  });

  afterAll(() => stand.stop());

  test("all four pass a plain request on", () => {
    const plain = seen.find(({ title }) => title === "A plain request")!;
    for (const name of NAMES) expect(plain.outcomes[name].passed).toBe(1);
  });

  test("what we pass on and two of them refuse is explained, and nothing else is", () => {
    const alone = seen.filter(({ outcomes: { outrigger, haproxy, nginx, envoy } }) => {
      const refusals = [haproxy, nginx, envoy].filter(({ passed }) => passed === 0).length;
      return outrigger.passed > 0 && refusals >= 2;
    });
    expect(alone.map(({ title }) => title).sort()).toEqual(Object.keys(EXPLAINED).sort());
  });

  test("an upstream reads what we pass on as the requests that we read, and not a byte more", () => {
    const odd: string[] = [];
    for (const { title, outcomes } of seen) {
      for (const bytes of outcomes.outrigger.recorded) {
        const problem = strictReading(bytes);
        if (problem !== null) odd.push(`${title}: ${problem}`);
      }
    }
    expect(odd).toEqual([]);
  });

  test("the page says of us what is so", () => {
    const page = oddRequestsPage(seen, EXPLAINED);
    if (process.env.UPDATE_GOLDENS === "1") writeFileSync(PAGE, page);
    // Of the others it tells how the versions behaved that it was written with.
    const committed = readFileSync(PAGE, "utf8");
    for (const { title, outcomes } of seen) {
      const row = `\n| ${code(title)} | `;
      if (committed.includes(row)) expect(committed).toContain(`${row}${inWords(outcomes.outrigger)} |`);
    }
    for (const title of Object.keys(EXPLAINED)) expect(committed).toContain(`- ${code(title)}: `);
  });
});

/** Null where the bytes are requests by our own decoder, of which at most the last is in part. */
function strictReading(bytes: Uint8Array): string | null {
  const nothing = (): void => {};
  const decoder = new RequestDecoder(
    { maxHeaderBytes: 65_536, maxHeaders: 100 },
    {
      onRequestHead: nothing,
      onBody: nothing,
      onTrailers: nothing,
      onMessageEnd: nothing,
    } as unknown as ConstructorParameters<typeof RequestDecoder>[1],
  );
  const error = decoder.feed(new Uint8Array(bytes));
  return error === null ? null : `${error.code}: ${error.message}`;
}
