/** What runs in an App's sidecar: its log files, each a pipeline of its own, and Pipelines it names. */
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import type { LogSpec } from "../api/app.ts";
import type { AppDocument, MeshDocument, PipelineDocument } from "../api/document.ts";
import type { LocalSite } from "../api/site.ts";
import type { ComponentPolicy, PipelineBinding, PipelinePolicy } from "../api/snapshot.ts";
import { fillTemplate } from "../api/template.ts";
import type { Path } from "../schema/node.ts";
import type { Draft } from "./draft.ts";
import type { Context } from "./source.ts";

/** The one source of a log's pipeline. */
const SOURCE = "file";
const MAX_NAME_LENGTH = 63;

type Config = Readonly<Record<string, unknown>>;

export function addLogs(draft: Draft, context: Context, app: AppDocument, local: LocalSite): void {
  const first = new Map<string, number>();
  for (const [index, log] of app.spec.logs.entries()) {
    const path = ["spec", "logs", index];
    const name = log.name ?? nameOfFile(log.file);
    const other = first.get(name);
    if (other !== undefined) {
      context.report(app, [...path, "file"], {
        found: `"${log.file}"`,
        message: `logs: logs[${other}] and logs[${index}] are both named ${name}`,
        advice: "give one of them another name",
      });
      continue;
    }
    first.set(name, index);
    addLog(draft, context, { app, local, log, path, name });
  }
}

/** A Pipeline of the same files, as it is: only where its relative names are differs. */
export function addPipelines(
  draft: Draft,
  context: Context,
  app: AppDocument,
  local: LocalSite,
): void {
  const all = context.documents.pipelines;
  for (const [index, name] of app.spec.pipelines.entries()) {
    const path = ["spec", "pipelines", index];
    const found = all.find((one) => one.name === name && one.namespace === app.namespace);
    const report = (message: string, advice: string): void =>
      context.report(app, path, { found: `"${name}"`, message, advice });
    if (found === undefined) {
      const names = all.map((one) => `${one.namespace}/${one.name}`).join(", ");
      const known = names === "" ? "the files hold none" : `there are: ${names}`;
      report(`pipelines: no Pipeline of the namespace ${app.namespace} is named ${name}`, known);
      continue;
    }
    if (draft.hasPipeline(name)) {
      report(`pipelines: a log of this App is named ${name} too`, "give the log another name");
      continue;
    }
    const folder = pipelineFolder(app, local, found);
    draft.addPipeline(name, found.spec, { sources: {}, sinks: {}, folder });
    notePipeline(draft, app, path, found);
  }
}

function pipelineFolder(app: AppDocument, local: LocalSite, pipeline: PipelineDocument): string {
  const own = dirname(pipeline.file);
  if (isAbsolute(own)) return own;
  return join(local.filesFolder ?? local.appFolder, relative(dirname(app.file), own));
}

function notePipeline(draft: Draft, app: AppDocument, path: Path, pipeline: PipelineDocument): void {
  const { name, spec } = pipeline;
  const at = ["policy", "pipelines", name];
  draft.note(at, app, path);
  draft.note(["bindings", "pipelines", name], app, path);
  for (const part of ["sources", "sinks"] as const) {
    for (const one of Object.keys(spec[part])) {
      draft.note([...at, part, one], pipeline, ["spec", part, one]);
    }
  }
  for (const index of spec.steps.keys()) {
    draft.note([...at, "steps", index], pipeline, ["spec", "steps", index]);
  }
}

interface LogParts {
  readonly app: AppDocument;
  readonly local: LocalSite;
  readonly log: LogSpec;
  readonly path: Path;
  /** The pipeline's. */
  readonly name: string;
}

