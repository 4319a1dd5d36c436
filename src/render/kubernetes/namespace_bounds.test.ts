import { expect, test } from "bun:test";
import { app, rendered } from "./testdata/rendered.ts";

const mesh = (namespaces: string): string =>
  "apiVersion: outrigger.dev/v1alpha1\nkind: Mesh\nmetadata: { name: mesh, namespace: shop }\n" +
  `spec:\n  namespaces: ${namespaces}\n---\n`;

test("S3-21 a namespace has a quota, and defaults for containers that say nothing", () => {
  const wanted = "{ shop: { quota: { cpu: 8, memory: 16Gi, pods: 50 }, defaults: { memory: 128Mi } } }";
  const { body, source } = rendered(mesh(wanted) + app("api"));
  expect(body("resourcequota/outrigger")).toMatchObject({
    metadata: { namespace: "shop" },
    spec: {
      hard: {
        "requests.cpu": "8",
        "requests.memory": "16Gi",
        "limits.memory": "32Gi",
        pods: "50",
      },
    },
  });
  expect(body("limitrange/outrigger").spec.limits).toEqual([
    { type: "Container", defaultRequest: { memory: "128Mi" }, default: { memory: "128Mi" } },
  ]);
  expect(source("resourcequota/outrigger", "/spec/hard/pods")).toContain("shop.yaml:5");
  expect(source("resourcequota/outrigger", "/spec/hard/limits.memory")).toBe("twice what is reserved");
});

test("S3-21 a namespace without Apps and a quota of nothing are told with their line", () => {
  const { problems } = rendered(mesh("{ shpo: { quota: { pods: 5 } } }") + app("api"));
  expect(problems.map(({ line, message, advice }) => [line, message, advice])).toEqual([
    [5, "namespaces: no App of these files is in shpo", 'did you mean "shop"?'],
  ]);
  expect(() => rendered(mesh("{ shop: { quota: {} } }") + app("api"))).toThrow("a quota of nothing");
});
