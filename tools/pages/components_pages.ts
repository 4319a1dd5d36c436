import type { AnyField, Json } from "../../src/schema/field.ts";
import { referenceRows } from "../../src/schema/field.ts";
import { writtenText } from "../../src/schema/reference.ts";
import { FUNCTIONS } from "../../src/pipeline/expression/functions.ts";

/** What sources, steps and sinks of pipelines have in common for a reader. */
export interface PagedComponent {
  readonly name: string;
  readonly summary: string;
  readonly status: string;
  readonly security: string;
  readonly config: AnyField;
  readonly examples: readonly PagedExample[];
}

interface PagedExample {
  readonly title: string;
  readonly config: Json;
  readonly files?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly lines?: readonly string[];
  readonly messages?: readonly string[];
  readonly events?: readonly Readonly<Record<string, Json>>[];
  readonly stdout?: string;
  readonly requests?: readonly { readonly url: string; readonly body: string }[];
}

/** `docs/reference/pipeline-steps.md` and its like: one section for each component. */
export function componentsPage(
  title: string,
  introduction: string,
  components: readonly PagedComponent[],
): string {
  const rows = components.map(
    ({ name, summary, status }) => `| [${name}](#${anchor(name)}) | ${cell(summary)} | ${status} |`,
  );
  return `# ${title}

${introduction}

| name | what it does | status |
| --- | --- | --- |
${rows.join("\n")}

${components.map(section).join("\n\n")}
`;
}

function anchor(name: string): string {
  return name.toLowerCase();
}

function section(component: PagedComponent): string {
  const { name, summary, security, config, examples } = component;
  const parts = [`## ${name}`, summary, `**Security.** ${security}`];
  // A config that is one value, a list or a map has its own text.
  if (config.meta.about !== "")
    parts.push(`\`${name}\`: ${config.rule.expected}. ${config.meta.about}`);
  const rows = referenceRows(config).map((row) => {
    const fallback = row.default === undefined ? "" : code(writtenText(row.default));
    const required = row.required ? " (required)" : "";
    return `| \`${row.path}\` | ${cell(row.expected + required)} | ${fallback} | ${cell(row.about)} |`;
  });
  if (rows.length > 0) {
    parts.push(
      `| field | value | default | what it does |\n| --- | --- | --- | --- |\n${rows.join("\n")}`,
    );
  }
  for (const example of examples) parts.push(exampleText(name, example));
  return parts.join("\n\n");
}

function exampleText(name: string, example: PagedExample): string {
  const { title, config, files, stdin, lines, messages, events, stdout, requests } = example;
  const parts = [`${title}:`, block("yaml", `${name}: ${writtenText(config)}`)];
  for (const [path, text] of Object.entries(files ?? {})) {
    parts.push(`\`${path}\`:`, block(path.endsWith(".ts") ? "ts" : "", text.trimEnd()));
  }
  if (stdin !== undefined) parts.push("Standard input:", block("", stdin.trimEnd()));
  if (lines !== undefined) parts.push("What comes in:", block("", lines.join("\n")));
  if (messages !== undefined) parts.push("The messages:", block("", messages.join("\n")));
  if (events !== undefined) {
    const text = events.map((event) => JSON.stringify(event)).join("\n");
    parts.push("What goes on:", block("json", text));
  }
  if (stdout !== undefined) parts.push("Standard output:", block("", stdout.trimEnd()));
  for (const { url, body } of requests ?? []) {
    parts.push(`Sent to \`${url}\`:`, block("", body.trimEnd()));
  }
  return parts.join("\n\n");
}

/** The expression language: its rules, and its functions from their definitions. */
export function expressionsPage(): string {
  const rows = Object.entries(FUNCTIONS).map(([name, { summary, arguments: words, type }]) => {
    const form = `${name}(${words.join(", ")})`;
    return `| ${code(form)} | ${type === "any" ? "any value" : type} | ${cell(summary)} |`;
  });
  return `# Expressions

Conditions and values in steps and sinks of a pipeline: \`filter\`, \`from: { when: ... }\`, \`set\`,
\`classify\` and others. An expression reads one event, changes nothing, cannot fail and has no loops:
it ends after as many steps as it has parts. What is wrong with one is said when its file is checked,
with file, line and column.

    event.level == "error" && event.http.status >= 500
    event.path in ["/healthz", "/ready"] || !exists(event.user)
    matches(event.message, "^GET /orders/[0-9]+") && number(event.ms) > 250

| | |
| --- | --- |
| \`event.a.b\`, \`event["odd name"]\`, \`event.list[0]\` | A field; null where it is not. A line that no step has parsed has \`event.message\` only. |
| \`meta.source\`, \`meta.path\`, \`meta.bytes\` | The source's name, the file or peer, the size of what was read. |
| \`"text"\`, \`'text'\`, \`12.5\`, \`true\`, \`false\`, \`null\` | Values. In texts \`\\n\`, \`\\t\`, \`\\r\`, \`\\"\` and \`\\\\\` are escapes; other backslashes stay. |
| \`==\`, \`!=\` | Equal values of one type; there is no conversion. Lists and objects equal nothing. |
| \`<\`, \`<=\`, \`>\`, \`>=\` | Two numbers, or two texts by their characters; of all else false. |
| \`contains\`, \`startsWith\`, \`endsWith\` | A text in a text; \`contains\` also a value in a list. |
| \`in [a, b]\` | One of these values. |
| \`&&\`, \`\\|\\|\`, \`!\` | Only \`true\` is true: a number, a text and null are not. |
| \`+\`, \`-\`, \`*\`, \`/\`, \`%\` | Numbers; \`+\` joins two texts too. Of all else null, also a division by 0. |

| function | gives | |
| --- | --- | --- |
${rows.join("\n")}

An expression has at most 4096 characters and 1000 words, and is nested no deeper than 40.
`;
}

function block(language: string, text: string): string {
  const fence = text.includes("```") ? "````" : "```";
  return `${fence}${language}\n${text}\n${fence}`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}
