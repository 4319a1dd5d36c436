import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { AnyField } from "../schema/field.ts";
import { nodeOf } from "../schema/node.ts";
import { parse } from "../schema/field.ts";
import { writtenText } from "../schema/reference.ts";
import { loadDocuments, specFields } from "./documents.ts";
import { NO_COMPONENTS } from "./pipeline.ts";
import { FILE_VERSIONS, toNewest } from "./versions.ts";

const TESTDATA = join(import.meta.dir, "testdata");
const HEAD =
  "apiVersion: outrigger.dev/v1alpha1\nkind: App\nmetadata: { name: api, namespace: shop }\n";

const app = (spec: string): string => `${HEAD}spec:\n${spec}`;

/** The inputs of the goldens: a corpus of what people write, right and wrong. */
const CORPUS = readdirSync(TESTDATA)
  .filter((name) => name.endsWith(".txt"))
  .map((name) => readFileSync(join(TESTDATA, name), "utf8").split("\n----------\n")[0]!);

describe("origins", () => {
  const text = app(
    "  image: api:1\n  calls:\n    db:\n      host: db.example.com\n      port: 1\n",
  );
  const { apps } = loadDocuments([{ file: "shop.yaml", text }]);

  test("a field has its line, one that nobody wrote its parent's", () => {
    const [api] = apps;
    const field = "spec.calls.db.host";
    expect(api!.origin(field)).toEqual({ file: "shop.yaml", line: 8, column: 7, field });
    expect(api!.origin("spec.calls.db.retry")).toMatchObject({ line: 7, column: 5 });
    expect(api!.origin(["spec", "nothing"])).toMatchObject({ line: 4, column: 1 });
    expect(api!.wrote("spec.calls.db.port")).toBe(true);
    expect(api!.wrote("spec.calls.db.timeout")).toBe(false);
  });
});

test("several files are one set", () => {
  const one = app("  image: api:1\n  port: 80\n");
  const two = one.replace("name: api", "name: web").replace("port: 80", "calls: { api: {} }");
  const { apps, problems } = loadDocuments([
    { file: "one.yaml", text: one },
    { file: "two.yaml", text: two },
  ]);
  expect(problems).toEqual([]);
  expect(apps.map((each) => `${each.file} ${each.namespace}/${each.name}`)).toEqual([
    "one.yaml shop/api",
    "two.yaml shop/web",
  ]);
});

test("problems are bounded: a hundred, and how many more", () => {
  const fields = Array.from({ length: 3000 }, (_, i) => `  field${i}x: 1`).join("\n");
  const { problems, moreProblems } = loadDocuments([{ file: "f", text: app(fields) }]);
  expect(problems).toHaveLength(100);
  expect(moreProblems).toBeGreaterThanOrEqual(900);
});

test("a label may be called as JavaScript's objects call something", () => {
  const head = HEAD.replace("shop }", "shop, labels: { constructor: x } }");
  const text = `${head}spec:\n  image: a\n  calls: { constructor: {} }\n`;
  const { problems } = loadDocuments([{ file: "f", text }]);
  expect(problems.map((one) => one.message)).toEqual([
    'calls.constructor: there is no App "constructor"',
  ]);
});

describe("versions", () => {
  test("an older document is converted step by step to the newest, with its lines", () => {
    const renamed = (from: string, to: string) => (document: ReturnType<typeof nodeOf>) => {
      if (document.kind !== "map") return document;
      const entries = document.entries.map((entry) => {
        return entry.key === from ? { ...entry, key: to } : entry;
      });
      return { ...document, entries };
    };
    const versions = [
      { apiVersion: "v1", convert: renamed("a", "b") },
      { apiVersion: "v2", convert: renamed("b", "c") },
      { apiVersion: "v3", convert: null },
    ];
    const document = nodeOf({ a: 1 }, { line: 7, column: 3 });
    expect(toNewest(document, "v1", versions)).toMatchObject({
      entries: [{ key: "c", keyPlace: { line: 7 } }],
    });
    expect(toNewest(document, "v2", versions)).toMatchObject({ entries: [{ key: "a" }] });
    expect(toNewest(document, "v4", versions)).toBeNull();
  });
  test("only the newest needs no conversion", () => {
    expect(FILE_VERSIONS.map((version) => version.convert === null).indexOf(true)).toBe(
      FILE_VERSIONS.length - 1,
    );
  });
});

