import type { ArgumentDefinition, Command, OptionDefinition } from "../../src/cli/command.ts";

/** The reference page of the command line, from the definitions that parsing and help use. */
export function cliPage(commands: readonly Command[]): string {
  const list = commands.map(
    ({ name, summary }) => `| [${name}](#outrigger-${name}) | ${summary} |`,
  );
  return `# Commands

Wherever a command reads files it takes them as arguments or by \`-f\`, the same: a file, a folder
of files, or \`-\` for standard input. What a status means: [exit codes](exit-codes.md).

| command | what it does |
|---|---|
${list.join("\n")}

${commands.map(section).join("\n\n")}
`;
}

function section(command: Command): string {
  const parts = [`## outrigger ${command.name}`, `${command.summary}.`, `    ${usage(command)}`];
  const rows = [
    ...(command.arguments ?? []).map((argument) => [
      `\`${argument.name}\``,
      aboutArgument(argument),
    ]),
    ...(command.options ?? []).map((option) => [`\`${flag(option)}\``, aboutOption(option)]),
  ];
  if (rows.length > 0) {
    const lines = rows.map(([what, about]) => `| ${cell(what!)} | ${cell(about!)} |`);
    parts.push(["| | |", "|---|---|", ...lines].join("\n"));
  }
  for (const { line, about } of command.examples) parts.push(`${capital(about)}:\n\n    ${line}`);
  return parts.join("\n\n");
}

function usage({ name, arguments: words = [], options = [] }: Command): string {
  const parts = words.map(({ name: word, required, many }) => {
    const written = `${word.toUpperCase()}${many ? "..." : ""}`;
    return required ? written : `[${written}]`;
  });
  return ["outrigger", name, ...(options.length > 0 ? ["[OPTIONS]"] : []), ...parts].join(" ");
}

function flag({ long, short, value }: OptionDefinition): string {
  const letter = short === undefined ? "" : `-${short}, `;
  return `${letter}--${long}${value === undefined ? "" : ` ${value}`}`;
}

function aboutArgument({ about, choices }: ArgumentDefinition): string {
  return choices === undefined ? about : `${about} (${choices.join(", ")})`;
}

function aboutOption({ about, choices, default: fallback, many }: OptionDefinition): string {
  const notes: string[] = [];
  if (choices !== undefined) notes.push(choices.join(", "));
  if (fallback !== undefined) notes.push(`default ${fallback}`);
  if (many === true) notes.push("may be repeated");
  return notes.length === 0 ? about : `${about} (${notes.join("; ")})`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
