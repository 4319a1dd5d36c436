import { describe, expect, test } from "bun:test";
import { loadDocuments } from "../api/documents.ts";
import { object } from "../schema/field.ts";
import { compile } from "./mod.ts";
import { appText, siteOf, snapshotsOf } from "./testdata/from_text.ts";

function pipelines(...logs: readonly string[]) {
  const lines = ["logs:", ...logs.map((log) => `  - { ${log} }`)];
  const [snapshot] = snapshotsOf(appText("api", 9000, lines));
  return { policy: snapshot!.policy.pipelines, bindings: snapshot!.bindings.pipelines };
}

test("a log is a pipeline: follow, parse, say whose it is, write", () => {
  const { policy, bindings } = pipelines("file: logs/events.log, parse: json");
  expect(policy).toEqual({
    events: {
      sources: { file: { component: "file", config: {} } },
      steps: [
        { component: "parse", config: { json: {} } },
        { component: "enrich", config: { fields: { app: "api", namespace: "shop" } } },
      ],
      sinks: { stdout: { component: "stdout", config: {} } },
    },
  });
  expect(bindings).toEqual({
    events: {
      sources: { file: { include: ["/apps/api/logs/events.log"] } },
      sinks: { stdout: {} },
    },
  });
});

test("each format is one of the parse step's", () => {
  const step = (parse: string) => pipelines(`file: a.log, parse: ${parse}`).policy.a!.steps[0];
  expect(step("clf")).toEqual({ component: "parse", config: { clf: {} } });
  expect(step("combined")).toEqual({ component: "parse", config: { combined: {} } });
  expect(step("'^(?<level>x)'")).toEqual({ component: "parse", config: { regex: "^(?<level>x)" } });
});

test("without parse a line is a message", () => {
  const steps = pipelines("file: a.log").policy.a!.steps;
  expect(steps.map((step) => step.component)).toEqual(["enrich"]);
});

test("a pipeline is named by its log, else by its file", () => {
  const names = (log: string) => Object.keys(pipelines(log).policy);
  expect(names("name: mine, file: logs/a.log")).toEqual(["mine"]);
  expect(names("file: logs/Odd Name.2.log")).toEqual(["odd-name-2"]);
  expect(names("file: logs/.hidden")).toEqual(["hidden"]);
  expect(names("file: logs/__.log")).toEqual(["log"]);
});

describe("Pipelines that an App names", () => {
  const PIPELINE = [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: Pipeline",
    "metadata: { name: orders, namespace: shop }",
    "spec:",
    "  sources: { in: { timer: {} } }",
    "  sinks: { out: { stdout: {} } }",
    "",
  ].join("\n");

  const components = { sources: { timer: object({}) }, transforms: {}, sinks: { stdout: object({}) } };

  function compileText(text: string) {
    const documents = loadDocuments([{ file: "shop.yaml", text }], components);
    expect(documents.problems).toEqual([]);
    return compile({ documents, site: siteOf(documents) });
  }

  test("S1-12 one Pipeline is beside two Apps, the same to a byte", () => {
    const named = ["pipelines: [orders]"];
    const apps = `${appText("api", 9000, named)}---\n${appText("shop", 9001, named)}`;
    const [api, shop] = compileText(`${apps}---\n${PIPELINE}`).snapshots;
    expect(Object.keys(api!.policy.pipelines)).toEqual(["orders"]);
    expect(api!.policy.pipelines).toEqual(shop!.policy.pipelines);
    const { sources, folder } = api!.bindings.pipelines["orders"]!;
    expect(sources).toEqual({});
    expect(folder).toStartWith("/");
  });

  test("none of that name, and a log that has it already, are problems where they are written", () => {
    const problemsOf = (lines: readonly string[], more = ""): string[] =>
      compileText(`${appText("api", 9000, lines)}${more}`).problems.map(({ message }) => message);
    expect(problemsOf(["pipelines: [orders]"])).toEqual([
      "pipelines: no Pipeline of the namespace shop is named orders",
    ]);
    const both = ["logs: [{ file: orders.log }]", "pipelines: [orders]"];
    expect(problemsOf(both, `---\n${PIPELINE}`)).toEqual([
      "pipelines: a log of this App is named orders too",
    ]);
  });
});
