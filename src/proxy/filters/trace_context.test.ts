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

test("B3 passes as it came, in one header or several, and its id is in the log", async () => {
  const single = `${TRACE}-${PARENT}-1`;
  const seen = await passed(`b3: ${single}`);
  expect(seen[2]).toBe(TRACE);
  expect(rig.upstreams[0]!.requests[0]!.headers.get("b3")).toBe(single);
  expect(await rig.leaks()).toEqual([]);
  const several = await passed(`X-B3-TraceId: ${TRACE}`, `X-B3-SpanId: ${PARENT}`, "X-B3-Sampled: 0");
  expect(several[2]).toBe(TRACE);
  expect(rig.upstreams[0]!.requests[0]!.headers.get("x-b3-sampled")).toBe("0");
});

test.each(["2", `${TRACE}-${PARENT}-x`, `${TRACE}${PARENT}`, ""])("b3 %p is dropped", async (b3) => {
  expect((await passed(`b3: ${b3}`))[2]).toBe(null);
  expect(rig.upstreams[0]!.requests[0]!.headers.has("b3")).toBe(false);
});
