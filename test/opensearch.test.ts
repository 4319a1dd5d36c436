/** A real OpenSearch: its 429s, its mapping errors, and documents that are created once. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import * as fs from "node:fs";
import { Place } from "./kit/outrigger.ts";
import type { Started } from "./kit/outrigger.ts";
import { withPart } from "./kit/parts.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { killLeft } from "./kit/processes.ts";

setDefaultTimeout(120_000);

await withPart("opensearch", (program) => {
  let place: Place;
  let url = "";

  beforeAll(async () => {
    if (program === "") return;
    place = new Place();
    const config = place.path("node/node_1/config");
    fs.mkdirSync(config, { recursive: true });
    // One thread and a short queue: what comes beside is refused with 429, as under a real load.
    place.write(
      "node/node_1/config/opensearch.yml",
      "node.processors: 1\nthread_pool.write.size: 1\nthread_pool.write.queue_size: 1\n" +
        "action.auto_create_index: true\n",
    );
    const words = ["-basePath", place.path("node"), "-numOfNode", "1"];
    // Without the analysis of languages, which asks for more of Java than there is.
    words.push("-moduleTypes", "org.opensearch.transport.Netty4ModulePlugin");
    const node = place.startProgram([program, ...words]);
    // It takes the first free port from 9201 on, and says which.
    const listens = /HttpServerTransport\] publish_address \{(127\.0\.0\.1:\d+)\}/;
    const ready = async (): Promise<boolean> => {
      url = `http://${listens.exec(node.output())?.[1] ?? ""}`;
      return (await fetch(`${url}/_cluster/health`)).ok;
    };
    await untilTrue("OpenSearch answers", ready, 60_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${node.output().slice(-2000)}`);
    });
  });

  afterAll(async () => {
    await place?.end();
    killLeft();
  });

  async function ask(path: string, method = "GET", body?: object): Promise<Record<string, any>> {
    const answer = await fetch(`${url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headers: { "content-type": "application/json" },
    });
    return (await answer.json()) as Record<string, any>;
  }

  /** Follows `NAME.log` into the index `NAME`. */
  function follow(name: string, config: object): Started {
    const file = place.write(
      `${name}.yaml`,
      JSON.stringify({
        apiVersion: "outrigger.dev/v1alpha1",
        kind: "Pipeline",
        metadata: { name },
        spec: {
          sources: { app: { file: { include: [`${name}.log`] } } },
          steps: [{ parse: { json: {} } }],
          sinks: { search: { elasticsearch: { url, index: name, ...config } } },
        },
      }),
    );
    const words = ["--state", place.path(`${name}-state`), "--admin-socket", socketOf(name)];
    return place.start("pipeline", file, ...words);
  }

  const socketOf = (name: string): string => place.path(`${name}.sock`);

  async function linesOf(name: string): Promise<{ source: any; sink: any }> {
    const answer = await fetch("http://localhost/stats", { unix: socketOf(name) });
    const stats = (await answer.json()) as Record<string, any>;
    const ledger = stats[`default.${name}`];
    return { source: ledger.sources.app, sink: ledger.sinks.search };
  }

  function counter(metrics: string, name: string): number {
    return Number(new RegExp(`counter="${name}"\\} (\\d+)`).exec(metrics)?.[1] ?? 0);
  }

  async function metricsOf(name: string): Promise<string> {
    return (await fetch("http://localhost/metrics", { unix: socketOf(name) })).text();
  }

  async function found(name: string): Promise<number> {
    await ask(`/${name}/_refresh`, "POST");
    return (await ask(`/${name}/_count`))["count"] as number;
  }

  test("S2-17 true 429s: what was refused is sent again, each document is created once", async () => {
    await ask("/busy", "PUT", { settings: { number_of_shards: 8, number_of_replicas: 0 } });
    const count = 20_000;
    const lines = Array.from({ length: count }, (_, n) => `{"n":${n},"message":"line ${n}"}\n`);
    fs.writeFileSync(place.path("busy.log"), lines.join(""));
    const program = follow("busy", {
      batch: { maxEvents: 200 },
      maxInFlight: 16,
      backoff: { base: "20ms", max: "200ms" },
    });
    const done = async (): Promise<boolean> => (await linesOf("busy")).source.delivered === count;
    await untilTrue("all are delivered", done, 60_000);
    const metrics = await metricsOf("busy");
    expect(counter(metrics, "item_retries") + counter(metrics, "failed_requests")).toBeGreaterThan(0);
    const pool = await ask("/_nodes/stats/thread_pool");
    const [node] = Object.values(pool["nodes"] as Record<string, any>);
    expect(node.thread_pool.write.rejected).toBeGreaterThan(0);
    expect(await found("busy")).toBe(count);
    const distinct = await ask("/busy/_search?size=0", "POST", {
      aggs: { n: { cardinality: { field: "n", precision_threshold: 40_000 } } },
    });
    expect(distinct["aggregations"].n.value / count).toBeGreaterThan(0.99);
    // No document was written over: each is still its first version.
    const [stats] = [await ask("/busy/_stats/indexing,docs")];
    expect(stats["_all"].primaries.docs.deleted).toBe(0);
    program.kill("SIGTERM");
    await program.ended;
  });

  test("S2-17 true mapping errors go to the dead letters with their reason, once; the others pass", async () => {
    await ask("/mapped", "PUT", { mappings: { properties: { n: { type: "integer" } } } });
    const lines = Array.from({ length: 100 }, (_, n) => (n % 10 === 3 ? '{"n":"no number"}' : `{"n":${n}}`));
    fs.writeFileSync(place.path("mapped.log"), `${lines.join("\n")}\n`);
    const program = follow("mapped", {});
    const line = await until("all have found their end", async () => {
      const { source } = await linesOf("mapped");
      return source.delivered + source.deadLettered === 100 ? source : null;
    });
    expect(line).toMatchObject({ delivered: 90, deadLettered: 10, buffered: 0 });
    expect(await found("mapped")).toBe(90);
    expect(counter(await metricsOf("mapped"), "requests")).toBe(1);
    program.kill("SIGTERM");
    await program.ended;
    const folder = place.path("mapped-state/pipelines/default.mapped");
    const letters = fs.readFileSync(`${folder}/dead-letters.jsonl`, "utf8");
    expect(letters).toContain("mapper_parsing_exception");
    expect(letters).toContain("failed to parse field [n]");
  });

  test("S2-17 killed while it sends, again and again: created documents are never doubled", async () => {
    const count = 5000;
    const lines = Array.from({ length: count }, (_, n) => `{"n":${n},"message":"line ${n}"}\n`);
    fs.writeFileSync(place.path("once.log"), lines.join(""));
    const config = { batch: { maxEvents: 50 }, maxInFlight: 4, backoff: { base: "20ms", max: "200ms" } };
    for (let life = 0; life < 3; life++) {
      const program = follow("once", config);
      const some = async (): Promise<boolean> => (await found("once")) >= (life + 1) * 300;
      await untilTrue("some are there", some);
      program.kill("SIGKILL");
      await program.ended;
    }
    const program = follow("once", config);
    const done = async (): Promise<boolean> => {
      const { source } = await linesOf("once");
      return source.received > 0 && source.buffered === 0 && (await found("once")) === count;
    };
    await untilTrue("all are there", done, 60_000);
    expect(await found("once")).toBe(count);
    program.kill("SIGTERM");
    await program.ended;
  });
});
