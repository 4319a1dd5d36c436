/** A pipeline's policy, checked as a whole before anything of it is started. */
import type { BufferPolicy, FromPolicy, PipelineBinding, PipelinePolicy } from "../api/snapshot.ts";
import { Failure } from "../base/failure.ts";
import type { Field } from "../schema/field.ts";
import { parse } from "../schema/field.ts";
import { nodeOf } from "../schema/node.ts";
import type { SinkDefinition, SourceDefinition, TransformDefinition } from "./component.ts";
import type { Event } from "../api/event.ts";
import { compileExpression, expressionProblem } from "./expression.ts";
import { sinks as sinkList } from "./sinks/mod.ts";
import { sources as sourceList } from "./sources/mod.ts";
import { transforms as transformList } from "./transforms/mod.ts";

export interface Plan {
  readonly sources: readonly Planned<SourceDefinition<unknown>>[];
  readonly steps: readonly PlannedStep[];
  readonly sinks: readonly PlannedSink[];
}

export interface Planned<D> {
  readonly name: string;
  /** The same for the same component with the same config. */
  readonly key: string;
  readonly definition: D;
  readonly config: unknown;
}

export interface PlannedStep extends Planned<TransformDefinition<unknown>> {
  readonly route: Route;
  readonly onError: "keep" | "drop" | "deadLetter";
  readonly sheds: boolean;
}

export interface PlannedSink extends Planned<SinkDefinition<unknown>> {
  readonly route: Route;
  readonly policy: PipelinePolicy["sinks"][string];
  /** What memory has no room for goes to disk: where it is one of several and nothing else is said. */
  readonly overflows: boolean;
}

/** Which events a step or a sink is for. */
export interface Route {
  /** Null for all. */
  readonly sources: readonly string[] | null;
  /** Only events for which it is true; null for all. */
  readonly when: ((event: Event) => boolean) | null;
}

/** What a pipeline can be made of. */
export interface ComponentLists {
  readonly sources: readonly SourceDefinition<unknown>[];
  readonly transforms: readonly TransformDefinition<unknown>[];
  readonly sinks: readonly SinkDefinition<unknown>[];
}

export const COMPONENTS: ComponentLists = {
  sources: sourceList,
  transforms: transformList,
  sinks: sinkList,
};

/** @throws Failure `refused` with all problems in one message. */
export function planPipeline(
  name: string,
  policy: PipelinePolicy,
  binding: PipelineBinding,
  components: ComponentLists = COMPONENTS,
): Plan {
  const problems: string[] = [];
  const names = Object.keys(policy.sources);
  const isMany = Object.keys(policy.sinks).length > 1;
  const sinks = Object.entries(policy.sinks).map(([name, sink]) => {
    const where = `sinks.${name}`;
    const config = { ...sink.config, ...binding.sinks[name] };
    const definition = find(components.sinks, "sink", where, sink.component, problems);
    const made = prepare(definition, where, config, problems);
    const overflows = isMany && (definition?.isRemote ?? false) && isOpen(sink.buffer);
    const key = keyOf([sink.component, config, sink.buffer, sink.onError, overflows]);
    const route = routeOf(where, sink.from, names, problems);
    return { ...made!, name, key, policy: sink, overflows, route };
  });
  const steps = policy.steps.map((step, i) => {
    const where = `steps.${i}`;
    const definition = find(components.transforms, "step", where, step.component, problems);
    const made = prepare(definition, where, step.config, problems);
    const onError = step.onError ?? "keep";
    const route = routeOf(where, step.from, names, problems);
    const sheds = step.shed?.lowestFirst ?? false;
    const key = keyOf(step);
    return { ...made!, key, name: `${where}.${step.component}`, onError, sheds, route };
  });
  const sources = Object.entries(policy.sources).map(([name, source]) => {
    const where = `sources.${name}`;
    const config = { ...source.config, ...binding.sources[name] };
    const definition = find(components.sources, "source", where, source.component, problems);
    const key = keyOf([source.component, config]);
    return { ...prepare(definition, where, config, problems)!, name, key };
  });
  if (sources.length === 0) problems.push("sources: none is given, expected one at least");
  if (sinks.length === 0) problems.push("sinks: none is given, expected one at least");
  if (problems.length === 0) return { sources, steps, sinks };
  const text = `pipeline ${name}: ${problems.join("; ")}`;
  throw new Failure("refused", text, "correct the pipeline; nothing of it was started");
}

/** Neither where events wait nor what happens when they are too many is written. */
function isOpen(buffer: BufferPolicy | undefined): boolean {
  return buffer?.disk === undefined && buffer?.whenFull === undefined;
}

function keyOf(what: unknown): string {
  return JSON.stringify(what);
}

interface Defined {
  readonly name: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a list of different configs
  readonly config: Field<any>;
}

function find<D extends Defined>(
  list: readonly D[],
  kind: string,
  where: string,
  name: string,
  problems: string[],
): D | null {
  const found = list.find((definition) => definition.name === name);
  if (found !== undefined) return found;
  const names = list.map((definition) => definition.name).join(", ");
  problems.push(`${where}: "${name}" is no ${kind}, expected one of ${names}`);
  return null;
}

function prepare<D extends Defined>(
  definition: D | null,
  where: string,
  written: Readonly<Record<string, unknown>>,
  problems: string[],
): { readonly definition: D; readonly config: unknown } | null {
  if (definition === null) return null;
  const at = [...where.split("."), definition.name];
  const read = parse(definition.config, nodeOf(written), { at });
  if (read.problems.length === 0) return { definition, config: read.value };
  for (const { message, advice } of read.problems) {
    problems.push(advice === null ? message : `${message} (${advice})`);
  }
  return null;
}

function routeOf(
  where: string,
  from: FromPolicy | undefined,
  names: readonly string[],
  problems: string[],
): Route {
  const sources = from === undefined ? null : "length" in from ? from : (from.sources ?? null);
  const text = from === undefined || "length" in from ? undefined : from.when;
  for (const name of sources ?? []) {
    if (names.includes(name)) continue;
    problems.push(`${where}.from: "${name}" is no source, expected one of ${names.join(", ")}`);
  }
  if (text === undefined) return { sources, when: null };
  const wrong = expressionProblem(text, "condition");
  const compiled = compileExpression(text);
  if (wrong !== null) problems.push(`${where}.from.when: ${wrong}`);
  if (!compiled.ok) return { sources, when: null };
  return { sources, when: (event) => compiled.run(event) === true };
}
