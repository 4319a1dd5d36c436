import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { part } from "../../tools/install.ts";
import { Program } from "../processes.ts";
import type { BenchedPipeline, PipelineSetup, PipelineWork } from "./pipeline_program.ts";
import { abilities, COMBINED } from "./pipeline_program.ts";

const ABLE: Partial<Record<PipelineWork, string>> = {
  passthrough: "filelog, nop exporter",
  json: "filelog with json_parser, add and remove, lines of JSON into a file",
  "json-disk": "as json, the exporter's sending queue on disk (file_storage)",
  regex: "filelog with regex_parser, lines of JSON into a file",
  "syslog-bulk":
    "syslog over TCP, lines of JSON into a file (its Elasticsearch exporter is not to be had)",
};

export async function otelcol(): Promise<BenchedPipeline> {
  const { path, version } = await part("otelcol");
  return {
    name: "otelcol",
    version,
    does: abilities(ABLE),
    start(setup) {
      const { folder } = setup;
      const file = join(folder, "otelcol.yaml");
      mkdirSync(join(folder, "queue"), { recursive: true });
      writeFileSync(file, JSON.stringify(config(setup), null, 2));
      const program = new Program("otelcol", [path, "--config", file], {
        cwd: folder,
        // One worker, as the others have.
        env: { GOMAXPROCS: "1" },
      });
      return { program, done: () => Promise.resolve(null) };
    },
  };
}

function config({ work, input, output, folder, syslogPort }: PipelineSetup): object {
  const toAttributes = { parse_from: "body", parse_to: "attributes" };
  const edits = [
    { type: "json_parser", ...toAttributes },
    { type: "add", field: "attributes.env", value: "prod" },
    { type: "remove", field: "attributes.debug" },
  ];
  const operators: Partial<Record<PipelineWork, readonly object[]>> = {
    json: edits,
    "json-disk": edits,
    regex: [
      { type: "regex_parser", regex: COMBINED.replaceAll("(?<", "(?P<"), ...toAttributes },
    ],
  };
  const receiver =
    work === "syslog-bulk"
      ? {
          syslog: {
            protocol: "rfc5424",
            enable_octet_counting: true,
            // A counted message may end in a space.
            tcp: {
              listen_address: `127.0.0.1:${syslogPort}`,
              preserve_leading_whitespaces: true,
              preserve_trailing_whitespaces: true,
            },
          },
        }
      : {
          filelog: {
            include: [input],
            include_file_name: false,
            start_at: "beginning",
            operators: operators[work] ?? [],
          },
        };
  const onDisk = { sending_queue: { enabled: true, storage: "file_storage" } };
  const queue = work === "json-disk" ? onDisk : {};
  const exporter = work === "passthrough" ? { nop: {} } : { lines: { path: output, ...queue } };
  const storage = { file_storage: { directory: join(folder, "queue") } };
  return {
    extensions: storage,
    receivers: receiver,
    exporters: exporter,
    service: {
      telemetry: { metrics: { level: "none" }, logs: { level: "error" } },
      extensions: ["file_storage"],
      pipelines: {
        logs: { receivers: Object.keys(receiver), exporters: Object.keys(exporter) },
      },
    },
  };
}
