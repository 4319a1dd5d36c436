import { expect, test } from "bun:test";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

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
