import type { Command, OptionDefinition } from "./command.ts";
import { allCommands } from "./mod.ts";

export const completion: Command = {
  name: "completion",
  summary: "print completion for a shell",
  arguments: [
    { name: "shell", about: "which shell", required: true, choices: ["bash", "zsh", "fish"] },
  ],
  examples: [
    {
      line: "source <(outrigger completion bash)",
      about: "completes commands and options in bash",
    },
    {
      line: "outrigger completion fish > ~/.config/fish/completions/outrigger.fish",
      about: "the same in fish, for every shell to come",
    },
  ],
  async run(world, input) {
    const commands = withWordsBelow(await allCommands());
    const scripts: Record<string, (commands: readonly Command[]) => string> = { bash, zsh, fish };
    const write = scripts[input.words[0] ?? ""];
    if (write === undefined) return 2;
    world.stdio.stdout.write(write(commands));
    return 0;
  },
};

/** Commands below others (`pipeline ledger`) are words of those, with their options. */
function withWordsBelow(commands: readonly Command[]): readonly Command[] {
  return commands
    .filter(({ name }) => !name.includes(" "))
    .map((command) => {
      const below = commands.filter(({ name }) => name.startsWith(`${command.name} `));
      if (below.length === 0) return command;
      const choices = below.map(({ name }) => name.slice(command.name.length + 1));
      const options = [...(command.options ?? [])];
      for (const one of below.flatMap((each) => each.options ?? [])) {
        if (!options.some(({ long }) => long === one.long)) options.push(one);
      }
      return { ...command, options, arguments: [{ name: "what", about: "what", choices }] };
    });
}

function shownOptions(command: Command): readonly OptionDefinition[] {
  return (command.options ?? []).filter(({ hidden }) => hidden !== true);
}

function optionWords(command: Command): string {
  const own = shownOptions(command).map(({ long }) => `--${long}`);
  return [...own, "--help"].join(" ");
}

/** Words that the first argument may be, where they are known. */
function firstWords(command: Command): string {
  return (command.arguments?.[0]?.choices ?? []).join(" ");
}

function bash(commands: readonly Command[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const cases = commands.map((command) => {
    const words = `options="${optionWords(command)}"; words="${firstWords(command)}"`;
    return `    ${command.name}) ${words} ;;`;
  });
  return `_outrigger() {
  local word="\${COMP_WORDS[COMP_CWORD]}" options="" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names} help" -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    help) words="${names}" ;;
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$word") $(compgen -f -- "$word")) ;;
  esac
}
complete -o filenames -F _outrigger outrigger
`;
}

function zsh(commands: readonly Command[]): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''").replaceAll(":", "\\:");
  const names = commands.map(({ name, summary }) => `    '${name}:${quote(summary)}'`);
  const cases = commands.map((command) => {
    const words = `${firstWords(command)} ${optionWords(command)}`.trim();
    return `    ${command.name}) compadd -- ${words}; _files ;;`;
  });
  return `#compdef outrigger
_outrigger() {
  local -a commands
  commands=(
${names.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "$words[2]" in
${cases.join("\n")}
  esac
}
compdef _outrigger outrigger
`;
}

function fish(commands: readonly Command[]): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines: string[] = [];
  for (const command of commands) {
    const on = `complete -c outrigger -n '__fish_seen_subcommand_from ${command.name}'`;
    const first = "complete -c outrigger -n __fish_use_subcommand -f";
    lines.push(`${first} -a ${command.name} -d ${quote(command.summary)}`);
    const words = firstWords(command);
    if (words !== "") lines.push(`${on} -f -a ${quote(words)}`);
    for (const { long, short, value, about, choices } of shownOptions(command)) {
      const letter = short === undefined ? "" : ` -s ${short}`;
      const takes = value === undefined ? "" : " -r";
      const allowed = choices === undefined ? "" : ` -f -a ${quote(choices.join(" "))}`;
      lines.push(`${on} -l ${long}${letter}${takes}${allowed} -d ${quote(about)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
