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
  boolean,
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
import { anything } from "../schema/anything.ts";
import type { Shape } from "../schema/collections.ts";
import { readMember, reportUnknown } from "../schema/collections.ts";
import type { MapNode, Path } from "../schema/node.ts";
import { entryOf, pathText, valueOf } from "../schema/node.ts";
import { adviceFor } from "../schema/spelling.ts";
import { wrongType } from "../schema/scalars.ts";
import { LABEL_EXPECTED, LABEL_PATTERN } from "./names.ts";
import type { ComponentPolicy, FromPolicy } from "./snapshot.ts";

/** Component definitions, by name; a `.later` one is known and refused. */
export interface PipelineComponents {
  readonly sources: Readonly<Record<string, AnyField>>;
  readonly transforms: Readonly<Record<string, AnyField>>;
  readonly sinks: Readonly<Record<string, AnyField>>;
  /** What `when` says, in its written form; any text where nobody can read it. */
  readonly condition?: Field<string>;
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

const NAMES = { key: LABEL_PATTERN, keyExpected: LABEL_EXPECTED, max: 100 };

const sourceNames = list(text({ pattern: LABEL_PATTERN, expected: "the name of a source" }), {
  min: 1,
  unique: true,
});

function fromField(condition: Field<string>) {
  return oneOf(
    sourceNames,
    object({
      sources: sourceNames.about("Names of sources; all by default.").optional(),
      when: condition
        .about("A condition on the event; an event for which it is not true passes by.")
        .optional(),
    }).check((value, report) => {
      if (value.sources !== undefined || value.when !== undefined) return;
      report("", "from says nothing: expected names of sources, or when, or both");
    }),
  ).example(["app"]);
}

const buffer = object({
  maxEvents: integer({ min: 1, max: 10_000_000 })
    .about("20000: some seconds of a busy app. With `disk`: how many of them are in memory too.")
    .default(20_000),
  maxBytes: size({ min: "1Ki", max: "4Gi" })
    .about("16MiB: it counts against the pipeline's memory.")
    .default("16Mi"),
  disk: size({ min: "1Mi", max: "1Ti" })
    .about(
      "Events are written to files of at most so many bytes below the state folder and are then" +
        " acknowledged to their source: they outlive the program, a kill -9, and an outage of" +
        " what the sink sends to. Without it, and without `whenFull`: a sink that sends to another" +
        " program, in a file with two sinks or more, waits in memory as long as it keeps up, and" +
        " behind that in such files of at most 256 MiB, so that a slow one stops no other; all" +
        " other sinks wait in memory only.",
    )
    .example("1GiB")
    .optional(),
  whenFull: choice(["block", "drop", "dropLowest"])
    .about(
      "What happens at the bound (of the files, where events wait on disk). `block` (the default):" +
        " the sources wait, and with them every other sink of theirs; nothing is lost. Written" +
        " without `disk`, it keeps the sink's events in memory only. `drop`: what comes then is" +
        " dropped for this sink (reason `buffer-full:NAME`), and no other sink notices." +
        " `dropLowest`: the same, and as the buffer fills the lowest classes of a `classify` step" +
        " are dropped first (reason `shed:CLASS`), from half full on.",
    )
    .optional(),
  fsync: choice(["each", "interval", "never"])
    .about(
      "When what was written to disk is durable and acknowledged: `each` write (survives a crash" +
        " of the machine, slow), every second or 8 MiB (`interval`, the default: the source" +
        " acknowledges that much later), or `never` (survives the program, not the machine).",
    )
    .optional(),
});

const shed = object({
  lowestFirst: boolean()
    .about("While a sink pushes back, the lowest classes give way, from half full buffers on."),
});

function testField() {
  return object({
    name: text().about("What it shows.").optional(),
    in: anything()
      .about("A line as the source reads it, or the fields of an event.")
      .example({ level: "info", message: "hello" }),
    source: text({ pattern: LABEL_PATTERN, expected: "the name of a source" })
      .about("Of which source it is; the first by default.")
      .optional(),
    out: list(map(anything(), { max: 1000 }), { max: 1000 })
      .about("The events that come out behind the steps; a field that is not named is free.")
      .optional(),
    dropped: text().about("The reason for which it is dropped or refused.").optional(),
  }).check((value, report) => {
    if (value.out !== undefined || value.dropped !== undefined) return;
    report("", "a test says what comes out: expected out or dropped");
  });
}

/** The Pipeline file for a list of components. */
export function pipelineSpec(components: PipelineComponents) {
  const from = fromField(components.condition ?? text({ expected: "a condition" }));
  const step = component("step", components.transforms, {
    from: from.about("Works on these events only; on all by default. The others pass by.").optional(),
    onError: choice(["keep", "drop", "deadLetter"])
      .about(
        "What becomes of an event that the step cannot read: `keep` (it goes on with a field " +
          "`parse_error`, the default: nothing is lost), `drop`, `deadLetter` (into a file).",
      )
      .optional(),
    shed: shed.about("With `classify`: what gives way while a sink pushes back.").optional(),
  });
  const sink = component("sink", components.sinks, {
    from: from.about("Gets these events only; all by default.").optional(),
    buffer: buffer.about("What may wait for the sink, in memory or on disk.").optional(),
    onError: choice(["drop", "deadLetter"])
      .about(
        "What becomes of an event that the sink refuses for good: `deadLetter` (the default: into" +
          " a file, with the reason), `drop`.",
      )
      .optional(),
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
    tests: list(testField(), { max: 1000 })
      .about("Examples that `outrigger pipeline test` runs through the steps.")
      .optional(),
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
  at: Path,
  from: FromPolicy | undefined,
  sources: object,
  report: CheckReport,
): void {
  const isList = from !== undefined && "length" in from;
  const path = isList ? at : [...at, "sources"];
  const names = isList ? from : from?.sources;
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
