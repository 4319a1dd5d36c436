import { describe, expect, test } from "bun:test";
import { formatProblem } from "../schema/problem.ts";
import { diffSnapshots } from "./diff.ts";
import { explain } from "./explain.ts";
import { compile } from "./mod.ts";
import { appText, documentsOf, siteOf, snapshotsOf } from "./testdata/from_text.ts";

function mesh(name: string, tracing: string): string {
  const head = ["apiVersion: outrigger.dev/v1alpha1", "kind: Mesh", `metadata: { name: ${name} }`];
  const routes = '[{ host: "*", rules: [{ backends: [{ app: api }] }] }]';
  const spec = ["spec:", "  gateway: { port: 8000 }", `  routes: ${routes}`, `  tracing: ${tracing}`];
  return `${[...head, ...spec].join("\n")}\n`;
}

const files = (tracing: string, ...lines: string[]): string =>
  `${appText("api", 8080, lines)}---\n${mesh("shop", tracing)}`;

function snapshots(tracing: string, ...lines: string[]) {
  const [api, gateway] = snapshotsOf(files(tracing, ...lines));
  return { api: api!, gateway: gateway! };
}

function problemsOf(text: string): string[] {
  const documents = documentsOf(text);
  return compile({ documents, site: siteOf(documents) }).problems.map(formatProblem);
}

describe("S1-27 (configuration) tracing", () => {
  test("reaches the sidecars and the gateway; where the collector is stands in no policyHash", () => {
    const { api, gateway } = snapshots('{ zipkin: "http://127.0.0.1:9411" }');
    const policy = { ratio: 0.01, exporter: "zipkin", write: ["w3c"] };
    for (const one of [api, gateway]) {
      expect(one.policy.tracing).toEqual(policy as never);
      expect(one.bindings.tracing).toEqual({ url: "http://127.0.0.1:9411/api/v2/spans" });
    }
    const elsewhere = snapshots('{ zipkin: "http://zipkin.test:9411/z/spans" }').api;
    expect(elsewhere.bindings.tracing).toEqual({ url: "http://zipkin.test:9411/z/spans" });
    expect(elsewhere.policyHash).toBe(api.policyHash);
    expect(elsewhere.version).not.toBe(api.version);
  });

  test("an App may keep another part, and has its line for it", () => {
    const { api, gateway } = snapshots(
      '{ otlp: "http://127.0.0.1:4318", sample: 5%, write: [w3c, b3] }',
      "sidecar: { tracing: { sample: 100% } }",
    );
    expect(api.policy.tracing).toEqual({ ratio: 1, exporter: "otlp", write: ["w3c", "b3"] });
    expect(gateway.policy.tracing!.ratio).toBe(0.05);
    expect(api.bindings.tracing).toEqual({ url: "http://127.0.0.1:4318/v1/traces" });
    const parts = explain(api).filter(({ pointer }) => pointer.includes("/tracing"));
    expect(parts.map(({ pointer, origin }) => [pointer, origin?.field])).toEqual([
      ["/policy/tracing/ratio", "spec.sidecar.tracing.sample"],
      ["/policy/tracing/exporter", "spec.tracing.otlp"],
      ["/policy/tracing/write", "spec.tracing.write"],
      ["/bindings/tracing/url", "spec.tracing.otlp"],
    ]);
  });

  test("what nobody wrote has its reason, and a change is said in words", () => {
    const { api } = snapshots('{ zipkin: "http://127.0.0.1:9411" }');
    const parts = explain(api).filter(({ pointer }) => pointer.startsWith("/policy/tracing"));
    expect(parts.map(({ source }) => source)).toEqual(["default", "file", "default"]);
    const before = snapshotsOf(appText("api", 8080));
    const sentences = diffSnapshots(before, [api]).workloads.flatMap(({ changes }) => {
      return changes.map(({ sentence }) => sentence);
    });
    expect(sentences).toContain(
      "tracing added: 1% of the traces that begin here, by Zipkin; passed on as w3c",
    );
  });

  test("an App that traces to nowhere is a problem", () => {
    expect(problemsOf(appText("api", 8080, ["sidecar: { tracing: { sample: 10% } }"]))).toEqual([
      expect.stringContaining("sidecar.tracing: no Mesh says where spans go"),
    ]);
  });

  test.each([
    ["{ sample: 10% }", "tracing that leads nowhere"],
    ['{ zipkin: "http://a:1", otlp: "http://a:2" }', "tracing to two collectors"],
    ['{ zipkin: "https://a" }', "TLS to a collector is missing"],
    ['{ zipkin: "http://me:pw@a" }', "leave the user and the password out"],
    ['{ zipkin: "a:9411" }', 'write "http://a:9411"'],
    ['{ zipkin: "http://a:99999" }', "its host or its port is none"],
  ])("%s is refused: %s", (tracing, text) => {
    expect(() => snapshots(tracing)).toThrow(text);
  });
});
