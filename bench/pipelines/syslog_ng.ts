import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { part } from "../../tools/install.ts";
import { Program } from "../processes.ts";
import type { BenchedPipeline, PipelineSetup, PipelineWork } from "./pipeline_program.ts";
import { abilities, COMBINED } from "./pipeline_program.ts";

const ABLE: Partial<Record<PipelineWork, string>> = {
  passthrough: "file source without parsing, a filter that takes nothing",
  json: "json-parser, set and unset, format-json into a file",
  "json-disk": "as json, a reliable disk-buffer",
  regex: "regexp-parser, format-json into a file",
  "syslog-bulk": "syslog source over TCP, the bodies into a file (its HTTP module is not here)",
};

export async function syslogNg(): Promise<BenchedPipeline> {
  const { path, version, env } = await part("syslog-ng");
  // Its folder of modules is compiled in, and it was unpacked elsewhere.
  const modules = env["LD_LIBRARY_PATH"]?.split(":").find((one) => /syslog-ng\/[\d.]+$/.test(one));
  return {
    name: "syslog-ng",
    version,
    does: abilities(ABLE),
    start(setup) {
      const { folder } = setup;
      const file = join(folder, "syslog-ng.conf");
      writeFileSync(file, config(setup));
      const own = (name: string): string => join(folder, name);
      const words = [
        "-F",
        "--no-caps",
        ...(modules === undefined ? [] : [`--module-path=${modules}`]),
        "-f",
        file,
        "-R",
        own("persist"),
        "-p",
        own("pid"),
        "-c",
        own("ctl"),
      ];
      const program = new Program("syslog-ng", [path, ...words], { cwd: folder });
      return { program, done: () => Promise.resolve(null) };
    },
  };
}

function config(setup: PipelineSetup): string {
  const { work, input, output, folder, syslogPort } = setup;
  const head = `@version: 3.38
options { flush-lines(1000); log-fifo-size(200000); stats-freq(0); threaded(no); };
source files { file("${input}" flags(no-parse) follow-freq(0.1) log-fetch-limit(1000)
  log-iw-size(100000) persist-name("in")); };
`;
  if (work === "passthrough") {
    return `${head}filter none { message("no line has this" type(string)); };
destination out { file("${output}"); };
log { source(files); filter(none); destination(out); };
`;
  }
  if (work === "syslog-bulk") {
    const action = '{\\"create\\":{\\"_index\\":\\"bench\\"}}';
    const values = "time=$ISODATE level=$LEVEL host=$HOST app=$PROGRAM message=$MESSAGE";
    const document = `$(format-json ${values})`;
    return `@version: 3.38
options { flush-lines(1000); log-fifo-size(200000); stats-freq(0); keep-hostname(yes); use-dns(no); };
source net { syslog(ip("127.0.0.1") port(${syslogPort}) transport("tcp") log-fetch-limit(1000)
  log-iw-size(100000) flags(syslog-protocol)); };
destination out { file("${output}" template("${action}\\n${document}\\n")); };
log { source(net); destination(out); flags(flow-control); };
`;
  }
  const disk =
    work === "json-disk"
      ? ` disk-buffer(reliable(yes) disk-buf-size(1073741824) mem-buf-size(16777216) dir("${folder}"))`
      : "";
  const pattern = COMBINED.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  const parser =
    work === "regex"
      ? `parser work { regexp-parser(patterns("${pattern}") prefix("f.")); };`
      : `parser work { json-parser(prefix("f.")); };`;
  const edits =
    work === "regex"
      ? ""
      : `rewrite edits { set("prod" value("f.env")); unset(value("f.debug")); };`;
  return `${head}${parser}
${edits}
destination out { file("${output}" template("$(format-json --key f.* --shift-levels 1)\\n")${disk}); };
log { source(files); parser(work);${edits === "" ? "" : " rewrite(edits);"} destination(out);
  flags(flow-control); };
`;
}
