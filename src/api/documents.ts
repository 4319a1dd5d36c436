import type { AnyField } from "../schema/field.ts";
import { INVALID, map, object, parse, text } from "../schema/field.ts";
import { Reading } from "../schema/field_core.ts";
import type { MapNode, Node, Path } from "../schema/node.ts";
import { entryOf, parsePath, pathText, placeOf } from "../schema/node.ts";
import { ProblemList, foundText, shorten } from "../schema/problem.ts";
import { readYaml } from "../schema/read_yaml.ts";
import { adviceFor } from "../schema/spelling.ts";
import type { AppSpec } from "./app.ts";
import { appShape, appSpec } from "./app.ts";
import { annotations } from "./annotations.ts";
import { checkDocuments } from "./check_documents.ts";
import type {
  AppDocument,
  Documents,
  Kind,
  Mention,
  MeshDocument,
  PipelineDocument,
  Source,
  View,
} from "./document.ts";
import { KINDS } from "./document.ts";
import type { MeshSpec } from "./mesh.ts";
import { meshShape, meshSpec } from "./mesh.ts";
import { label } from "./names.ts";
import type { PipelineComponents } from "./pipeline.ts";
import { NO_COMPONENTS, pipelineSpec } from "./pipeline.ts";
import type { Origin } from "./snapshot.ts";
import { API_VERSION, FILE_VERSIONS, toNewest } from "./versions.ts";

export { KINDS } from "./document.ts";
export type {
  AnyDocument,
  AppDocument,
  Documents,
  Kind,
  Loaded,
  Mention,
  MeshDocument,
  PipelineDocument,
  Source,
} from "./document.ts";

/** A set of files holds at most as many documents: ten times a thousand Apps. */
const MAX_TOTAL_DOCUMENTS = 10_000;

/** Reads files, checks each document and then what they say of each other. Never throws. */
export function loadDocuments(
  sources: readonly Source[],
  components: PipelineComponents = NO_COMPONENTS,
): Documents {
  const problems = new ProblemList();
  const loader = new Loader(problems, components);
  for (const source of sources) loader.readSource(source);
  checkDocuments(loader, problems);
  const { problems: shown, more } = problems.sorted(sources.map((source) => source.file));
  const { apps, meshes, pipelines } = loader;
  return { apps, meshes, pipelines, problems: shown, moreProblems: more };
}