/** Every field with an example or a default, in all kinds. */
function* fieldsOf(field: AnyField, path: string): Generator<[string, AnyField]> {
  yield [path, field];
  if (field.meta.later !== null) return;
  for (const part of field.rule.parts()) yield* fieldsOf(part.field, `${path}.${part.step}`);
}

describe("definitions", () => {
  const all = Object.entries(specFields(NO_COMPONENTS)).flatMap(([kind, field]) => [
    ...fieldsOf(field, kind),
  ]);

  test("every example and default can be read by its own field", () => {
    const components = /^Pipeline\.(sources|steps|sinks)/;
    for (const [path, field] of all) {
      if (components.test(path) || field.meta.later !== null) continue;
      const { examples, defaultWritten } = field.meta;
      for (const written of defaultWritten === undefined
        ? examples
        : [defaultWritten, ...examples]) {
        const { problems } = parse(field, nodeOf(written));
        expect(problems.map((one) => `${path}: ${writtenText(written)}: ${one.message}`)).toEqual(
          [],
        );
      }
    }
  });
  test("every field says what it does", () => {
    const silent = all
      .filter(([, field]) => field.meta.about === "" && field.meta.later === null)
      .map(([path]) => path)
      .filter((path) => !path.endsWith("[]") && !/\*[A-Z]+$/.test(path));
    expect(silent).toEqual([]);
  });
});

describe("bad input", () => {
  const junk = (text: string): void => {
    const { problems, apps } = loadDocuments([{ file: "junk.yaml", text }]);
    for (const problem of problems) {
      expect(problem.line).toBeGreaterThanOrEqual(1);
      expect(problem.column).toBeGreaterThanOrEqual(1);
      expect(problem.line).toBeLessThanOrEqual(text.split("\n").length);
      expect(problem.message).not.toBe("");
      expect(problem.message).not.toContain("\n");
    }
    if (apps.length === 0) expect(problems.length + countOthers(text)).toBeGreaterThan(0);
  };
  /** Texts that hold a Mesh or a Pipeline may load without an App. */
  const countOthers = (text: string): number => (/Mesh|Pipeline/.test(text) ? 1 : 0);

  test("random texts never crash, and each problem has its line", () => {
    const sign = fc.constantFrom(
      ..."{}[]:,-?&*!|>'\"%@`# \n\t\r0a~\\".split(""),
      "\n  ",
      ": ",
      "- ",
      "---\n",
      "<<",
      "\u2028",
      "\ud800",
      "😀",
    );
    fc.assert(
      fc.property(fc.array(sign, { maxLength: 60 }), (signs) => junk(signs.join(""))),
      { seed: 4, numRuns: 1500 },
    );
  });

  test("mutations of real files never crash, and each problem has its line", () => {
    const mutation = fc.record({
      file: fc.nat(CORPUS.length - 1),
      edits: fc.array(
        fc.record({
          at: fc.nat(),
          how: fc.constantFrom("drop", "flip", "insert", "double", "cut"),
          byte: fc.nat(255),
          length: fc.nat(30),
        }),
        { minLength: 1, maxLength: 4 },
      ),
    });
    fc.assert(
      fc.property(mutation, ({ file, edits }) => {
        let bytes = Buffer.from(CORPUS[file]!);
        for (const { at, how, byte, length } of edits) {
          const i = at % (bytes.length + 1);
          const j = Math.min(bytes.length, i + length);
          const middle = {
            drop: Buffer.alloc(0),
            flip: Buffer.from(bytes.subarray(i, j).map((one) => one ^ (byte & 0x1f))),
            insert: Buffer.from([byte]),
            double: Buffer.concat([bytes.subarray(i, j), bytes.subarray(i, j)]),
            cut: Buffer.alloc(0),
          }[how];
          const rest = how === "insert" ? i : how === "cut" ? bytes.length : j;
          bytes = Buffer.concat([bytes.subarray(0, i), middle, bytes.subarray(rest)]);
        }
        const { problems } = loadDocuments([{ file: "f", text: bytes.toString("utf8") }]);
        for (const problem of problems) {
          expect(problem.line).toBeGreaterThanOrEqual(1);
          expect(problem.column).toBeGreaterThanOrEqual(1);
        }
      }),
      { seed: 4, numRuns: 1500 },
    );
  });

  test("any value as a spec is read without an exception", () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    const keys = [
      "run",
      "env",
      "calls",
      "routes",
      "ingress",
      "logs",
      "sidecar",
      "port",
      "replicas",
    ];
    const spec = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 5 });
    fc.assert(
      fc.property(spec, (one) => {
        const text = `${HEAD}spec: ${JSON.stringify(one)}\n`;
        expect(loadDocuments([{ file: "f", text }]).problems).toBeArray();
      }),
      { seed: 5, numRuns: 500 },
    );
  });
});

