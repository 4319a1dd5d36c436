import type { AnyField, CheckReport, Infer, JsonSchema, Part, Reading, Rule } from "../schema/field.ts";
import { Field, INVALID, fieldSchema, list, map, object } from "../schema/field.ts";
import { readMember, reportUnknown } from "../schema/collections.ts";
import type { MapNode, Node } from "../schema/node.ts";
import { entryOf, valueOf } from "../schema/node.ts";
import { wrongType } from "../schema/scalars.ts";
import { LABEL_EXPECTED, LABEL_PATTERN } from "./names.ts";
import type { ComponentPolicy } from "./snapshot.ts";

/** Component definitions, by name; a `.later` one is known and refused. */
export interface PipelineComponents {
  readonly sources: Readonly<Record<string, AnyField>>;
  readonly transforms: Readonly<Record<string, AnyField>>;
  readonly sinks: Readonly<Record<string, AnyField>>;
}

/** For files without pipelines. */
export const NO_COMPONENTS: PipelineComponents = { sources: {}, transforms: {}, sinks: {} };

/**
 * An object with exactly one component as its key, and common keys beside it:
 * `{ file: { include: [...] } }`. Parsed to `{ component, config }` with the config as it is written:
 * the component reads it by the same definition, after its bindings were merged over it.
 */
export function component(
  what: "source" | "step" | "sink",
  definitions: Readonly<Record<string, AnyField>>,
  common: Readonly<Record<string, AnyField>> = {},
): Field<ComponentPolicy> {
  const names = Object.keys(definitions);
  const expected = `a ${what} such as ${names[0] ?? "NAME"}: {...}`;
  const all: Readonly<Record<string, AnyField>> = { ...common, ...definitions };
  const offered = Object.keys(all).filter((name) => all[name]!.meta.later === null);
  const rule: Rule<ComponentPolicy> = {
    kinds: ["map"],
    expected,
    parts: (): Part[] => Object.keys(all).map((step) => ({ step, field: all[step]! })),
    jsonSchema: (): JsonSchema => ({
      type: "object",
      properties: Object.fromEntries(Object.keys(all).map((key) => [key, fieldSchema(all[key]!)])),
      additionalProperties: false,
      oneOf: names.map((name) => ({ required: [name] })),
    }),
    read: (node, reading) => {
      if (node.kind !== "map") return wrongType(node, reading, expected);
      let failed = reportUnknown(node, Object.keys(all), reading, offered);
      for (const name of Object.keys(common)) {
        if (readMember(all[name]!, name, node, reading) === INVALID) failed = true;
      }
      const written = node.entries.map((entry) => entry.key).filter((key) => names.includes(key));
      if (written.length !== 1) return failed ? INVALID : wrongCount(what, written, offered, node, reading);
      const config: unknown = readMember(all[written[0]!]!, written[0]!, node, reading);
      if (failed || config === INVALID) return INVALID;
      const given = entryOf(node, written[0]!)!.value;
      return { component: written[0]!, config: valueOf(given) as ComponentPolicy["config"] };
    },
  };
  return new Field(rule);
}

function wrongCount(
  what: string,
  written: readonly string[],
  known: readonly string[],
  node: MapNode,
  reading: Reading,
): typeof INVALID {
  if (written.length === 0) {
    reading.problem(node, `${reading.name}: a ${what} needs a component`, `known are ${known.join(", ")}`);
  } else {
    const advice = `make it ${written.length} ${what}s`;
    reading.problem(node, `${reading.name}: a ${what} with both ${written.join(" and ")}`, advice);
  }
  return INVALID;
}

/** Any value: for fields whose shape comes with their feature. */
function anything(): Field<unknown> {
  const rule: Rule<unknown> = {
    kinds: ["text", "number", "boolean", "null", "list", "map"],
    expected: "any value",
    parts: () => [],
    jsonSchema: () => ({}),
    read: (node: Node) => node,
  };
  return new Field(rule);
}

const NAMES = { key: LABEL_PATTERN, keyExpected: LABEL_EXPECTED, max: 100 };

/** The Pipeline file for a list of components. */
export function pipelineSpec(components: PipelineComponents) {
  const from = anything().later("every event takes all steps and goes to every sink");
  const step = component("step", components.transforms, {
    from,
    onError: anything().later("an event that a step cannot read goes on as it is"),
    shed: anything().later("nothing is shed: a full sink holds its sources back"),
  });
  const sink = component("sink", components.sinks, {
    from,
    buffer: anything().later("events wait at their source, not in a buffer on disk"),
  });
  return object({
    sources: map(component("source", components.sources).about("One component with its config."), {
      ...NAMES,
    })
      .about("Where events come from, by a name of its own.")
      .example({ app: { file: { include: ["logs/*.log"] } } }),
    steps: list(step.about("One component with its config."), { max: 100 })
      .about("What happens to each event, in order. Nothing by default.")
      .default([])
      .example([{ parse: { json: {} } }]),
    sinks: map(sink.about("One component with its config."), NAMES)
      .about("Where events go, by a name of its own. An event is done when all have taken it.")
      .example({ out: { stdout: {} } }),
    tests: anything().later("tests of a pipeline are not run yet"),
  })
    .checkOf(["sources"], (spec, report) => needsOne("source", spec.sources, report))
    .checkOf(["sinks"], (spec, report) => needsOne("sink", spec.sinks, report));
}

function needsOne(what: string, written: object, report: CheckReport): void {
  if (Object.keys(written).length > 0) return;
  report(`${what}s`, `${what}s is empty: a pipeline needs one ${what} at least`, `add a ${what}`);
}

export type PipelineSpec = Infer<ReturnType<typeof pipelineSpec>>;
