/** What a page in docs/ tells its reader to write and to type, and what it says one sees. */

export interface Command {
  readonly command: string;
  /** Lines that it shows; none where it shows nothing. `...` is anything. */
  readonly shown: readonly string[];
}

export type Fence =
  | { readonly kind: "file"; readonly path: string; readonly text: string }
  | { readonly kind: "console"; readonly commands: readonly Command[] };

export interface Step {
  readonly title: string;
  readonly fences: readonly Fence[];
}

/** Its second-level headings, with the fences that say `console`, or `yaml PATH`. */
export function stepsOf(page: string): readonly Step[] {
  return page
    .split(/^## /m)
    .slice(1)
    .map((part) => {
      const fences = [...part.matchAll(/^```(console|yaml) ?(\S*)\n([^]*?)^```$/gm)];
      return {
        title: part.slice(0, part.indexOf("\n")),
        fences: fences.map(([, kind, path, text]): Fence => {
          if (kind === "yaml") return { kind: "file", path: path!, text: text! };
          return { kind: "console", commands: commandsOf(text!) };
        }),
      };
    });
}

function commandsOf(text: string): readonly Command[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((one) => {
      const [command = "", ...shown] = one.trimEnd().split("\n");
      return { command, shown };
    });
}

/** A line of `...` alone is any number of lines; inside a line it is anything, blanks around too. */
export function matches(shown: readonly string[], output: string): boolean {
  const lines = shown.map((line) => {
    if (line.trim() === "...") return "(?:.*\\n)*?";
    const parts = line.split(/ *\.\.\. */).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return `${parts.join(".*")}\\n`;
  });
  return new RegExp(`^${lines.join("")}$`).test(`${output.trimEnd()}\n`);
}