function addLog(draft: Draft, context: Context, parts: LogParts): void {
  const { app, local, log, path, name } = parts;
  const sinks: Record<string, ComponentPolicy> = {};
  const places: Record<string, Config> = {};
  for (const [nth, sink] of log.to.entries()) {
    const found = sinkOf(context, app, sink);
    if (found === null) {
      context.report(app, [...path, "to", nth], {
        found: `"${sink}"`,
        message: `logs: no Mesh says where ${sink} is`,
        advice: 'add a Mesh with sinks: { elasticsearch: { url: "http://127.0.0.1:9200" } }',
      });
      continue;
    }
    sinks[sink] = { component: sink, config: found.config };
    places[sink] = { ...found.place, ...(context.site.sinks[sink] ?? {}) };
  }
  const steps = stepsOf(app, log);
  const policy: PipelinePolicy = {
    sources: { [SOURCE]: { component: "file", config: {} } },
    steps,
    sinks,
  };
  // Where the file is depends on the folder that the app runs in.
  const binding: PipelineBinding = {
    sources: { [SOURCE]: { include: [join(local.appFolder, log.file)] } },
    sinks: places,
  };
  draft.addPipeline(name, policy, binding);
  noteLog(draft, context, parts);
}

/** In the components' written form, as a Pipeline file would have it. */
function stepsOf(app: AppDocument, log: LogSpec): ComponentPolicy[] {
  const steps: ComponentPolicy[] = [];
  if (log.parse !== undefined) {
    const { format, pattern } = log.parse;
    const config = format === "regex" ? { regex: pattern } : { [format]: {} };
    steps.push({ component: "parse", config });
  }
  const fields = { app: app.name, namespace: app.namespace };
  steps.push({ component: "enrich", config: { fields } });
  return steps;
}

/** What a sink does is policy, where it is is not; null where no Mesh knows it. */
function sinkOf(
  context: Context,
  app: AppDocument,
  sink: LogSpec["to"][number],
): { readonly config: Config; readonly place: Config } | null {
  if (sink === "stdout") return { config: {}, place: {} };
  const declared = meshWithSink(context)?.spec.sinks.elasticsearch;
  if (declared === undefined) return null;
  // The day is the event's own: the sink fills it in.
  const values: Readonly<Record<string, string>> = { app: app.name, namespace: app.namespace };
  const index = fillTemplate(declared.index, (name) => values[name] ?? `{{${name}}}`);
  return { config: { index }, place: { url: declared.url } };
}

function meshWithSink(context: Context): MeshDocument | undefined {
  return context.documents.meshes.find((mesh) => mesh.spec.sinks.elasticsearch !== undefined);
}

function noteLog(draft: Draft, context: Context, { app, log, path, name }: LogParts): void {
  const at = ["policy", "pipelines", name];
  const places = ["bindings", "pipelines", name];
  draft.note(at, app, path);
  draft.note(places, app, path);
  draft.note([...at, "sources", SOURCE], app, [...path, "file"]);
  draft.note([...places, "sources", SOURCE, "include"], app, [...path, "file"]);
  if (log.parse !== undefined) {
    draft.note([...at, "steps", 0], app, [...path, "parse"]);
    const member = log.parse.format;
    draft.note([...at, "steps", 0, "config", member], app, [...path, "parse"]);
  }
  for (const [nth, sink] of log.to.entries()) {
    draft.note([...at, "sinks", sink], app, [...path, "to", nth]);
    draft.note([...at, "sinks", sink, "component"], app, [...path, "to", nth]);
    if (sink !== "elasticsearch") continue;
    const mesh = meshWithSink(context);
    if (mesh === undefined) continue;
    const field = ["spec", "sinks", "elasticsearch"];
    draft.note([...at, "sinks", sink, "config", "index"], mesh, [...field, "index"]);
    draft.note([...places, "sinks", sink, "url"], mesh, [...field, "url"]);
  }
}

/** `events` of `logs/events.log`: a label, as names of pipelines are. */
function nameOfFile(file: string): string {
  const stem = basename(file).replace(/(?<=.)\.[^.]*$/, "");
  const label = stem
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, MAX_NAME_LENGTH)
    .replaceAll(/^-+|-+$/g, "");
  return label === "" ? "log" : label;
}
