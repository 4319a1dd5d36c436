import { describe, expect, test } from "bun:test";
import { Failure } from "../base/failure.ts";
import { explainField } from "./explain_field.ts";

describe("explain field", () => {
  test.each([
    "spec.calls.NAME.timeout",
    "spec.calls.api.timeout",
    "spec.calls.timeout",
    "calls.api.timeout",
    "calls.timeout",
    "app.spec.calls.timeout",
  ])("%s is the same field", (path) => {
    const text = explainField(path);
    expect(text).toStartWith("App spec.calls.NAME.timeout\n");
    expect(text).toContain("default:  0s");
    expect(text).toContain("example:  timeout: 2s");
  });

  test("an object lists the fields inside of it, with a sentence each", () => {
    expect(explainField("calls.breaker")).toMatch(/fields:\n {4}errorRate +The breaker opens/);
    expect(explainField("ingress")).toContain("host ");
  });

  test("a name that several kinds have is explained for each, metadata once", () => {
    const routes = explainField("routes");
    expect(routes).toContain("App spec.routes");
    expect(routes).toContain("Mesh spec.routes");
    expect(explainField("metadata.name").match(/metadata\.name/g)).toHaveLength(1);
    expect(explainField("mesh.routes")).not.toContain("App spec");
  });

  test("what is refused for now says so, and what has an effect elsewhere too", () => {
    expect(explainField("mesh.mtls")).toContain("Refused for now: mutual TLS is missing.");
    expect(explainField("replicas")).toContain("only on:  kubernetes");
  });

  test("a path of any length is answered at once, and shortened", () => {
    expect(() => explainField("x".repeat(1_000_000))).toThrow(/^no field is called "x{200}"$/);
  });

  test.each([
    ["calls.api.timeuot", "did you mean spec.calls.NAME.timeout?"],
    ["spec.sidecar.acessLog", "did you mean spec.sidecar.accessLog?"],
    ["attempts", "fields of that name are spec.routes[].retry.attempts"],
    ["zzzzzzzz", "outrigger explain field spec lists them"],
    ["", "did you mean spec?"],
  ])("%p is no field", (path, advice) => {
    let failure: unknown;
    try {
      explainField(path);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(Failure);
    expect((failure as Failure).kind).toBe("usage");
    expect((failure as Failure).advice).toContain(advice);
  });
});
