import { expect, test } from "bun:test";
import { app, rendered } from "./testdata/rendered.ts";

const annotated = (annotations: string, ...lines: string[]): string =>
  app("api", "port: 9000", ...lines).replace(
    "namespace: shop }",
    `namespace: shop, annotations: ${annotations} }`,
  );

test("S4-29 an annotation tunes the sidecar's container, and nothing else", () => {
  const resources = "sidecar: { resources: { cpu: 200m, memory: 256Mi } }";
  const tuned = rendered(
    annotated("{ outrigger.dev/sidecar-memory: 96Mi, example.com/owner: checkout }", resources),
  );
  const plain = rendered(annotated("{ example.com/owner: checkout }", resources));
  const [sidecar] = tuned.body("deployment/api").spec.template.spec.initContainers;
  // By annotation before field, and by field where no annotation says it.
  expect(sidecar.resources).toEqual({
    requests: { cpu: "200m", memory: "96Mi" },
    limits: { memory: "96Mi" },
  });
  const { annotations } = tuned.body("deployment/api").spec.template.metadata;
  expect(annotations["example.com/owner"]).toBe("checkout");
  expect(
    tuned.source("deployment/api", "/spec/template/spec/initContainers/0/resources/limits/memory"),
  ).toBe('shop.yaml:3:56 metadata.annotations["outrigger.dev/sidecar-memory"]');
  // Besides the annotation itself and these two values the objects are the same.
  const changed = plain.body("deployment/api");
  changed.spec.template.metadata.annotations = annotations;
  changed.spec.template.spec.initContainers[0].resources = sidecar.resources;
  const bodies = (one: typeof plain) => one.objects.map(({ body }) => body);
  expect(bodies(tuned)).toEqual(bodies(plain));
});

test("S4-29 a bad value is refused with its line, and so is an annotation that is none of ours", () => {
  for (const [annotation, problem] of [
    ["outrigger.dev/sidecar-memory: lots", 'is "lots", expected a size such as "96Mi"'],
    ["outrigger.dev/sidecar-memory: 1Ki", "at least 4Mi"],
    ["outrigger.dev/sidecar-cpu: -1", 'expected CPU such as "50m"'],
    ["outrigger.dev/sidecar-memry: 96Mi", "did you mean outrigger.dev/sidecar-memory?"],
  ] as const) {
    const load = () => rendered(annotated(`{ a: b,\n  ${annotation} }`));
    expect(load).toThrow(problem);
    expect(load).toThrow("shop.yaml:4:3: metadata.annotations");
  }
});

test("without native sidecars the app starts behind a hook that waits for the sidecar", () => {
  const { body, problems } = rendered(app("api", "port: 9000", "sidecar: { native: false }"));
  expect(problems).toEqual([]);
  const { initContainers, containers } = body("deployment/api").spec.template.spec;
  expect(initContainers).toBeUndefined();
  const [first, second] = containers;
  expect([first.name, first.restartPolicy, second.name]).toEqual(["outrigger", undefined, "app"]);
  expect(first.lifecycle.postStart.exec.command).toEqual([
    ...["/outrigger", "wait", "http://127.0.0.1:15020/ready", "--timeout", "1m"],
  ]);
  const job = rendered(app("once", "job: {}", "sidecar: { native: false }"));
  expect(job.problems.map(({ line, message }) => [line, message])).toEqual([
    [7, "App once runs to its end, and a sidecar that is not native never does"],
  ]);
});
