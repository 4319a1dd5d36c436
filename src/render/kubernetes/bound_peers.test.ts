import { expect, test } from "bun:test";
import { loadDocuments } from "../../api/documents.ts";
import { objectKey, renderObjects, TARGETS } from "./mod.ts";

const HEAD = "apiVersion: outrigger.dev/v1alpha1\nkind: ";

function app(name: string, lines: readonly string[]): string {
  const head = `${HEAD}App\nmetadata: { name: ${name}, namespace: shop }\nspec:\n  image: ${name}:1\n`;
  return head + lines.map((line) => `  ${line}\n`).join("");
}

function mesh(lines: readonly string[]): string {
  return `${HEAD}Mesh\nmetadata: { name: shop }\nspec:\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

const LOGS = ["container: { dir: /app }", "logs: [{ file: logs/a.log, to: [elasticsearch] }]"];
const SEARCH = app("search", ["port: 9200", "sidecar: { enabled: false }"]);

function rendered(texts: readonly string[], sinks: Readonly<Record<string, string>> = {}) {
  const documents = loadDocuments([{ file: "shop.yaml", text: texts.join("---\n") }]);
  expect(documents.problems).toEqual([]);
  const { objects, problems } = renderObjects(documents, {
    ...{ target: TARGETS.kubernetes, image: "outrigger:1", sinks },
  });
  const policy = (name: string): any => {
    return objects.find((one) => objectKey(one) === `networkpolicy/${name}`)!.body["spec"];
  };
  return { problems, policy };
}

test("a sidecar reaches its sink, and the App that the sink is lets it in", () => {
  const sink = (url: string) => mesh([`sinks: { elasticsearch: { url: "${url}" } }`]);
  const { problems, policy } = rendered([app("api", LOGS), SEARCH, sink("http://search:9200")]);
  expect(problems).toEqual([]);
  const to = [{ port: 9200, protocol: "TCP" }];
  expect(policy("api").egress.at(-1)).toMatchObject({ ports: to });
  const { matchLabels } = policy("api").egress.at(-1).to[0].podSelector;
  expect(matchLabels).toEqual({ "app.kubernetes.io/name": "search" });
  expect(policy("search").ingress[0].from[0].podSelector.matchLabels).toEqual({
    "app.kubernetes.io/name": "api",
  });
  const outside = rendered([app("api", LOGS), sink("http://search.example.com")]);
  expect(outside.policy("api").egress.at(-1)).toEqual({
    to: [{ ipBlock: { cidr: "0.0.0.0/0" } }, { ipBlock: { cidr: "::/0" } }],
    ports: [{ port: 80, protocol: "TCP" }],
  });
});

test("a sink on the loopback is a problem with its line, unless the command line says better", () => {
  const texts = [
    app("api", LOGS),
    SEARCH,
    mesh(['sinks: { elasticsearch: { url: "http://127.0.0.1:9200" } }']),
  ];
  const [problem, ...more] = rendered(texts).problems;
  expect([problem!.line, problem!.message, more]).toEqual([
    21,
    "shop/api would send to 127.0.0.1:9200: in its pod nobody listens there",
    [],
  ]);
  const given = rendered(texts, { elasticsearch: "http://search.shop.svc.cluster.local:9200" });
  expect(given.problems).toEqual([]);
  expect(given.policy("search").ingress).toHaveLength(1);
});

test("an App that a route names and no call declares is reached and lets it in", () => {
  const front = app("front", ["port: 8080", "routes: [{ path: /api/*, to: api }]"]);
  const { problems, policy } = rendered([front, app("api", ["port: 9000"])]);
  expect(problems).toEqual([]);
  const matchLabels = { "app.kubernetes.io/name": "api" };
  expect(policy("front").egress.at(-1).to[0].podSelector).toEqual({ matchLabels });
  expect(policy("api").ingress[0].from[0].podSelector.matchLabels).toEqual({
    "app.kubernetes.io/name": "front",
  });
});
