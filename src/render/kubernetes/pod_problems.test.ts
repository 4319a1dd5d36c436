import { expect, test } from "bun:test";
import { loadDocuments } from "../../api/documents.ts";
import { formatProblems } from "../../schema/problem.ts";
import { renderObjects, TARGETS } from "./mod.ts";

function problemsOf(text: string): readonly string[] {
  const documents = loadDocuments([{ file: "a.yaml", text }]);
  expect(formatProblems(documents.problems)).toBe("");
  const options = { target: TARGETS.kubernetes, image: "registry.example.com/outrigger:1" };
  const { problems, objects } = renderObjects(documents, options);
  expect(objects.length === 0).toBe(problems.length > 0);
  return problems.map(({ line, message }) => `${line} ${message}`);
}

test("what cannot be one pod is told with its line", () => {
  const text = `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: 9web, namespace: n, labels: { team: two words } }
spec:
  image: a
  port: 8000
  env: { LEVEL: info }
  secrets:
    LEVEL: logs/level
  config:
    /srv: text
  volumes:
    tmp: { path: /var/tmp }
    data: { path: /srv/ }
  containers:
    app: { image: b }
    cache:
      image: b
      port: 8000
      volumes: { data: /tmp }
    metrics: { image: b, port: 15020 }
    mail: { image: b, port: 25 }
  calls:
    post: { host: post.example.com, port: 25 }
`;
  expect(problemsOf(text)).toEqual([
    "3 9web is called, and a Service's name begins with a letter",
    '3 labels: team is "two words", which Kubernetes takes for no label',
    "16 containers: app is the App's own container",
    "13 volumes: tmp is a name of our own",
    "11 config /srv and volume data are both at /srv of the App's container",
    "20 volume data and the folder for what is temporary are both at /tmp of container cache",
    "19 container cache listens on 8000, where the app listens: in one pod only one can",
    "21 container metrics listens on 15020, where the sidecar listens: in one pod only one can",
    "22 container mail listens on 25, where the sidecar, for calls of post, listens: in one pod only one can",
    "9 LEVEL stands in env and in secrets",
  ]);
});

test("names that their pods would make too long, and what no pod comes back to", () => {
  const name = "a-name-of-fifty-three-letters-which-is-one-more-than-it";
  const app = (spec: string) => `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: ${name}, namespace: n }
spec: { image: a, ${spec} }
`;
  expect(problemsOf(app("volumes: { data: { path: /data, size: 1Gi } }"))).toEqual([
    `3 ${name} is a StatefulSet, whose name has at most 52 letters: this has 55`,
  ]);
  expect(problemsOf(app('schedule: { cron: "0 3 * * *" }'))).toEqual([
    `3 ${name} is a CronJob, whose name has at most 52 letters: this has 55`,
  ]);
  expect(problemsOf(app("perNode: true, volumes: { data: { path: /data, size: 1Gi } }"))).toEqual([
    "4 volumes: data has a size, so it is kept, and no pod of a DaemonSet comes back to it",
  ]);
  expect(problemsOf(app("port: 80"))).toEqual([]);
});