describe("valid input", () => {
  const time = fc.tuple(fc.integer({ min: 1, max: 10 }), fc.constantFrom("ms", "s", "m"));
  const duration = time.map(([n, unit]) => `${n}${unit}`);
  const percent = fc.integer({ min: 1, max: 100 }).map((n) => `${n}%`);
  const count = fc.integer({ min: 1, max: 10 });
  const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });
  const call = fc.record(
    {
      host: fc.constantFrom("a.example.com", "10.0.0.1", "db"),
      port: fc.integer({ min: 1, max: 65_535 }),
      connectTimeout: duration,
      retry: fc.record(
        {
          attempts: count,
          on: fc.uniqueArray(fc.constantFrom("5xx", "gateway-error", "reset", "connect-failure"), {
            minLength: 1,
          }),
          budget: percent,
          methods: fc.constantFrom("idempotent", "all"),
          maxBody: fc.constantFrom("1Ki", "64KB", "1MiB"),
        },
        { requiredKeys: [] },
      ),
      breaker: fc.record({ errorRate: percent, minRequests: count }, { requiredKeys: [] }),
      limits: fc.record({ maxConnections: count, maxPendingRequests: count }, { requiredKeys: [] }),
      fallback: fc.record({ status: fc.constantFrom(200, 503), body: fc.string() }),
    },
    { requiredKeys: ["host", "port"] },
  );
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
  const spec = fc.record({
    image: fc.constant("registry.example.com/api:1"),
    env: maybe(fc.dictionary(fc.stringMatching(/^[A-Z_]{1,8}$/), fc.stringMatching(/^[ -z]*$/))),
    port: fc.integer({ min: 1, max: 65_535 }),
    calls: fc.dictionary(name, call, { maxKeys: 4 }),
    replicas: maybe(fc.oneof(count, fc.record({ max: count }))),
    sidecar: maybe(fc.record({ drainTimeout: duration }, { requiredKeys: [] })),
  });

  test("generated specs are read, in YAML's notation and in JSON's", () => {
    fc.assert(
      fc.property(spec, (written) => {
        const json = JSON.stringify(written);
        const yaml = writtenText(JSON.parse(json));
        for (const text of [json, yaml]) {
          const { apps, problems } = loadDocuments([{ file: "f", text: `${HEAD}spec: ${text}\n` }]);
          expect(problems).toEqual([]);
          expect(Object.keys(apps[0]!.spec.calls).sort()).toEqual(
            Object.keys(written.calls).sort(),
          );
        }
      }),
      { seed: 6, numRuns: 200 },
    );
  });

  test("a letter that is swapped in a field's name is found, with the name that was meant", () => {
    const fields = [
      "timeout",
      "breaker",
      "connectTimeout",
      "fallback",
      "limits",
      "balance",
      "retry",
    ];
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.nat(), (field, at) => {
        const i = at % (field.length - 1);
        const wrong = field.slice(0, i) + field[i + 1] + field[i] + field.slice(i + 2);
        fc.pre(wrong !== field);
        const text = app(`  image: a\n  calls: { db: { host: a, port: 1, ${wrong}: {} } }\n`);
        const { problems } = loadDocuments([{ file: "f", text }]);
        expect(problems.map((one) => one.advice)).toEqual([`did you mean "${field}"?`]);
      }),
      { seed: 7, numRuns: 60 },
    );
  });
});
