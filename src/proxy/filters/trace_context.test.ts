import { afterEach, expect, test } from "bun:test";
import { Rig } from "../../sim/rig.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const GOOD = `00-${TRACE}-${PARENT}-01`;

let rig: Rig;
afterEach(async () => {
  expect(await rig.leaks()).toEqual([]);
});

async function passed(...lines: string[]): Promise<(string | null | undefined)[]> {
  const filters = [{ filter: "trace_context", config: {} }];
  rig = new Rig({ route: { filters }, accessLog: "json" });
  const upstream = rig.upstream();
  rig.client().send(`${["GET / HTTP/1.1", "Host: shop", ...lines].join("\r\n")}\r\n\r\n`);
  await rig.advance(200);
  const { headers } = upstream.requests[0]!;
  const { trace_id } = JSON.parse(rig.log.at(-1)!) as { trace_id: string | null };
  return [headers.get("traceparent"), headers.get("tracestate"), trace_id];
}

test("a trace context passes as it came, and its id is in the log", async () => {
  const seen = await passed(`traceparent: ${GOOD}`, "tracestate: vendor=a,other=b");
  expect(seen).toEqual([GOOD, "vendor=a,other=b", TRACE]);
});

test("a later version may say more", async () => {
  const later = `01-${TRACE}-${PARENT}-01-more`;
  expect(await passed(`traceparent: ${later}`)).toEqual([later, undefined, TRACE]);
});

test("a state without a parent is dropped", async () => {
  expect(await passed("tracestate: a=b")).toEqual([undefined, undefined, null]);
});

test.each([
  "00",
  `00-${TRACE}-${PARENT}`,
  `00-${TRACE}-${PARENT}-01-more`,
  `ff-${TRACE}-${PARENT}-01`,
  `00-${"0".repeat(32)}-${PARENT}-01`,
  `00-${TRACE}-${"0".repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${PARENT}-01`,
  `01-${TRACE}-${PARENT}-01more`,
])("%p is dropped with its state", async (traceparent) => {
  const seen = await passed(`traceparent: ${traceparent}`, "tracestate: a=b");
  expect(seen).toEqual([undefined, undefined, null]);
});

test("two parents are none", async () => {
  const seen = await passed(`traceparent: ${GOOD}`, `traceparent: ${GOOD}`, "tracestate: a=b");
  expect(seen).toEqual([undefined, undefined, null]);
});