const metadata = object({
  name: label().about("Unique among documents of its kind in its namespace.").example("api"),
  namespace: label()
    .about('Documents that belong together; "default" where nothing is said.')
    .default("default")
    .example("shop"),
  labels: map(text({ scalars: true, minLength: 0, maxLength: 63 }), {
    key: /^(?:[a-z0-9.-]{1,253}\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
    keyExpected: 'a label such as "team" or "example.com/team"',
    keyName: "LABEL",
    max: 100,
  })
    .about("Marks of your own.")
    .default({})
    .example({ team: "checkout" }),
  annotations,
});

const VERSION_PATTERN = new RegExp(
  `^(?:${FILE_VERSIONS.map((one) => one.apiVersion.replaceAll(".", "\\.")).join("|")})$`,
);

/** The envelope of each document, with its spec's field. */
export function envelope(kind: Kind, spec: AnyField) {
  return object({
    apiVersion: text({
      pattern: VERSION_PATTERN,
      expected: `"${API_VERSION}"`,
    })
      .about("The version of this file's format.")
      .example(API_VERSION),
    kind: text({ pattern: new RegExp(`^${kind}$`), expected: `"${kind}"` })
      .about("App: one app. Mesh: what Apps share. Pipeline: events from sources to sinks.")
      .example(kind),
    metadata: metadata.about("Its name and where it belongs.").example({ name: "api" }),
    spec,
  });
}

/** The definition of each kind's spec. */
export function specFields(components: PipelineComponents): Readonly<Record<Kind, AnyField>> {
  return {
    App: appSpec.about("What the App is and what it calls."),
    Mesh: meshSpec.about("What Apps share."),
    Pipeline: pipelineSpec(components).about("Where events come from, pass and go."),
  };
}

class Loader {
  readonly apps: AppDocument[] = [];
  readonly meshes: MeshDocument[] = [];
  readonly pipelines: PipelineDocument[] = [];
  readonly mentions: Mention[] = [];
  readonly appViews: View<AppSpec>[] = [];
  readonly meshViews: View<MeshSpec>[] = [];
  readonly #specs: Readonly<Record<Kind, AnyField>>;
  #documents = 0;

  constructor(
    private readonly problems: ProblemList,
    components: PipelineComponents,
  ) {
    this.#specs = specFields(components);
  }

  readSource({ file, text: written }: Source): void {
    const { documents, problems } = readYaml(file, written);
    for (const problem of problems) this.problems.add(problem);
    if (documents.length === 0 && problems.length === 0) {
      const advice = "write an App: outrigger init makes a first one";
      this.#problem(file, { line: 1, column: 1 }, [], "the file holds no document", advice);
    }
    for (const document of documents) {
      if (++this.#documents > MAX_TOTAL_DOCUMENTS) {
        const message = `more than ${MAX_TOTAL_DOCUMENTS} documents`;
        this.#problem(file, document, [], message, "give fewer files at once");
        return;
      }
      this.#readDocument(file, document);
    }
  }

  #readDocument(file: string, document: Node): void {
    if (document.kind !== "map") {
      const expected = "an object with apiVersion, kind, metadata and spec";
      const message = `found ${foundText(document)}, expected ${expected}`;
      this.#problem(file, document, [], message, null);
      return;
    }
    const newest = this.#inNewestVersion(file, document);
    if (newest === null) return;
    const kind = this.#kindOf(file, newest);
    if (kind === null) return;
    const whole = parse(envelope(kind, this.#specs[kind]), newest, { file, root: newest });
    for (const problem of whole.problems) this.problems.add(problem);
    const meta = readMetadata(file, newest);
    if (meta === null) return;
    const nameNode = entryOf(entryOf(newest, "metadata")?.value, "name")!.value;
    const { line, column } = nameNode;
    this.mentions.push({ kind, namespace: meta.namespace, name: meta.name, file, line, column });
    const origin = (path: string | Path) => originOf(file, newest, path);
    const { value } = whole;
    this.#view({ kind, ...meta, file, origin }, value?.spec as object | undefined, newest);
    if (value === undefined) return;
    const loaded = {
      kind,
      ...meta,
      spec: value.spec as unknown,
      file,
      origin,
      wrote: (path: string | Path) => wroteIn(newest, path),
      notes: whole.notes,
    };
    if (kind === "App") this.apps.push(loaded as AppDocument);
    else if (kind === "Mesh") this.meshes.push(loaded as MeshDocument);
    else this.pipelines.push(loaded as PipelineDocument);
  }

  #view(
    document: Pick<View<object>, "kind" | "namespace" | "name" | "file" | "origin">,
    spec: object | undefined,
    root: MapNode,
  ): void {
    if (document.kind === "Pipeline") return;
    const shape = document.kind === "App" ? appShape : meshShape;
    const read =
      spec === undefined
        ? readPartially(shape, entryOf(root, "spec")?.value)
        : { spec, wrong: new Set<string>() };
    if (document.kind === "App") this.appViews.push({ ...document, ...read });
    else this.meshViews.push({ ...document, ...read });
  }

  #inNewestVersion(file: string, document: MapNode): MapNode | null {
    const entry = entryOf(document, "apiVersion");
    const advice = `write apiVersion: ${API_VERSION}`;
    if (entry === undefined) {
      this.#problem(file, document, [], "the document has no apiVersion", advice);
      return null;
    }
    const { value } = entry;
    const converted = value.kind === "text" ? toNewest(document, value.value) : null;
    if (converted !== null && converted.kind === "map") return converted;
    const known = FILE_VERSIONS.map((version) => version.apiVersion).join(", ");
    const message = `apiVersion: found ${foundText(value)}, known are ${known}`;
    this.#problem(file, value, ["apiVersion"], message, advice);
    return null;
  }

  #kindOf(file: string, document: MapNode): Kind | null {
    const entry = entryOf(document, "kind");
    if (entry === undefined) {
      const advice = `add ${KINDS.map((known) => `kind: ${known}`).join(" or ")}`;
      this.#problem(file, document, [], "the document has no kind", advice);
      return null;
    }
    const { value } = entry;
    const kind = KINDS.find((known) => value.kind === "text" && value.value === known);
    if (kind !== undefined) return kind;
    const advice = adviceFor(value.kind === "text" ? value.value : "", KINDS);
    this.#problem(file, value, ["kind"], `kind: found ${foundText(value)}`, advice);
    return null;
  }

  #problem(
    file: string,
    place: { readonly line: number; readonly column: number },
    path: Path,
    message: string,
    advice: string | null,
  ): void {
    const { line, column } = place;
    this.problems.add({ file, line, column, field: pathText(path), found: null, message, advice });
  }
}

/** The fields that can be read by themselves, and of `calls` each call that can. */
function readPartially(
  shape: Readonly<Record<string, AnyField>>,
  spec: Node | undefined,
): { readonly spec: object; readonly wrong: ReadonlySet<string> } {
  const value: Record<string, unknown> = {};
  const wrong = new Set<string>();
  for (const [name, field] of Object.entries(shape)) {
    const node = entryOf(spec, name)?.value;
    if (node === undefined) {
      value[name] = field.defaultValue();
      continue;
    }
    const whole = parse(field, node);
    if (whole.problems.length === 0) value[name] = whole.value as unknown;
    else {
      wrong.add(name);
      if (name === "calls" && node.kind === "map") {
        const calls = node.entries.map(
          (entry) => parse(field, { ...node, entries: [entry] }).value,
        );
        value[name] = Object.assign(Object.create(null), ...calls);
      }
    }
  }
  return { spec: value, wrong };
}

/** Name, namespace, labels and annotations where these are right, whatever the spec is. */
function readMetadata(
  file: string,
  document: MapNode,
): {
  name: string;
  namespace: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
} | null {
  const node = entryOf(document, "metadata")?.value;
  if (node === undefined) return null;
  const ignore = (): void => {};
  const value = metadata.read(node, new Reading(file, document, ignore, ignore, ["metadata"]));
  return value === INVALID ? null : value;
}

function originOf(file: string, document: Node, path: string | Path): Origin {
  const steps = typeof path === "string" ? parsePath(path) : path;
  const { place } = placeOf(document, steps);
  return { file, line: place.line, column: place.column, field: pathText(steps) };
}

function wroteIn(document: Node, path: string | Path): boolean {
  const steps = typeof path === "string" ? parsePath(path) : path;
  return placeOf(document, steps).depth === steps.length;
}

/** `App shop/api`, as messages name a document. */
export function documentName(document: {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}): string {
  return `${document.kind} ${shorten(document.namespace)}/${shorten(document.name)}`;
}
