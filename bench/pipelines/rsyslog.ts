import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { part } from "../../tools/install.ts";
import { Program } from "../processes.ts";
import type { BenchedPipeline, PipelineSetup, PipelineWork } from "./pipeline_program.ts";
import { able, unable } from "./pipeline_program.ts";

const ABLE: Partial<Record<PipelineWork, string>> = {
  passthrough: "imfile, stop",
  json: "imfile, mmjsonparse, set and unset, omfile",
  "json-disk": "as json, the action's queue on disk",
  "syslog-bulk": "imptcp, omelasticsearch in bulk mode over HTTP",
};

const UNABLE: Partial<Record<PipelineWork, string>> = {
  "passthrough-disk": "- (what it throws away has no buffer)",
  regex: "- (it has no regular expression that fills several fields)",
  typescript: "- (no functions of the user's in TypeScript)",
};

export async function rsyslog(): Promise<BenchedPipeline> {
  const { path, version } = await part("rsyslog");
  return {
    name: "rsyslog",
    version,
    does(work) {
      const text = ABLE[work];
      if (text !== undefined) return able(text);
      return unable(UNABLE[work]!);
    },
    start(setup) {
      const { folder } = setup;
      const file = join(folder, "rsyslog.conf");
      mkdirSync(join(folder, "work"), { recursive: true });
      writeFileSync(file, config(setup));
      const words = ["-n", "-f", file, "-i", join(folder, "pid")];
      const program = new Program("rsyslog", [path, ...words], { cwd: folder });
      return { program, done: () => Promise.resolve(processed(join(folder, "stats"))) };
    },
  };
}

/** Events that have left its main queue, by its own statistics; null before the first ones. */
function processed(stats: string): number | null {
  if (!existsSync(stats)) return null;
  const queue = /"main Q".*"size": (\d+), "enqueued": (\d+)/g;
  const last = [...readFileSync(stats, "utf8").matchAll(queue)].at(-1);
  return last === undefined ? null : Number(last[2]) - Number(last[1]);
}

function config(setup: PipelineSetup): string {
  const { work, input, output, folder, syslogPort, bulkPort } = setup;
  const head = `global(workDirectory="${join(folder, "work")}" maxMessageSize="64k")
main_queue(queue.size="100000" queue.dequeueBatchSize="1024" queue.workerThreads="1")
`;
  const fromFile = `module(load="imfile" mode="polling" pollingInterval="1")
module(load="impstats" interval="1" format="json" log.syslog="off" log.file="${folder}/stats")
input(type="imfile" File="${input}" Tag="in" ruleset="work" addMetadata="off")
`;
  const disk =
    work === "json-disk"
      ? ` queue.type="Disk" queue.filename="out" queue.maxdiskspace="1g" queue.dequeueBatchSize="1024"`
      : "";
  if (work === "passthrough") {
    // It does not start without an action; no line gets there.
    const never = `ruleset(name="never") { action(type="omfile" file="${output}") }`;
    return `${head}${fromFile}ruleset(name="work") { stop }\n${never}\n`;
  }
  if (work === "syslog-bulk") {
    return `${head}module(load="imptcp")
module(load="omelasticsearch")
input(type="imptcp" address="127.0.0.1" port="${syslogPort}" ruleset="work")
template(name="document" type="list" option.jsonf="on") {
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="level" name="syslogseverity-text" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}
ruleset(name="work" queue.type="LinkedList" queue.size="100000" queue.dequeueBatchSize="1000") {
  action(type="omelasticsearch" server="http://127.0.0.1" serverport="${bulkPort}" template="document"
    searchIndex="bench" searchType="" bulkmode="on" maxbytes="4m")
}
`;
  }
  return `${head}${fromFile}module(load="mmjsonparse")
template(name="json" type="string" string="%$!all-json%\\n")
ruleset(name="work") {
  action(type="mmjsonparse" cookie="")
  set $!env = "prod";
  unset $!debug;
  action(type="omfile" file="${output}" template="json" ioBufferSize="256k"${disk})
}
`;
}
