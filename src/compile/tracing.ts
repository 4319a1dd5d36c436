/** Which requests are traced, and where their spans go. */
import type { AppDocument } from "../api/document.ts";
import type { TracingPolicy } from "../api/tracing.ts";
import { tracingBinding, tracingPolicy } from "../api/tracing_spec.ts";
import type { Draft } from "./draft.ts";
import type { Context } from "./source.ts";
import { percentText } from "./words.ts";

const AT = ["policy", "tracing"];
const FIELD = ["spec", "tracing"];
const OWN_SAMPLE = ["spec", "sidecar", "tracing", "sample"];

/** Nothing where no Mesh says where spans go. `app` is null for the gateway. */
export function addTracing(draft: Draft, context: Context, app: AppDocument | null): void {
  const own = app?.spec.sidecar.tracing?.sample;
  const mesh = context.documents.meshes.find(({ spec }) => spec.tracing !== undefined);
  if (mesh === undefined) {
    if (app === null || own === undefined) return;
    context.report(app, OWN_SAMPLE, {
      message: "sidecar.tracing: no Mesh says where spans go",
      advice: 'add a Mesh with tracing: { zipkin: "http://127.0.0.1:9411" }',
    });
    return;
  }
  const spec = mesh.spec.tracing!;
  draft.setTracing(tracingPolicy(spec, own), tracingBinding(spec));
  const collector = [...FIELD, spec.otlp === undefined ? "zipkin" : "otlp"];
  draft.note(AT, mesh, FIELD);
  draft.note([...AT, "exporter"], mesh, collector);
  draft.note([...AT, "write"], mesh, [...FIELD, "write"]);
  draft.note([...AT, "ratio"], mesh, [...FIELD, "sample"]);
  if (app !== null) draft.note([...AT, "ratio"], app, OWN_SAMPLE);
  draft.note(["bindings", "tracing"], mesh, FIELD);
  draft.note(["bindings", "tracing", "url"], mesh, collector);
}

export function tracingText({ ratio, exporter, write }: TracingPolicy): string {
  const to = exporter === "otlp" ? "OTLP" : "Zipkin";
  return `${percentText(ratio)} of the traces that begin here, by ${to}; passed on as ${write.join(", ")}`;
}
