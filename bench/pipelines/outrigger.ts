import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OutriggerProgram } from "../proxies/outrigger.ts";
import { Program } from "../processes.ts";
import type { BenchedPipeline, PipelineSetup, PipelineWork } from "./pipeline_program.ts";
import { COMBINED, able } from "./pipeline_program.ts";

const DOES: Readonly<Record<PipelineWork, string>> = {
  passthrough: "file to discard, checkpoint and ledger on",
  "passthrough-disk": "as passthrough, the sink's buffer on disk (what a sink has not taken at once is written)",
  json: "parse json, set, remove, JSON lines on standard output into a file",
  typescript: "as json, with a function that looks at two fields and writes a third",
  "json-disk": "as json, the sink's buffer on disk (what a sink has not taken at once is written)",
  regex: "parse regex, JSON lines on standard output into a file",
  "syslog-bulk": "syslog source over TCP, elasticsearch sink over HTTP with ids, acknowledged",
};

export function outriggerPipeline({ command, version }: OutriggerProgram): BenchedPipeline {
  return {
    name: "outrigger",
    version,
    does: (work) => able(DOES[work]),
    start(setup) {
      const { folder, output } = setup;
      const file = join(folder, "pipeline.yaml");
      writeFileSync(file, JSON.stringify(document(setup), null, 2));
      if (setup.work === "typescript") writeFunction(folder);
      const socket = join(folder, "admin.sock");
      const words = ["pipeline", file, "--state", join(folder, "state"), "--admin-socket", socket];
      const program = new Program("outrigger", [...command, ...words], {
        cwd: folder,
        stdoutFile: output,
      });
      return { program, done: () => delivered(socket) };
    },
  };
}

async function delivered(socket: string): Promise<number> {
  try {
    const answer = await fetch("http://localhost/stats", { unix: socket });
    const stats = (await answer.json()) as Record<
      string,
      { readonly sources: Readonly<Record<string, { readonly delivered: number }>> }
    >;
    return stats["default.bench"]!.sources["in"]!.delivered;
  } catch {
    // It does not listen yet.
    return -1;
  }
}

function document(setup: PipelineSetup): object {
  const { work, input, syslogPort, bulkPort } = setup;
  const file = { file: { include: [input] } };
  const edits = [{ parse: { json: {} } }, { set: { env: "prod" } }, { remove: ["debug"] }];
  const stdout = { stdout: {} };
  const specs: Readonly<Record<PipelineWork, object>> = {
    passthrough: { sources: { in: file }, sinks: { out: { discard: {} } } },
    "passthrough-disk": {
      sources: { in: file },
      sinks: { out: { discard: {}, buffer: { disk: "1GiB" } } },
    },
    json: { sources: { in: file }, steps: edits, sinks: { out: stdout } },
    typescript: {
      sources: { in: file },
      steps: [...edits, { typescript: "./step.ts" }],
      sinks: { out: stdout },
    },
    "json-disk": {
      sources: { in: file },
      steps: edits,
      sinks: { out: { ...stdout, buffer: { disk: "1GiB" } } },
    },
    regex: {
      sources: { in: file },
      steps: [{ parse: { regex: COMBINED } }],
      sinks: { out: stdout },
    },
    "syslog-bulk": {
      sources: { in: { syslog: { listen: `tcp://127.0.0.1:${syslogPort}` } } },
      sinks: {
        out: { elasticsearch: { url: `http://127.0.0.1:${bulkPort}`, index: "bench" } },
      },
    },
  };
  return {
    apiVersion: "outrigger.dev/v1alpha1",
    kind: "Pipeline",
    metadata: { name: "bench" },
    spec: specs[work],
  };
}

function writeFunction(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "step.ts"),
    `export default (event: Record<string, any>) => {
  event.slow = event.duration > 90 || event.http.status >= 500;
  return event;
};
`,
  );
}
