/** A chart's values: one list from which values.yaml, values.schema.json and a table come. */
import type { JsonSchema } from "../../schema/field.ts";
import { plainYaml } from "../kubernetes/plain_yaml.ts";
import type { Plain } from "../kubernetes/sourced.ts";

export interface ValueNote {
  /** One sentence or two. */
  readonly about: string;
  /** Of its type and bounds. */
  readonly schema: JsonSchema;
}

interface Leaf extends ValueNote {
  readonly value: Plain;
}

type Members = Map<string, Leaf | Group>;

interface Group {
  readonly members: Members;
  about: string;
}

export class ChartValues {
  readonly #root: Group = { members: new Map(), about: "" };

  /** A second one of the same path is the first one's. */
  add(path: readonly string[], value: Plain, note: ValueNote): void {
    const { members } = this.#groupAt(path.slice(0, -1));
    const name = path.at(-1)!;
    if (!members.has(name)) members.set(name, { value, ...note });
  }

  /** What a group of values is for; it is listed where it was first spoken of. */
  describe(path: readonly string[], about: string): void {
    this.#groupAt(path).about = about;
  }

  /** Its default; undefined for a group and for what is not there. */
  valueAt(path: readonly string[]): Plain | undefined {
    let at: Leaf | Group | undefined = this.#root;
    for (const step of path) {
      at = at !== undefined && "members" in at ? at.members.get(step) : undefined;
    }
    return at !== undefined && "value" in at ? at.value : undefined;
  }

  #groupAt(path: readonly string[]): Group {
    let group = this.#root;
    for (const step of path) {
      let next = group.members.get(step);
      if (next === undefined) group.members.set(step, (next = { members: new Map(), about: "" }));
      if (!("members" in next)) throw new Error(`${path.join(".")} is a value and a group`);
      group = next;
    }
    return group;
  }

  /** values.yaml: each value with its sentence. */
  yaml(): string {
    return lines(this.#root, "").join("\n").replace(/^\n/, "") + "\n";
  }

  /** values.schema.json (draft 7: what every Helm 3 reads). */
  schema(title: string): string {
    const { properties, ...rest } = schemaOf(this.#root) as { properties: JsonSchema };
    const whole = {
      $schema: "http://json-schema.org/draft-07/schema#",
      title,
      ...rest,
      // A parent chart hands its own down by this name.
      properties: { ...properties, global: { type: "object" } },
    };
    return `${JSON.stringify(whole, null, 2)}\n`;
  }

  /** Rows of a table: path, default, sentence. */
  rows(): readonly Row[] {
    return rowsOf(this.#root, "");
  }
}

function schemaOf({ members, about }: Group): JsonSchema {
  const properties = Object.fromEntries(
    [...members].map(([name, one]) => {
      if ("members" in one) return [name, schemaOf(one)];
      // The value's own sentence, not that of the field that its schema is taken from.
      const { examples, default: _, ...schema } = one.schema;
      return [name, { ...schema, description: one.about }];
    }),
  );
  return {
    type: "object",
    ...(about === "" ? {} : { description: about }),
    properties,
    additionalProperties: false,
  };
}

const WIDTH = 98;

function lines({ members }: Group, indent: string): readonly string[] {
  return [...members].flatMap(([name, one]) => {
    const about = wrapped(one.about, WIDTH - indent.length - 2);
    const comment = about.map((text) => `${indent}# ${text}`);
    const gap = indent === "" ? [""] : [];
    if ("members" in one) {
      const head = `${indent}${keyText(name)}:${one.members.size === 0 ? " {}" : ""}`;
      return [...gap, ...comment, head, ...lines(one, `${indent}  `)];
    }
    const text = plainYaml({ [name]: one.value }).replace(/\n$/, "");
    const shown = text.split("\n").map((line) => (line === "" ? line : indent + line));
    return [...gap, ...comment, ...shown];
  });
}

function keyText(name: string): string {
  return plainYaml({ [name]: 0 }).replace(/: 0\n$/, "");
}

function wrapped(text: string, width: number): readonly string[] {
  const rows: string[] = [];
  for (const word of text.split(" ").filter((one) => one !== "")) {
    const last = rows.at(-1);
    const fits = last !== undefined && last.length + word.length < width;
    if (fits) rows[rows.length - 1] = `${last} ${word}`;
    else rows.push(word);
  }
  return rows;
}

type Row = readonly [path: string, value: string, about: string];

function rowsOf({ members }: Group, before: string): readonly Row[] {
  return [...members].flatMap(([name, one]) => {
    const path = `${before}${name}`;
    if ("members" in one) return rowsOf(one, `${path}.`);
    return [[path, JSON.stringify(one.value), one.about]];
  });
}
