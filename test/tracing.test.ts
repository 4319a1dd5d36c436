/** Traces through real sidecars of real apps, in a real Zipkin server. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { scrape } from "./kit/admin.ts";
import { tinyApp } from "./kit/apps.ts";
import { Place } from "./kit/outrigger.ts";
import { withPart } from "./kit/parts.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft } from "./kit/processes.ts";

setDefaultTimeout(120_000);

interface Span {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly kind: string;
  readonly timestamp: number;
  readonly duration: number;
  readonly localEndpoint: { readonly serviceName: string };
  readonly tags: Readonly<Record<string, string>>;
}

await withPart("zipkin", (program) => {
  let place: Place;
  let zipkin = "";
  let gateway = "";

  beforeAll(async () => {
    if (program === "") return;
    place = new Place();
    const port = await freePort();
    zipkin = `http://127.0.0.1:${port}`;
    const server = place.startProgram([
      program,
      "--armeria.ports[0].ip=127.0.0.1",
      `--armeria.ports[0].port=${port}`,
      "--armeria.ports[0].protocols[0]=http",
    ]);
    const ready = async (): Promise<boolean> => (await fetch(`${zipkin}/health`)).ok;
    await untilTrue("Zipkin answers", ready, 90_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${server.output().slice(-2000)}`);
    });
    const door = await freePort();
    gateway = `http://127.0.0.1:${door}`;
    await place.up(place.write("mesh.yaml", await files(door)));
  });

  afterAll(async () => {
    await place?.end();
    killLeft();
  });

  /** A gateway, and three Apps that call each other; the last fails at times and is asked again. */
  async function files(door: number): Promise<string> {
    const ports: number[] = [];
    for (let n = 0; n < 6; n++) ports.push(await freePort());
    const retry = "retry: { attempts: 2, on: [5xx], backoff: { base: 5ms, max: 10ms } }";
    const apps = [
      tinyApp({ name: "front", port: ports[0]!, own: ports[1]!, calls: "middle", more: ["calls: { middle: {} }"] }),
      tinyApp({
        ...{ name: "middle", port: ports[2]!, own: ports[3]!, calls: "last" },
        more: [`calls: { last: { ${retry} } }`],
      }),
      tinyApp({ name: "last", port: ports[4]!, own: ports[5]! }),
    ];
    const mesh = [
      "apiVersion: outrigger.dev/v1alpha1",
      "kind: Mesh",
      "metadata: { name: test, namespace: test }",
      "spec:",
      `  gateway: { port: ${door} }`,
      '  routes: [{ host: "*", rules: [{ backends: [{ app: front }] }] }]',
      `  tracing: { zipkin: "${zipkin}", sample: 100%, write: [w3c, b3] }`,
      "",
    ].join("\n");
    return [...apps, mesh].join("---\n");
  }

  /** A trace's spans, as soon as Zipkin has so many. */
  function traceOf(id: string, count: number): Promise<Span[]> {
    return until(`Zipkin has ${count} spans of ${id}`, async () => {
      const answer = await fetch(`${zipkin}/api/v2/trace/${id}`);
      const spans = answer.ok ? ((await answer.json()) as Span[]) : [];
      return spans.length >= count ? spans : null;
    });
  }

  /** `service KIND status` of each span, below its parent and in the order of time. */
  function tree(spans: readonly Span[], parentId?: string, depth = 0): string[] {
    const children = spans.filter((span) => span.parentId === parentId);
    return [...children]
      .sort((a, b) => a.timestamp - b.timestamp)
      .flatMap((span) => {
        const { localEndpoint, kind, tags } = span;
        const line = `${"  ".repeat(depth)}${localEndpoint.serviceName} ${kind} ${tags["http.status_code"]}`;
        return [line, ...tree(spans, span.id, depth + 1)];
      });
  }

  const WITH_A_RETRY = [
    "gateway SERVER 200",
    "  gateway CLIENT 200",
    "    front SERVER 200",
    "      front CLIENT 200",
    "        middle SERVER 200",
    "          middle CLIENT 503",
    "            last SERVER 503",
    "          middle CLIENT 200",
    "            last SERVER 200",
  ];

  test("S1-27 one call through three services gives one trace with right parent ids, in a real Zipkin server", async () => {
    const answer = await fetch(`${gateway}/call/call/flaky/1`);
    expect([answer.status, await answer.text()]).toEqual([200, "last\n"]);
    const found = await until("Zipkin knows the gateway's trace", async () => {
      const list = await fetch(`${zipkin}/api/v2/traces?serviceName=gateway&limit=10`);
      const [first] = (await list.json()) as Span[][];
      return first ?? null;
    });
    const spans = await traceOf(found[0]!.traceId, WITH_A_RETRY.length);
    expect(tree(spans)).toEqual(WITH_A_RETRY);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    const [failed, again] = spans
      .filter(({ kind, localEndpoint }) => kind === "CLIENT" && localEndpoint.serviceName === "middle")
      .sort((a, b) => a.timestamp - b.timestamp);
    expect(failed!.tags).toMatchObject({ error: "503", upstream_cluster: "last", "http.path": "/flaky/1" });
    expect(again!.tags).toMatchObject({ "retry.number": "1", "http.status_code": "200" });
    // A child lies within its parent, whose clock is the same here; the wall clock has milliseconds.
    for (const span of spans) {
      const parent = spans.find(({ id }) => id === span.parentId);
      if (parent === undefined) continue;
      expect(span.timestamp).toBeGreaterThanOrEqual(parent.timestamp - 2_000);
      expect(span.timestamp + span.duration).toBeLessThanOrEqual(parent.timestamp + parent.duration + 2_000);
    }
  });

  test("S1-27 a caller's own trace goes on: its id, its span as parent, its decision", async () => {
    const ids = ["1", "2", "3"].map((digit) => `${digit.repeat(30)}a1`);
    const [w3c, b3, unsampled] = ids;
    const parent = "00f067aa0ba902b7";
    const ask = async (headers: Record<string, string>): Promise<void> => {
      expect((await fetch(`${gateway}/call/call/x`, { headers })).status).toBe(200);
    };
    await ask({ traceparent: `00-${unsampled}-${parent}-00` });
    await ask({ traceparent: `00-${w3c}-${parent}-01` });
    await ask({ b3: `${b3}-${parent}-1` });
    const lines = [...WITH_A_RETRY.slice(0, 5), "          middle CLIENT 200", "            last SERVER 200"];
    for (const id of [w3c!, b3!]) expect(tree(await traceOf(id, 7), parent)).toEqual(lines);
    expect((await fetch(`${zipkin}/api/v2/trace/${unsampled}`)).status).toBe(404);
    for (const app of ["front", "middle", "last"]) {
      const metrics = await scrape(place, `test/${app}`);
      expect(metrics).toMatch(/outrigger_spans_total\{outcome="sent"\} [1-9]/);
      expect(metrics).toContain('outrigger_spans_total{outcome="failed"} 0');
    }
  });

  test("S1-27 Zipkin draws who calls whom from them", async () => {
    const links = await until("Zipkin has linked the services", async () => {
      const answer = await fetch(`${zipkin}/api/v2/dependencies?endTs=${Date.now()}`);
      const list = (await answer.json()) as { readonly parent: string; readonly child: string }[];
      return list.length >= 3 ? list : null;
    });
    expect(links.map(({ parent, child }) => `${parent} ${child}`).sort()).toEqual([
      "front middle",
      "gateway front",
      "middle last",
    ]);
  });
});

