/** What speaks to Elasticsearch speaks to the http source: rsyslog's omelasticsearch. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { Place } from "./kit/outrigger.ts";
import { withPart } from "./kit/parts.ts";
import { untilTrue } from "./kit/poll.ts";
import { freePort } from "./kit/ports.ts";
import { killLeft, stillRunning } from "./kit/processes.ts";

setDefaultTimeout(120_000);

const LINES = 2000;
const place = new Place();

afterAll(async () => {
  killLeft();
});

await withPart("rsyslog", (rsyslog) => {
  test("rsyslog's Elasticsearch output delivers every message by _bulk", async () => {
    const port = await freePort();
    place.write("secret", "s3cret\n");
    const listen = `listen: "http://127.0.0.1:${port}"`;
    const http = `{ ${listen}, tokenFile: secret, acknowledge: delivered, indexField: index }`;
    const file = place.write(
      "pipeline.yaml",
      [
        "apiVersion: outrigger.dev/v1alpha1",
        "kind: Pipeline",
        "metadata: { name: bulk }",
        `spec: { sources: { in: { http: ${http} } }, sinks: { out: { stdout: {} } } }`,
      ].join("\n"),
    );
    const pipeline = place.start("pipeline", file);
    await untilTrue("it listens", async () => {
      return (await fetch(`http://127.0.0.1:${port}/`)).status === 401;
    });
    const lines = Array.from({ length: LINES }, (_, i) => `line ${i} of the app\n`);
    place.write("in.log", lines.join(""));
    const config = place.write(
      "rsyslog.conf",
      [
        `global(workDirectory="${place.folder}" localHostname="web-1")`,
        'module(load="imfile" mode="inotify")',
        'module(load="omelasticsearch")',
        'template(name="json" type="list" option.jsonf="on") {',
        '  property(outname="message" name="msg" format="jsonf") }',
        `input(type="imfile" File="${place.path("in.log")}" Tag="app:")`,
        `action(type="omelasticsearch" server="127.0.0.1" serverport="${port}" template="json"`,
        '  searchIndex="logs" searchType="" bulkmode="on" uid="elastic" pwd="s3cret"',
        '  action.resumeRetryCount="-1" queue.type="LinkedList" queue.dequeueBatchSize="100")',
        "",
      ].join("\n"),
    );
    const pid = place.path("rsyslog.pid");
    const daemon = place.startProgram([rsyslog, "-n", "-f", config, "-i", pid]);
    const events = (): { message: string; index: string }[] =>
      pipeline
        .output()
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as { message: string; index: string });
    await untilTrue("every message", () => events().length >= LINES, 30_000).catch(() => {});
    daemon.kill("SIGTERM");
    const { stderr } = await daemon.ended;
    pipeline.kill("SIGTERM");
    expect((await pipeline.ended).status).toBe(0);
    const numbers = events().map(({ message }) => Number(/line (\d+) of/.exec(message)?.[1]));
    if (numbers.length !== LINES) console.log(stderr);
    expect(numbers.sort((a, b) => a - b)).toEqual(lines.map((_, i) => i));
    expect(events()[0]!.index).toBe("logs");
  });

  test("nothing that this test started is left", async () => {
    await place.end();
    expect(await stillRunning()).toEqual([]);
  });
});
