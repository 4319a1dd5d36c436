import { afterEach, describe, expect, test } from "bun:test";
import { type RepairKind, REPAIRS } from "../codec/http1/repair.ts";
import { Rig } from "../sim/rig.ts";
import { RETRY } from "../sim/snapshots.ts";
import { reply } from "../sim/upstream.ts";

/** Answers whose heads are malformed: refused with the reason and the header, or repaired. */
let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

const REQUEST_ID = [{ filter: "request_id", config: {} }];
const lineWith = (text: string): Record<string, unknown> =>
  JSON.parse(rig.log.find((line) => line.includes(text))!) as Record<string, unknown>;

const answerWith = (line: string): string => reply(200, "hello", `${line}\r\n`);
const count = (action: string, reason: string): number =>
  rig.metric("outrigger_malformed_responses_total", { cluster: "app", action, reason });

test("S4-24 the pre-check finds a bad header on mirrored traffic; strict then answers 502", async () => {
  const shape = (validation: { responseValidation?: "tolerant" }, to: string) => ({
    accessLog: "json" as const,
    route: {
      to,
      filters: REQUEST_ID,
      mirror: {
        cluster: "next",
        ratio: 1,
        timeoutMs: 1_000,
        maxBodyBytes: 1_024,
        maxInFlight: 10,
        shadowHost: false,
      },
    },
    clusters: {
      app: { endpoints: [{ host: "10.0.1.1", port: 80 }] },
      next: { endpoints: [{ host: "10.0.1.2", port: 80 }], ...validation },
    },
  });
  rig = new Rig(shape({ responseValidation: "tolerant" }, "app"));
  rig.upstream(1);
  rig.upstream(2, ({ peer }) => peer.send(answerWith("X-Build: \x017")));
  // Copies of live traffic go to the new version; nobody is refused anything.
  expect((await rig.ask("/buy?card=1")).body).toBe("u1");
  await rig.advance(10);
  const [found, ...others] = rig.proxy.sightings();
  expect(others).toEqual([]);
  expect(found).toMatchObject({
    ...{ sequence: 1, where: "next", direction: "response", header: "X-Build", count: 1 },
    ...{ reason: "control-character", action: "repaired", method: "GET", path: "/buy" },
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  // Now it is real, and strict.
  rig.apply(shape({}, "next"));
  const answer = await rig.ask("/buy");
  expect(answer).toEqual({
    status: 502,
    body:
      "the upstream's answer is malformed: bad-header-value: byte 0x01 in a header's value, " +
      "header X-Build\n",
  });
  await rig.advance(200);
  expect(lineWith('"response_code":502')).toMatchObject({
    response_flags: "UPE",
    response_code_details: "malformed-response{bad-header-value,X-Build}",
  });
  expect(lineWith('malformed answer was refused')).toMatchObject({
    event: "malformed-response",
    subject: "next",
    text: expect.stringContaining("bad-header-value (header X-Build)"),
  });
  expect(rig.proxy.sightings(1).map(({ action }) => action)).toEqual(["refused"]);
});

/** What the upstream sends in the place of a header, and what the caller gets. */
const CASES: Readonly<Record<RepairKind, readonly [string, string | undefined]>> = {
  "space-before-colon": ["X-Build : 7", "7"],
  "control-character": ["X-Build: 7\0a\x7f", "7 a"],
  "obsolete-folding": ["X-Build: 7\r\n\t 8", "7 8"],
  "bare-line-feed": ["", undefined],
  "bad-header-name": ["X-Build Y: 7", undefined],
};

describe("each repair", () => {
  for (const kind of Object.keys(REPAIRS) as RepairKind[]) {
    test(`${kind}: tolerant repairs, counts and passes it on; strict refuses it`, async () => {
      const [line, wanted] = CASES[kind];
      const bytes =
        kind === "bare-line-feed" ? answerWith("X: 1").replaceAll("\r\n", "\n") : answerWith(line);
      rig = new Rig({ cluster: { responseValidation: "tolerant" } });
      const upstream = rig.upstream(1, ({ peer }) => peer.send(bytes));
      const client = rig.client();
      for (let n = 0; n < 2; n++) {
        const call = client.get("/");
        await rig.advance(10);
        expect([call.status, call.answer?.body]).toEqual([200, "hello"]);
        expect(call.answer!.headers.get("x-build")).toBe(wanted);
      }
      // The connection is as good as ever.
      expect(upstream.peers.length).toBe(1);
      expect(count("repaired", kind)).toBe(2);
      rig.apply({});
      expect((await rig.ask()).status).toBe(502);
      expect(count("repaired", kind)).toBe(2);
    });
  }
});

test.each([
  ["a length with a blank", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", "bad-header-name"],
  ["two lengths", "HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
    "bad-content-length"],
  ["an answer within a header", "HTTP/1.1 200 OK\r\nX: a\n\nHTTP/1.1 200 OK\r\n\r\n", "bare-line-feed"],
  ["no HTTP", "SSH-2.0-OpenSSH\r\n", "bad-status-line"],
])("what could be two answers is refused in tolerant mode, too: %s", async (_, bytes, reason) => {
  rig = new Rig({ cluster: { responseValidation: "tolerant" } });
  const upstream = rig.upstream(1, ({ peer }) => peer.send(bytes));
  expect((await rig.ask()).status).toBe(502);
  expect(count("refused", reason)).toBe(1);
  expect(upstream.open).toEqual([]);
});

test("a refused answer counts as a failed try, and is tried again where the policy says so", async () => {
  rig = new Rig({ route: { retry: RETRY } });
  const upstream = rig.upstream(1, ({ peer }) => {
    const isFirst = upstream.requests.length === 1;
    peer.send(isFirst ? answerWith("X : 1") : reply(200, "second"));
  });
  expect((await rig.ask()).body).toBe("second");
  expect(count("refused", "bad-header-name")).toBe(1);
});

test("interim answers without end and a switch nobody asked for are refused in words", async () => {
  rig = new Rig();
  const answers = [
    "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20),
    "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n",
  ];
  rig.upstream(1, ({ peer }) => peer.send(answers.shift()!));
  expect((await rig.ask()).body).toContain("more than 16 interim answers");
  expect((await rig.ask()).body).toContain("a switch of protocols nobody asked for");
});

test("a malformed request is sighted with its header's name, and nothing of its value", async () => {
  rig = new Rig({ accessLog: "json" });
  rig.upstream();
  const text = "GET / HTTP/1.1\r\nHost: a\r\nX-Token: secret\x01secret\r\n\r\n";
  const call = rig.client().send(text);
  await rig.advance(200);
  expect(call.answer?.body).toBe("bad-header-value: byte 0x01 in a header's value, header X-Token\n");
  const [found] = rig.proxy.sightings();
  expect(found).toMatchObject({
    ...{ where: "in", direction: "request", header: "X-Token", reason: "bad-header-value" },
    ...{ action: "refused", requestId: null, method: "", path: "" },
  });
  expect(lineWith('"response_code":400')).toMatchObject({ header: "X-Token" });
  expect(JSON.stringify([found, rig.log])).not.toContain("secret");
});

test("of a long header that is folded only the start of its name is kept", async () => {
  rig = new Rig();
  rig.client().send(`GET / HTTP/1.1\r\nHost: a\r\n${"x".repeat(9_000)}: 1\r\n folded\r\n\r\n`);
  await rig.advance(200);
  const [found] = rig.proxy.sightings();
  expect(found).toMatchObject({ reason: "obsolete-folding", header: "x".repeat(64) });
});

test("a health check looks at the status, whatever the other headers are", async () => {
  const health = {
    ...{ path: "/healthz", host: "", statuses: [200], intervalMs: 100, timeoutMs: 50 },
    ...{ unhealthyAfter: 2, healthyAfter: 2 },
  };
  rig = new Rig({ cluster: { health } });
  let line = "X : 1";
  rig.upstream(1, ({ peer }) => peer.send(answerWith(line)));
  await rig.advance(1_000);
  const state = (): unknown => rig.proxy.stats().clusters[0]!.endpoints[0]!.healthy;
  expect(state()).toBe(true);
  // Where it ends cannot be said.
  line = "Content-Length : 1";
  await rig.advance(1_000);
  expect(state()).toBe(false);
});