interface OtlpSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly kind: number;
  readonly code: number;
  readonly attributes: Readonly<Record<string, string | number>>;
}

await withPart("otlp-reader", (reader) => {
  let place: Place;

  afterAll(async () => {
    await place?.end();
    killLeft();
  });

  /** The spans of a body, by OpenTelemetry's own definitions; fails where they do not fit. */
  async function read(body: string): Promise<OtlpSpan[]> {
    const child = Bun.spawn([reader], { stdin: Buffer.from(body), stdout: "pipe", stderr: "pipe" });
    const [lines, words] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    if ((await child.exited) !== 0) throw new Error(`${body}\n${words}`);
    return lines.trim().split("\n").map((line) => JSON.parse(line) as OtlpSpan);
  }

  test("S1-27 spans by OTLP/HTTP in JSON are read, strictly, by OpenTelemetry's published definitions", async () => {
    place = new Place();
    const bodies: string[] = [];
    const asked = new Set<string>();
    const collector = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        asked.add(`${request.method} ${new URL(request.url).pathname} ${request.headers.get("content-type")}`);
        bodies.push(await request.text());
        return Response.json({});
      },
    });
    try {
      const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
      const retry = "retry: { attempts: 1, on: [5xx], backoff: { base: 5ms, max: 10ms } }";
      const files = [
        tinyApp({
          ...{ name: "front", port: ports[0], own: ports[1], calls: "last" },
          more: [`calls: { last: { ${retry} } }`, "sidecar: { tracing: { sample: 100% } }"],
        }),
        tinyApp({ name: "last", port: ports[2], own: ports[3] }),
        [
          "apiVersion: outrigger.dev/v1alpha1",
          "kind: Mesh",
          "metadata: { name: test, namespace: test }",
          `spec: { tracing: { otlp: "http://127.0.0.1:${collector.port}", sample: 0% } }`,
          "",
        ].join("\n"),
      ];
      await place.up(place.write("otlp.yaml", files.join("---\n")));
      const answer = await fetch(`http://127.0.0.1:${ports[0]}/call/flaky/1`);
      expect(answer.status).toBe(200);
      const spans = await until("all spans arrived", async () => {
        const all = (await Promise.all(bodies.map(read))).flat();
        const mine = all.filter(({ attributes }) => String(attributes["url.path"]).endsWith("/flaky/1"));
        return mine.length >= 5 ? mine : null;
      });
      expect([...asked]).toEqual(["POST /v1/traces application/json"]);
      expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
      const parentOf = ({ parentId }: OtlpSpan) => spans.find(({ spanId }) => spanId === parentId);
      const lines = spans.map((span) => {
        const { service, kind, code, attributes } = span;
        const parent = parentOf(span);
        const above = parent === undefined ? "nobody" : `${parent.service} ${parent.kind}`;
        return `${service} ${kind} ${attributes["http.response.status_code"]} ${code} below ${above}`;
      });
      const [server, client] = [2, 3];
      expect(lines.sort()).toEqual([
        `front ${server} 200 0 below nobody`,
        `front ${client} 200 0 below front ${server}`,
        `front ${client} 503 2 below front ${server}`,
        `last ${server} 200 0 below front ${client}`,
        `last ${server} 503 2 below front ${client}`,
      ]);
    } finally {
      await collector.stop(true);
    }
  });
});
