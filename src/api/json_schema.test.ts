import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import Ajv2020 from "ajv/dist/2020.js";
import fc from "fast-check";
import { object, text } from "../schema/field.ts";
import { valueOf } from "../schema/node.ts";
import { readYaml } from "../schema/read_yaml.ts";
import { loadDocuments } from "./documents.ts";
import { jsonSchema } from "./json_schema.ts";
import type { PipelineComponents } from "./pipeline.ts";

const COMPONENTS: PipelineComponents = {
  sources: { stdin: object({}) },
  transforms: { parse: object({ json: object({}).optional() }) },
  sinks: { stdout: object({ format: text().optional() }) },
};

const ajv = new Ajv2020({
  strict: true,
  strictRequired: false,
  allErrors: false,
  allowUnionTypes: true,
});
const accepts = ajv.compile(jsonSchema(COMPONENTS) as object);

/** What the loader alone can know, by the words of its messages. */
const BEYOND_SCHEMA = [
  /, from \S+ to \S+$/, // bounds of texts with units
  /, at (least|most) \S+$/,
  /known here|not a template|"\{\{" without/, // templates
  /there is no App|neither a name of calls|no Mesh|has no port|is there twice|a second Mesh/,
  / too \(/, // ports of other Apps
  /without port|without host|both|neither|run has no port|the same as port/,
  /max is|longer than|never comes|weights are 0|has no body|by the proxy itself| is \w+ again/,
  /twice|regular expression|an index name/,
  /cannot listen on/,
  /not a name of/,
  /expected an amount of CPU/,
  /expected a list of names of sources/,
];

const HEAD = { apiVersion: "outrigger.dev/v1alpha1", kind: "App", metadata: { name: "api" } };

/** One document by itself, so that both see the same. */
function loaderSays(document: unknown): readonly string[] {
  const { problems } = loadDocuments([{ file: "f", text: JSON.stringify(document) }], COMPONENTS);
  return problems.map((problem) => problem.message);
}

function agree(document: unknown): void {
  const messages = loaderSays(document);
  const own = messages.filter((message) => !BEYOND_SCHEMA.some((words) => words.test(message)));
  const valid = accepts(document) as boolean;
  const shown = () =>
    `${JSON.stringify(document)}\n${messages.join("\n")}\n${ajv.errorsText(accepts.errors)}`;
  // What the loader takes, the schema takes; and the reverse, but for what only the loader knows.
  if (messages.length === 0 && !valid) throw new Error(`only the schema refuses:\n${shown()}`);
  if (own.length > 0 && valid) throw new Error(`only the loader refuses:\n${shown()}`);
}

function corpus(): [string, unknown][] {
  const folder = join(import.meta.dir, "testdata");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".txt") && name !== "yaml_syntax.txt")
    .flatMap((name) => {
      const input = readFileSync(join(folder, name), "utf8").split("\n----------\n")[0]!;
      return input.split(/^==== .*$/m).flatMap((part) => {
        return readYaml(name, part).documents.map((node): [string, unknown] => [
          `${name}:${node.line}`,
          JSON.parse(JSON.stringify(valueOf(node))),
        ]);
      });
    });
}

describe("the JSON Schema and the loader agree", () => {
  test.each(corpus())("%s", (_name, document) => agree(document));

  test("on specs of random values", () => {
    const scalar = fc.constantFrom<unknown>(
      "a",
      "",
      "2s",
      "0s",
      "25%",
      "64Ki",
      "250m",
      "/a",
      "/a/*",
      "api",
      "Api",
      "10.0.0.1:80",
      "json",
      "true",
      0,
      1,
      80,
      -1,
      1.5,
      65536,
      true,
      false,
      null,
    );
    const value = fc.letrec<{ any: unknown }>((tie) => ({
      any: fc.oneof(
        { maxDepth: 3, weights: undefined } as object,
        scalar,
        fc.array(tie("any"), { maxLength: 2 }),
        fc.dictionary(
          fc.constantFrom(
            "a",
            "min",
            "max",
            "cpu",
            "memory",
            "host",
            "port",
            "path",
            "paths",
            "timeout",
            "retry",
            "on",
            "attempts",
            "breaker",
            "errorRate",
            "limits",
            "fallback",
            "headers",
            "body",
            "file",
            "parse",
            "to",
            "command",
            "dir",
            "ready",
            "enabled",
            "keep",
            "schedule",
            "app",
            "deny",
          ),
          tie("any"),
          { maxKeys: 3, noNullPrototype: true },
        ),
      ),
    })).any;
    const spec = fc.dictionary(
      fc.constantFrom(
        "image",
        "run",
        "env",
        "port",
        "protocol",
        "replicas",
        "resources",
        "health",
        "ingress",
        "routes",
        "calls",
        "egress",
        "logs",
        "slo",
        "backup",
        "sidecar",
        "other",
      ),
      value,
      { maxKeys: 3, noNullPrototype: true },
    );
    fc.assert(
      fc.property(spec, (one) => agree({ ...HEAD, spec: { image: "api:1", ...one } })),
      { seed: 8, numRuns: 2000 },
    );
  });

  test("on pipelines", () => {
    const pipeline = (spec: unknown) => ({ ...HEAD, kind: "Pipeline", spec });
    const good = { sources: { a: { stdin: {} } }, sinks: { b: { stdout: {} } } };
    agree(pipeline(good));
    expect(accepts(pipeline(good))).toBe(true);
    for (const wrong of [
      {},
      { ...good, steps: [{}] },
      { ...good, steps: [{ parse: { json: {} }, other: 1 }] },
      { ...good, sources: { a: { stdin: {}, file: {} } } },
      { ...good, sinks: { b: { stdout: {}, buffer: { disk: "soon" } } } },
      { ...good, tests: [{ dropped: 1 }] },
    ]) {
      agree(pipeline(wrong));
      expect(accepts(pipeline(wrong))).toBe(false);
    }
  });
});

test("a schema without components is one too, and refuses every pipeline", () => {
  const without = new Ajv2020({ strict: false }).compile(jsonSchema() as object);
  const spec = { sources: { a: { stdin: {} } }, sinks: { b: { stdout: {} } } };
  expect(without({ ...HEAD, spec: { image: "api:1" } })).toBe(true);
  expect(without({ ...HEAD, kind: "Pipeline", spec })).toBe(false);
});

test("editors find words about each field, its default and an example", () => {
  const schema = JSON.parse(JSON.stringify(jsonSchema()));
  const timeout = schema.allOf[0].then.properties.spec.properties.calls.patternProperties;
  const [call] = Object.values(timeout) as { properties: Record<string, unknown> }[];
  expect(call!.properties.timeout).toMatchObject({
    description: expect.stringContaining("whole request"),
    default: "0s",
    examples: ["2s"],
  });
});
