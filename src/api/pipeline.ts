import type {
  AnyField,
  CheckReport,
  Infer,
  JsonSchema,
  ObjectOf,
  Part,
  Reading,
  Rule,
} from "../schema/field.ts";
import {
  Field,
  INVALID,
  choice,
  fieldSchema,
  integer,
  list,
  map,
  object,
  oneOf,
  size,
  text,
} from "../schema/field.ts";
import type { Shape } from "../schema/collections.ts";
import { readMember, reportUnknown } from "../schema/collections.ts";
import type { MapNode, Node, Path } from "../schema/node.ts";
import { entryOf, pathText, valueOf } from "../schema/node.ts";
import { adviceFor } from "../schema/spelling.ts";
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
 * `{ file: { include: [...] } }`. Parsed to `{ component, config }` and the common fields. The
 * config stays as it is written: the component reads it by the same definition, after its bindings
 * were merged over it.
 */
export function component<S extends Shape>(
  what: "source" | "step" | "sink",
  definitions: Readonly<Record<string, AnyField>>,
  common: S,
): Field<ComponentPolicy & ObjectOf<S>> {
  const names = Object.keys(definitions);
  const expected = `a ${what} such as ${names[0] ?? "NAME"}: {...}`;
  const all: Readonly<Record<string, AnyField>> = { ...definitions, ...common };
  const offered = Object.keys(all).filter((name) => all[name]!.meta.later === null);
  const rule: Rule<ComponentPolicy & ObjectOf<S>> = {
    kinds: ["map"],
    expected,
    parts: (): Part[] => Object.keys(all).map((step) => ({ step, field: all[step]! })),
    jsonSchema: (): JsonSchema => ({
      type: "object",
      properties: Object.fromEntries(Object.keys(all).map((key) => [key, fieldSchema(all[key]!)])),
      additionalProperties: false,
      ...(names.length === 0 ? {} : { oneOf: names.map((name) => ({ required: [name] })) }),
    }),
    read: (node, reading) => {
      if (node.kind !== "map") return wrongType(node, reading, expected);
      let failed = reportUnknown(node, Object.keys(all), reading, offered);
      const shared: Record<string, unknown> = {};
      for (const name of Object.keys(common)) {
        const value = readMember(all[name]!, name, node, reading);
        if (value === INVALID) failed = true;
        else if (value !== undefined) shared[name] = value;
      }
      const written = node.entries.map((entry) => entry.key).filter((key) => names.includes(key));
      if (written.length !== 1) {
        const known = names.filter((name) => offered.includes(name));
        return failed ? INVALID : wrongCount(what, written, known, node, reading);
      }
      const config: unknown = readMember(all[written[0]!]!, written[0]!, node, reading);
      if (failed || config === INVALID) return INVALID;
      const given = entryOf(node, written[0]!)!.value;
      const own = valueOf(given) as ComponentPolicy["config"];
      return { component: written[0]!, config: own, ...(shared as ObjectOf<S>) };
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
    reading.problem(
      node,
      `${reading.name}: a ${what} needs a component`,
      `known are ${known.join(", ")}`,
    );
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

const from = oneOf(
  list(text({ pattern: LABEL_PATTERN, expected: "the name of a source" }), {
    min: 1,
    unique: true,
  }),
  object({ when: text().later("conditions are missing, only names of sources can stand here") })
    .check((_value, report) => report("", "expected a list of names of sources"))
    .as(() => [] as readonly string[]),
).example(["app"]);

const buffer = object({
  maxEvents: integer({ min: 1, max: 10_000_000 })
    .about("20000: some seconds of a busy app.")
    .default(20_000),
  maxBytes: size({ min: "1Ki", max: "4Gi" })
    .about("16MiB: it counts against the pipeline's memory.")
    .default("16Mi"),
  disk: anything().later("events wait at their source, not in a buffer on disk"),
  whenFull: anything().later("a full buffer always holds its sources back"),
});

/** The Pipeline file for a list of components. */
export function pipelineSpec(components: PipelineComponents) {
  const step = component("step", components.transforms, {
    from: from.about("Works on events of these sources only; of all by default.").optional(),
    onError: choice(["keep", "drop", "deadLetter"])
      .about(
        "What becomes of an event that the step cannot read: `keep` (it goes on with a field " +
          "`parse_error`, the default: nothing is lost), `drop`, `deadLetter` (into a file).",
      )
      .optional(),
    shed: anything().later("nothing is shed: a full sink holds its sources back"),
  });
  const sink = component("sink", components.sinks, {
    from: from.about("Gets events of these sources only; of all by default.").optional(),
    buffer: buffer.about("What may wait for the sink in memory; then its sources wait.").optional(),
  });
  return object({
    sources: map(
      component("source", components.sources, {}).about("One component with its config."),
      {
        ...NAMES,
      },
    )
      .about("Where events come from, by a name of its own.")
      .example({ app: { file: { include: ["logs/*.log"] } } }),
    steps: list(step.about("One component with its config."), { max: 100 })
      .about("What happens to each event, in order. Nothing by default.")
      .default([])
      .example([{ parse: { json: {} } }]),
    sinks: map(sink.about("One component with its config."), NAMES)
      .about("Where events go, by a name of its own. An event is done when all have taken it.")
      .example({ out: { stdout: {} } }),
    tests: anything().later("tests of a pipeline are not run"),
  })
    .checkOf(["sources"], (spec, report) => needsOne("source", spec.sources, report))
    .checkOf(["sinks"], (spec, report) => needsOne("sink", spec.sinks, report))
    .checkOf(["sources", "steps"], (spec, report) => {
      for (const [index, one] of spec.steps.entries()) {
        checkFrom(["steps", index, "from"], one.from, spec.sources, report);
      }
    })
    .checkOf(["sources", "sinks"], (spec, report) => {
      for (const [name, one] of Object.entries(spec.sinks)) {
        checkFrom(["sinks", name, "from"], one.from, spec.sources, report);
      }
    });
}

function checkFrom(
  path: Path,
  names: readonly string[] | undefined,
  sources: object,
  report: CheckReport,
): void {
  for (const [index, name] of (names ?? []).entries()) {
    if (Object.hasOwn(sources, name)) continue;
    const message = `${pathText(path)}: "${name}" is not a name of sources`;
    report([...path, index], message, adviceFor(name, Object.keys(sources)));
  }
}

function needsOne(what: string, written: object, report: CheckReport): void {
  if (Object.keys(written).length > 0) return;
  report(`${what}s`, `${what}s is empty: a pipeline needs one ${what} at least`, `add a ${what}`);
}

export type PipelineSpec = Infer<ReturnType<typeof pipelineSpec>>;
